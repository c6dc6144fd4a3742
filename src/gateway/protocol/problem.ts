// Errors over HTTP: problem documents (RFC 9457) that carry the reason of a StoreError.
import { z } from 'zod';
import { STORE_ERROR_REASONS, StoreError, type StoreErrorReason } from './store-error.ts';

export const PROBLEM_TYPE = 'application/problem+json';

const problem = z.object({
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  /** One that this worker does not know yet counts as `Refused`. */
  reason: z.enum(STORE_ERROR_REASONS).catch('Refused'),
  /** See `StoreError.server`. */
  server: z.string().optional(),
});
export type Problem = z.output<typeof problem>;

const STATUS: Readonly<Record<StoreErrorReason, number>> = {
  Unavailable: 503,
  TokenRefused: 401,
  RunFinished: 410,
  OtherServer: 409,
  // Between the gateway and its database: nothing that a worker could mend, and it may pass.
  LoginRefused: 503,
  GatewayLoginMissing: 503,
  SchemaMismatch: 503,
  Refused: 422,
};

/**
 * What a worker is told: only what it can act on, so what passes is `Unavailable` to it. Of what is between the gateway and its
 * database, addresses and names of roles say more than a pod has to know.
 */
export function problemOf(error: StoreError): Problem {
  const status = STATUS[error.reason];
  const mayPass = status === 503;
  return {
    title: mayPass ? 'Unavailable' : error.reason,
    status,
    detail: isOfDatabase(error) ? BEHIND_THE_GATEWAY[error.reason] : error.message,
    reason: mayPass ? 'Unavailable' : error.reason,
    ...(error.server === undefined ? {} : { server: error.server }),
  };
}

const BEHIND_THE_GATEWAY = {
  Unavailable: 'the gateway waits for PostgreSQL',
  LoginRefused: 'PostgreSQL does not let the gateway in',
  GatewayLoginMissing: 'the gateway has no login to PostgreSQL',
  SchemaMismatch: 'the functions in PostgreSQL do not fit the gateway',
} as const;

/** Whether it is about the way to the database, and from there: what the gateway says by itself has no cause. */
export function isOfDatabase(error: StoreError): error is StoreError & { reason: keyof typeof BEHIND_THE_GATEWAY } {
  return error.cause !== undefined && error.reason in BEHIND_THE_GATEWAY;
}

/**
 * The error that an answer tells. What is no problem document comes from something in between, such as a load balancer:
 * its 5xx, 408 and 429 may pass.
 *
 * @param retryAfterMs what the answer asks for
 */
export function errorOf(status: number, body: unknown, retryAfterMs?: number): StoreError {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const parsed = problem.safeParse(body);
  if (parsed.success) {
    const { reason, title, detail, server } = parsed.data;
    return new StoreError(reason, detail ?? title, server === undefined ? wait : { ...wait, server });
  }
  const mayPass = status >= 500 || status === 408 || status === 429;
  return new StoreError(mayPass ? 'Unavailable' : 'Refused', `the gateway answers with status ${status}`, wait);
}
