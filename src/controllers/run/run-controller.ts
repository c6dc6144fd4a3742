// Reconciles one CrawlRun: stores it in Postgres, makes its Job, follows it to its end and tells how it stands.

import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import { parseObjectKey } from '../../kube/kube-object.ts';
import { updateStatus } from '../../kube/status.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { type CrawlRunSpec, crawlRunSpec } from '../../resources/crawl-run.ts';
import type { ContentChange, RunSnapshot } from '../../store/operator-store.ts';
import { StoreError } from '../../store/store-error.ts';
import { podsOf } from '../caches.ts';
import { DATABASE_RETRY_MS } from '../database-preparation.ts';
import type { Admission } from './admission.ts';
import { createFinishedRunSettler, type FinishedRunOptions } from './finished-run.ts';
import { createRunAcceptance, type RunAcceptanceOptions } from './run-acceptance.ts';
import { createAnnouncements } from './run-announcements.ts';
import { createRunEnd, type RunEndOptions } from './run-end.ts';
import { createRunJobs, type RunJobOptions } from './run-job.ts';
import { logFields } from './run-log-fields.ts';
import type { RunQueue } from './run-queue.ts';
import { type RunObservation, runStatus } from './run-status.ts';

export type RunControllerOptions = RunAcceptanceOptions &
  RunJobOptions &
  RunEndOptions &
  FinishedRunOptions & { readonly queue: RunQueue };

type Waiting = Extract<Admission, { admitted: false }>;

/** Progress is read this often, less often the more runs are active: the API server and Postgres are shared. */
const REFRESH_MS = 3_000;
const REFRESH_MS_PER_ACTIVE_RUN = 50;
/** Those who are next are told at once; the others see their place in line this often. */
const QUEUE_REFRESH_MS = 30_000;

