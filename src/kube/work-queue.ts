// The queue between changes and reconciles: each key waits once, runs once at a time, and comes back after a failure.
import type { Logger } from '../telemetry/logger.ts';
import type { KubeMetrics } from './metrics.ts';

export interface ReconcileResult {
  /** Reconcile this key again after so many milliseconds of wall-clock time. */
  requeueAfterMs?: number;
}

export interface WorkQueueOptions {
  /** The controller's name, for logs and metrics. */
  name: string;
  /** How many keys are reconciled at once. */
  workers: number;
  /** Throwing brings the key back with a growing delay. The signal is aborted when draining takes too long. */
  reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult>;
  logger: Logger;
  metrics: KubeMetrics;
  /** Stops the queue: nothing new is started, and what runs may finish within drainMs. */
  signal: AbortSignal;
  /** Default 20,000 ms. */
  drainMs?: number;
}

export interface WorkQueue {
  /** Reconciles the key soon: once, however often it is added before it starts; once more if added while it runs. */
  add(key: string): void;
  /** Adds the key after the delay; of several delays the shortest counts. */
  addAfter(key: string, delayMs: number): void;
  /** Resolves when the signal was aborted and the last reconcile has ended. */
  readonly done: Promise<void>;
}

export function createWorkQueue(_options: WorkQueueOptions): WorkQueue {
  throw new Error('not implemented');
}
