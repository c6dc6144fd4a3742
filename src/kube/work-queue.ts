// The queue between changes and reconciles: each key waits once, runs once at a time, and comes back after a failure.
//
// A key is ready (waiting for a free worker), running, or delayed (in the heap, until its time). A key added while it
// runs is noted, and ready again when that reconcile has ended: its view of the world may be older than the change.
import type { Logger } from '../telemetry/logger.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { createDelayQueue } from './delay-queue.ts';
import { isConflict, KubeError } from './kube-error.ts';
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

/** The first retry comes at once in human terms (most failures are conflicts); a lasting failure costs little. */
const RETRY: Backoff = { baseMs: 10, maxMs: 5 * 60_000 };
const DRAIN_MS = 20_000;
/** Delays are wall-clock times: a clock that is set forward is noticed within this time. */
const LONGEST_SLEEP_MS = 10_000;

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { name, workers, reconcile, logger, signal } = options;
  const metrics = metricsOf(options.metrics, name);
  /** Key and when it became ready; a Map keeps the order of arrival. */
  const ready = new Map<string, number>();
  const running = new Set<string>();
  const addedWhileRunning = new Set<string>();
  const delayed = createDelayQueue();
  /** Failures in a row. */
  const failures = new Map<string, number>();
  const giveUp = new AbortController();
  const done = Promise.withResolvers<void>();
  let wakeUp: NodeJS.Timeout | undefined;
  let start: NodeJS.Immediate | undefined;
  let drainTimer: NodeJS.Timeout | undefined;

  function add(key: string): void {
    if (signal.aborted) return;
    metrics.adds.inc();
    if (running.has(key)) addedWhileRunning.add(key);
    else makeReady(key);
  }

  function makeReady(key: string): void {
    if (!ready.has(key)) ready.set(key, performance.now());
    metrics.depth.set(ready.size);
    // Not at once: the rest of a batch of changes is applied first, so that a reconcile sees all of it.
    start ??= setImmediate(startReady);
  }

  function addAfter(key: string, delayMs: number): void {
    if (signal.aborted) return;
    delayed.schedule(key, Date.now() + Math.max(0, delayMs));
    sleep();
  }

  function sleep(): void {
    clearTimeout(wakeUp);
    const dueAt = delayed.nextDueAt();
    metrics.delayed.set(delayed.size);
    if (dueAt === undefined) return;
    wakeUp = setTimeout(releaseDue, Math.min(Math.max(1, dueAt - Date.now()), LONGEST_SLEEP_MS));
  }

  function releaseDue(): void {
    for (const key of delayed.takeDue(Date.now())) add(key);
    sleep();
  }

  function startReady(): void {
    start = undefined;
    for (const [key, since] of ready) {
      if (running.size >= workers) break;
      ready.delete(key);
      running.add(key);
      metrics.latency.observe((performance.now() - since) / 1000);
      void run(key);
    }
    metrics.depth.set(ready.size);
    metrics.active.set(running.size);
  }

  async function run(key: string): Promise<void> {
    const startedAt = performance.now();
    try {
      const { requeueAfterMs } = await reconcile(key, giveUp.signal);
      failures.delete(key);
      metrics.finished(requeueAfterMs === undefined ? 'success' : 'requeue_after', startedAt);
      if (requeueAfterMs !== undefined) addAfter(key, requeueAfterMs);
    } catch (error) {
      metrics.finished('error', startedAt);
      retry(key, error);
    } finally {
      running.delete(key);
      if (addedWhileRunning.delete(key)) add(key);
      metrics.active.set(running.size);
      if (signal.aborted) finishWhenIdle();
      else if (ready.size > 0) start ??= setImmediate(startReady);
    }
  }

  function retry(key: string, error: unknown): void {
    if (signal.aborted) {
      logger.info({ controller: name, key, err: error }, 'reconcile ended while stopping');
      return;
    }
    const attempt = (failures.get(key) ?? 0) + 1;
    failures.set(key, attempt);
    const askedFor = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(askedFor, backoffMs(attempt, RETRY));
    metrics.retries.inc();
    // A conflict is how two writers take turns, not a failure to report.
    const level = isConflict(error) ? 'debug' : 'error';
    logger[level]({ controller: name, key, attempt, retryInMs: Math.round(delayMs), err: error }, 'reconcile failed');
    addAfter(key, delayMs);
  }

  function stop(): void {
    clearTimeout(wakeUp);
    clearImmediate(start);
    ready.clear();
    metrics.depth.set(0);
    metrics.delayed.set(0);
    drainTimer = setTimeout(() => giveUp.abort(signal.reason), options.drainMs ?? DRAIN_MS);
    finishWhenIdle();
  }

  function finishWhenIdle(): void {
    if (running.size > 0) return;
    clearTimeout(drainTimer);
    done.resolve();
  }

  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return { add, addAfter, done: done.promise };
}

function metricsOf(metrics: KubeMetrics, controller: string) {
  const label = { controller };
  return {
    adds: metrics.queueAdds.labels(label),
    depth: metrics.queueDepth.labels(label),
    delayed: metrics.queueDelayed.labels(label),
    latency: metrics.queueLatency.labels(label),
    retries: metrics.queueRetries.labels(label),
    active: metrics.activeWorkers.labels(label),
    finished(result: 'success' | 'requeue_after' | 'error', startedAt: number) {
      metrics.reconciles.inc({ controller, result });
      metrics.reconcileDuration.observe(label, (performance.now() - startedAt) / 1000);
    },
  };
}