export function createRunReconciler(options: RunControllerOptions) {
  const { runs, runCache, podCache, queue, store, database, events, now, logger } = options;
  const { accept, wasAccepted, hasCredentials, giveUpLost } = createRunAcceptance(options);
  const { ensureJob, createJob } = createRunJobs(options);
  const { stopWhenDue, releaseLostWorkers, endWithoutWorkers } = createRunEnd(options);
  const { announceBlocks, announceTraps, announceEnd } = createAnnouncements(options);
  const settleFinished = createFinishedRunSettler(options);

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const run = runCache.get(parseObjectKey(key));
    if (run === undefined || run.metadata.deletionTimestamp !== undefined) return {}; // the sweep ends it in Postgres
    if (isFinished(run)) return settleFinished(run, signal);
    try {
      return await advance(run, crawlRunSpec.parse(run.spec), signal);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return waitForDatabase(run, error, signal);
    }
  };

  /** One step of a live run: accepted, given a Job, stopped when it must be, ended when its end is known. */
  async function advance(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<ReconcileResult> {
    await database.ready();
    // Nobody has looked at it yet: most likely it is new.
    const isFresh = run.status === undefined && run.spec.shutdown === undefined && !hasCredentials(run);
    let snapshot = isFresh ? undefined : await readSnapshot(run, signal);
    const isLost = !isFresh && snapshot === undefined && wasAccepted(run);
    if (snapshot === undefined && run.spec.shutdown === undefined) {
      const admission = queue.admit(run);
      if (!admission.admitted) return waitInLine(run, admission, signal);
    }
    const needsCredentials = snapshot === undefined || (snapshot.state === 'Accepted' && !hasCredentials(run));
    if (needsCredentials) {
      const { acceptance, obstacle } = await accept(run, spec, isLost, signal);
      if (obstacle) return report(run, { pods: [], obstacle }, signal);
      if (isFresh && acceptance === 'Created') return startNew(run, spec, signal);
      if (isLost) await giveUpLost(run, signal);
      snapshot ??= await readSnapshot(run, signal);
    }
    if (snapshot === undefined) return { requeueAfterMs: 0 };

    const stopReason = snapshot.stopReason ?? (await stopWhenDue(run, spec, snapshot, signal));
    const job = await ensureJob(run, spec, snapshot, stopReason, signal);
    if ('obstacle' in job) return report(run, { snapshot, pods: [], obstacle: job.obstacle }, signal);

    await releaseLostWorkers(run, snapshot, signal);
    const ended = await endWithoutWorkers(run, spec, snapshot, job.job, stopReason, signal);
    if (ended) snapshot = await readSnapshot(run, signal);
    return report(run, { ...(snapshot ? { snapshot } : {}), ...job, pods: podsOf(podCache, run) }, signal);
  }

  /** The Job of a run that was accepted just now. Telling of it can wait until the other new runs have theirs. */
  async function startNew(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<ReconcileResult> {
    const job = await createJob(run, spec, signal);
    if ('obstacle' in job) return report(run, { pods: [], obstacle: job.obstacle }, signal);
    return { later: true };
  }

  async function waitInLine(
    run: CrawlRun,
    { reason, position, limit }: Waiting,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const message = `waiting: number ${position} in line, since ${limit} are the limit`;
    await writeStatus(run, { pods: [], obstacle: { condition: 'Accepted', reason, message } }, signal);
    return { requeueAfterMs: QUEUE_REFRESH_MS };
  }

  async function readSnapshot(run: CrawlRun, signal: AbortSignal): Promise<RunSnapshot | undefined> {
    return store.snapshot(run.metadata.uid, signal);
  }

  async function waitForDatabase(run: CrawlRun, error: StoreError, signal: AbortSignal): Promise<ReconcileResult> {
    logger.warn({ ...logFields(run), reason: error.reason, err: error }, 'run waits for PostgreSQL');
    database.mistrust(error);
    const message = `PostgreSQL: ${error.message}`;
    if (isConditionTrue(run.status?.conditions, 'Accepted')) return { requeueAfterMs: DATABASE_RETRY_MS }; // the workers keep what they have; nothing to tell
    events.record(run, { type: 'Warning', reason: 'DatabaseUnavailable', action: 'AcceptRun', message });
    const obstacle = { condition: 'Accepted', reason: 'DatabaseUnavailable', message } as const;
    await writeStatus(run, { pods: [], obstacle }, signal);
    return { requeueAfterMs: DATABASE_RETRY_MS };
  }

  async function report(run: CrawlRun, seen: RunObservation, signal: AbortSignal): Promise<ReconcileResult> {
    if (seen.snapshot) {
      announceBlocks(run, seen.snapshot);
      announceTraps(run, seen.snapshot);
    }
    const changes = seen.snapshot?.outcome ? await compareWithEarlier(run, signal) : undefined;
    await writeStatus(run, { ...seen, ...(changes ? { changes } : {}) }, signal);
    if (seen.snapshot?.outcome) {
      announceEnd(run, seen.snapshot);
      return { requeueAfterMs: 0 };
    }
    const active = runCache.list().filter((other) => !isFinished(other)).length;
    return { requeueAfterMs: Math.max(REFRESH_MS, active * REFRESH_MS_PER_ACTIVE_RUN) };
  }

  /** For people and for adaptive intervals. A run ends without it when Postgres cannot tell. */
  async function compareWithEarlier(run: CrawlRun, signal: AbortSignal): Promise<ContentChange | undefined> {
    try {
      const change = await store.contentChange(run.metadata.uid, signal);
      await store.forgetPages(run.metadata.uid, signal);
      return change;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      logger.warn({ ...logFields(run), err: error }, 'the run cannot be compared with the one before');
      return undefined;
    }
  }

  async function writeStatus(run: CrawlRun, seen: RunObservation, signal: AbortSignal): Promise<void> {
    const written = await updateStatus(runs, run, (current) => runStatus(current, seen, now()), { signal });
    if (written) runCache.observe(written);
  }
}
