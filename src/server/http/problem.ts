// Errors as the API answers them: RFC 9457 (application/problem+json), with a reason from a fixed list and the fields at fault.
import { z } from '@hono/zod-openapi';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import { KubeError } from '../../kube/kube-error.ts';

/** Each reason with its HTTP status. */
const STATUS = {
  BadRequest: 400,
  Unauthenticated: 401,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  PreconditionFailed: 412,
  TooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  /** The account of the server itself may not do what it was asked for. */
  ServerLacksRight: 500,
  Internal: 500,
  Unavailable: 503,
} as const;

export type ProblemReason = keyof typeof STATUS;

export const PROBLEM_REASONS = Object.keys(STATUS) as [ProblemReason, ...ProblemReason[]];

export const problemSchema = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    reason: z.enum(PROBLEM_REASONS),
    detail: z.string(),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('The fields at fault, such as spec.sources[0].urls.'),
  })
  .openapi('Problem');

export type Problem = z.output<typeof problemSchema>;
type FieldErrors = NonNullable<Problem['errors']>;

/** An answer that is no success; `detail` is for people. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly reason: ProblemReason;
  readonly errors: FieldErrors;
  /** Seconds to wait before the same request makes sense. */
  readonly retryAfter?: number;

  constructor(
    reason: ProblemReason,
    detail: string,
    options: ErrorOptions & { readonly errors?: FieldErrors; readonly retryAfter?: number } = {},
  ) {
    super(detail, options);
    this.reason = reason;
    this.errors = options.errors ?? [];
    if (options.retryAfter !== undefined) this.retryAfter = options.retryAfter;
  }

  get status(): (typeof STATUS)[ProblemReason] {
    return STATUS[this.reason];
  }

  body(): Problem {
    return {
      type: 'about:blank',
      title: this.reason,
      status: this.status,
      reason: this.reason,
      detail: this.message,
      ...(this.errors.length === 0 ? {} : { errors: this.errors }),
    };
  }
}

/**
 * What a failure is to a caller.
 * @param isConditional whether the request named the version that it is about (If-Match)
 */
export function problemOf(error: unknown, isConditional: boolean): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof KubeError) return problemOfKubernetes(error, isConditional);
  if (error instanceof StoreError) return problemOfStore(error);
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new ProblemError('Unavailable', 'the answer has taken too long', { cause: error, retryAfter: 5 });
  }
  // Of the framework: a body that is no JSON, or too large.
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  const reason = PROBLEM_REASONS.find((one) => STATUS[one] === status && STATUS[one] < 500);
  if (reason !== undefined && error instanceof Error) {
    return new ProblemError(reason, error.message || reason, { cause: error });
  }
  return new ProblemError('Internal', 'the server has failed in an unforeseen way; its log says more', {
    cause: error,
  });
}

/** How the API server says that an account lacks a right; other refusals with 403 are quotas and policies. */
const LACKS_RIGHT = /cannot \w+ resource/;

function problemOfKubernetes(error: KubeError, isConditional: boolean): ProblemError {
  const cause = { cause: error };
  switch (error.status) {
    case 400:
      return new ProblemError('BadRequest', error.message, { ...cause, errors: unknownFields(error.message) });
    case 401:
      return new ProblemError('ServerLacksRight', `the API server does not accept the server: ${error.message}`, cause);
    case 403:
      return LACKS_RIGHT.test(error.message)
        ? new ProblemError('ServerLacksRight', `the account of the server lacks a right: ${error.message}`, cause)
        : new ProblemError('Forbidden', error.message, cause);
    case 404:
      return new ProblemError('NotFound', error.message, cause);
    case 409:
      return isConditional && error.reason !== 'AlreadyExists'
        ? new ProblemError('PreconditionFailed', 'the object is not the one that If-Match names any more', cause)
        : new ProblemError('Conflict', error.message, cause);
    case 410:
      return new ProblemError('BadRequest', 'the cursor is too old: begin the list anew', cause);
    case 413:
      return new ProblemError('TooLarge', error.message, cause);
    case 422: {
      // Of a patch: the message holds the whole object.
      const unknown = error.message.includes('strict decoding error') ? unknownFields(error.message) : [];
      if (unknown.length > 0) {
        const detail = `there is no field ${unknown.map(({ field }) => field).join(', ')}`;
        return new ProblemError('BadRequest', detail, { ...cause, errors: unknown });
      }
      return new ProblemError('Invalid', error.message, { ...cause, errors: [...error.fields] });
    }
    default:
      return new ProblemError('Unavailable', `the API server does not answer: ${error.message}`, {
        ...cause,
        retryAfter: Math.ceil((error.retryAfterMs ?? 1_000) / 1_000),
      });
  }
}

/** `strict decoding error: unknown field "spec.foo", unknown field "spec.bar"` */
function unknownFields(message: string): FieldErrors {
  return [...message.matchAll(/unknown field \\?"([^"\\]+)/g)].map(([, field = '']) => ({
    field,
    message: 'there is no such field',
  }));
}

function problemOfStore(error: StoreError): ProblemError {
  const cause = { cause: error };
  switch (error.reason) {
    case 'Unavailable':
    case 'SchemaMismatch':
    case 'LoginRefused':
      return new ProblemError('Unavailable', `PostgreSQL cannot be asked: ${error.message}`, {
        ...cause,
        retryAfter: 5,
      });
    default:
      return new ProblemError('Internal', 'PostgreSQL refuses what the server asks; its log says more', cause);
  }
}
