// The one error that talking to the API server ends in, whether it answered with a Status or not at all.

/** Reasons of our own, for when no Status came back; all others are the API server's (`NotFound`, `Conflict`, …). */
export type NoAnswerReason = 'Unreachable' | 'Timeout' | 'BadAnswer';

export interface KubeErrorDetails {
  /** HTTP status, 0 when there was no answer. */
  status: number;
  /** The Status object's reason, or one of NoAnswerReason. */
  reason: string;
  message: string;
  /** How long the API server asks to wait before the next attempt, in milliseconds. */
  retryAfterMs?: number;
  /** The fields that the API server refuses, each with why. */
  fields?: readonly FieldFault[];
  cause?: unknown;
}

/** `field` as the API server names it, such as `spec.sources[0].urls`. */
export interface FieldFault {
  field: string;
  message: string;
}

export class KubeError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly FieldFault[];

  constructor(details: KubeErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'KubeError';
    this.status = details.status;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.fields = details.fields ?? [];
  }
}

/** The object's resourceVersion (or UID) was not the expected one. AlreadyExists is HTTP 409 too, but no conflict. */
export function isConflict(error: unknown): boolean {
  return hasStatus(error, 409) && !isAlreadyExists(error);
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'AlreadyExists';
}

export function isNotFound(error: unknown): boolean {
  return hasStatus(error, 404);
}

/** The API server refuses the object itself (schema, CEL rule, immutable field): trying again cannot help. */
export function isInvalid(error: unknown): boolean {
  return hasStatus(error, 422);
}

/** The resourceVersion or continue token is older than what the API server remembers: list again. */
export function isExpired(error: unknown): boolean {
  return hasStatus(error, 410);
}

export function isForbidden(error: unknown): boolean {
  return hasStatus(error, 403);
}

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}

/** An object, its status included, that does not fit into etcd (1.5 MiB); the API server answers 500 for it. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 413 || /request is too large/i.test(error.message));
}

const FINAL_STATUSES = [400, 403, 404, 405, 413, 415, 422];

/**
 * Whether the same request would be refused again: the object or the policies of the cluster have to change first. A quota that
 * is used up (403) has room again when other objects go, one that is new is counted within a minute; 409, 429, 5xx and no answer at all pass by themselves.
 */
export function isFinalAnswer(error: unknown): boolean {
  if (!(error instanceof KubeError) || /exceeded quota|status unknown for quota/.test(error.message)) return false;
  return FINAL_STATUSES.includes(error.status) || isTooLarge(error);
}
