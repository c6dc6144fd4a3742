// The one error of the store: a reason from a fixed list, and the database's own error as its cause.

/** Fixed list: what a caller can act on. */
export const STORE_ERROR_REASONS = [
  /** Postgres is away, full or restarting: try again. */
  'Unavailable',
  /** The run's token is unknown or revoked: the worker has to go. */
  'TokenRefused',
  /** The run is over and takes nothing more. */
  'RunFinished',
  /** Another server answers than before, or it was restarted: what it answered before may be lost. */
  'OtherServer',
  /** Role, password or database are not as the server knows them. */
  'LoginRefused',
  /** No login for workers, and not the right to create one; the message holds the SQL to run. */
  'GatewayLoginMissing',
  /** The database is older or newer than this program can work with. */
  'SchemaMismatch',
  /** A statement was refused: a bug, or someone changed the schema. */
  'Refused',
] as const;
export type StoreErrorReason = (typeof STORE_ERROR_REASONS)[number];

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: StoreErrorReason;
  /** With `OtherServer`: the identity of the server that answers now. */
  readonly server?: string;

  /** With `Unavailable`: it is no use to try again sooner. */
  readonly retryAfterMs?: number;

  constructor(
    reason: StoreErrorReason,
    message: string,
    options?: ErrorOptions & { readonly server?: string; readonly retryAfterMs?: number },
  ) {
    super(message, options);
    this.reason = reason;
    if (options?.server !== undefined) this.server = options.server;
    if (options?.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}
