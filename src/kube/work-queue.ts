// The queue between changes and reconciles: each key waits once, runs once at a time, and comes back after a failure.
//
// A key is ready (waiting for a free worker), running, or delayed (in a heap, until its time). A key added while it
// runs is noted, and ready again when that reconcile has ended: its view of the world may be older than the change.
// Urgent keys go first, before the other keys of all queues that share an Urgency.
import type { Logger } from '../telemetry/logger.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { createClockSteps } from './clock-steps.ts';
import { createDelayQueue, type DelayQueue } from './delay-queue.ts';
import { isConflict, KubeError } from './kube-error.ts';
import type { KubeMetrics } from './metrics.ts';
import { createUrgency, PATIENCE_MS, type Urgency } from './urgency.ts';

export interface ReconcileResult {
  /** Reconcile this key again after so many milliseconds, earlier where the clock is set forward. */
  requeueAfterMs?: number;
  /** Whether that is urgent: an appointment, which comes later where the clock is set back. */
  urgent?: boolean;
  /** The urgent part is done: reconcile this key once more for the rest, when nothing urgent waits. */
  later?: boolean;
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
  /** Shared with the queues whose urgent keys this one gives way to; absent: its own alone. */
  urgency?: Urgency;
}

export interface WorkQueue {
  /**
   * Reconciles the key soon: once, however often it is added before it starts; once more if added while it runs.
   * It is urgent when it was added so once.
   */
  add(key: string, options?: { urgent: boolean }): void;
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
  const urgent = new Map<string, number>();
  const ready = new Map<string, number>();
  /** Key and whether it is running as an urgent one. */
  const running = new Map<string, boolean>();
  let runningUrgent = 0;
  /** Key and whether it is urgent. */
  const addedWhileRunning = new Map<string, boolean>();
  const delayed = createDelayQueue();
  const appointments = createDelayQueue();
  const clockStep = createClockSteps();
  const turns = (options.urgency ?? createUrgency()).join(startSoon);
  /** Failures in a row. */
  const failures = new Map<string, number>();
  const giveUp = new AbortController();
  const done = Promise.withResolvers<void>();
  let wakeUp: NodeJS.Timeout | undefined;
  let wakeUpAt = Number.POSITIVE_INFINITY;
  let impatience: NodeJS.Timeout | undefined;
  let start: NodeJS.Immediate | undefined;
  let drainTimer: NodeJS.Timeout | undefined;

  function add(key: string, { urgent: isUrgent } = { urgent: false }): void {
    if (signal.aborted) return;
    metrics.adds.inc();
    if (running.has(key)) addedWhileRunning.set(key, isUrgent || addedWhileRunning.get(key) === true);
    else makeReady(key, isUrgent);
  }

  function makeReady(key: string, isUrgent: boolean): void {
    const since = ready.get(key) ?? performance.now();
    if (isUrgent) {
      ready.delete(key);
      if (!urgent.has(key)) urgent.set(key, since);
      reportUrgent();
    } else if (!urgent.has(key)) {
      ready.set(key, since);
    }
    metrics.depth.set(ready.size + urgent.size);
    startSoon();
  }

  function reportUrgent(): void {
    turns.has({ waiting: urgent.size, running: runningUrgent });
  }

  /** Not at once: the rest of a batch of changes is applied first, so that a reconcile sees all of it. */
  function startSoon(): void {
    if (ready.size + urgent.size > 0) start ??= setImmediate(startReady);
  }

  function addAfter(key: string, delayMs: number): void {
    delay(delayed, key, delayMs);
  }

  function delay(heap: DelayQueue, key: string, delayMs: number): void {
    if (signal.aborted) return;
    noticeClock();
    heap.schedule(key, Date.now() + Math.max(0, delayMs));
    sleep();
  }

  function sleep(): void {
    const dueAt = Math.min(
      delayed.nextDueAt() ?? Number.POSITIVE_INFINITY,
      appointments.nextDueAt() ?? Number.POSITIVE_INFINITY,
    );
    metrics.delayed.set(delayed.size + appointments.size);
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const now = Date.now();
    const at = Math.min(Math.max(now + 1, dueAt), now + LONGEST_SLEEP_MS);
    // Waking up too early does no harm, and a thousand keys delayed one after the other need one timer.
    if (at >= wakeUpAt) return;
    clearTimeout(wakeUp);
    wakeUpAt = at;
    wakeUp = setTimeout(releaseDue, at - now);
  }

  /**
   * A delay takes as long as was asked for where the clock is set back meanwhile, and less where it is set forward: then it may have been
   * until a time that has come. An appointment is a time by the clock.
   */
  function noticeClock(): void {
    const step = clockStep();
    if (step >= 0) return;
    delayed.shift(step);
    wakeUpAt += step;
  }

  function releaseDue(): void {
    wakeUpAt = Number.POSITIVE_INFINITY;
    noticeClock();
    for (const key of appointments.takeDue(Date.now())) add(key, { urgent: true });
    for (const key of delayed.takeDue(Date.now())) add(key);
    sleep();
  }

  function startReady(): void {
    start = undefined;
    for (const [key, since] of urgent) {
      if (running.size >= workers || !turns.isMyTurn()) break;
      urgent.delete(key);
      begin(key, since, true);
    }
    reportUrgent();
    for (const [key, since] of ready) {
      if (running.size >= workers) break;
      if (!turns.isCalm() && !mayStartAnyway(since)) break; // those behind it have waited for less long
      ready.delete(key);
      begin(key, since, false);
    }
    metrics.depth.set(ready.size + urgent.size);
    metrics.active.set(running.size);
    if (ready.size > 0 && running.size < workers) {
      clearTimeout(impatience);
      impatience = setTimeout(startSoon, PATIENCE_MS);
    }
  }

  /** Urgent work may go on for long: then one worker does what waits, and the longer it has waited the more, up to a quarter. */
  function mayStartAnyway(since: number): boolean {
    const periods = Math.floor((performance.now() - since) / PATIENCE_MS);
    return running.size - runningUrgent < Math.min(periods, Math.max(1, workers / 4));
  }

  function begin(key: string, since: number, isUrgent: boolean): void {
    running.set(key, isUrgent);
    if (isUrgent) runningUrgent += 1;
    metrics.latency.observe((performance.now() - since) / 1000);
    void run(key);
  }

  async function run(key: string): Promise<void> {
    const startedAt = performance.now();
    try {
      const { requeueAfterMs, urgent: isUrgent, later } = await reconcile(key, giveUp.signal);
      failures.delete(key);
      metrics.finished(requeueAfterMs === undefined ? 'success' : 'requeue_after', startedAt);
      if (requeueAfterMs !== undefined) delay(isUrgent ? appointments : delayed, key, requeueAfterMs);
      if (later) add(key);
    } catch (error) {
      metrics.finished('error', startedAt);
      retry(key, error);
    } finally {
      if (running.get(key)) runningUrgent -= 1;
      running.delete(key);
      const addedAs = addedWhileRunning.get(key);
      addedWhileRunning.delete(key);
      if (addedAs !== undefined) add(key, { urgent: addedAs });
      reportUrgent();
      metrics.active.set(running.size);
      if (signal.aborted) finishWhenIdle();
      else startSoon();
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
    delay(running.get(key) ? appointments : delayed, key, delayMs);
  }

  function stop(): void {
    clearTimeout(wakeUp);
    clearTimeout(impatience);
    clearImmediate(start);
    ready.clear();
    urgent.clear();
    reportUrgent();
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
