// What a gateway takes at once before it turns workers away.
import { BODIES_MEMORY } from './protocol/body-memory.ts';

export type GatewayLimits = {
  /** Connections of workers; beyond it whoever has most of them loses one. */
  readonly connections: number;
  /** Bytes of memory for all bodies, from their first byte to the answer. A run may have as much of it as is still free. */
  readonly bodyMemory: number;
  /** Requests that wait for a connection to PostgreSQL. */
  readonly waiting: number;
  /**
   * Requests per second of each worker that the run's spec has, on average; twice as many at once. A page that is asked for
   * again takes one to learn what it gave, and a worker reads some thousand pages a second at best.
   */
  readonly requestsPerWorker: number;
  /** How long the head of a request may take, and all of it: it may come in drops. Milliseconds. */
  readonly headMs: number;
  readonly requestMs: number;
};

export const DEFAULT_LIMITS: GatewayLimits = {
  connections: 10_000,
  bodyMemory: BODIES_MEMORY,
  waiting: 2_000,
  requestsPerWorker: 4_000,
  headMs: 10_000,
  requestMs: 30_000,
};
