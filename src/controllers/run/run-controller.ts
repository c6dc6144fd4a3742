// Reconciles one CrawlRun: stores it in PostgreSQL, makes its Job, follows it to its end and shows how it stands.
import type { CrawlRun } from '../../custom-resources/types.ts';
import { isFinished } from '../../custom-resources/types.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import { isConflict, KubeError } from '../../kube/kube-error.ts';
import { controllerOf, parseObjectKey } from '../../kube/kube-object.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { type CrawlRunSpec, crawlRunSpec } from '../../resources/crawl-run.ts';
import type { ContentChange, RunSnapshot } from '../../store/operator-store.ts';
import type { Traces } from '../../telemetry/traces.ts';
import { podsOf } from '../caches.ts';
import { DATABASE_RETRY_MS, type PreparedDatabase } from '../database-preparation.ts';
import type { JobSettings } from './crawl-job.ts';
import { earlierImage } from './earlier-image.ts';
import { createEventReader, type EventReaderOptions } from './event-reader.ts';
import type { FigurePace } from './figure-pace.ts';
import { createFinishedRunSettler, type FinishedRunOptions } from './finished-run.ts';
import { createHungWorkers, type HungWorkerOptions } from './hung-workers.ts';
import { createLostNodes, isSilent, type LostNodeOptions } from './lost-node.ts';
import { endingObstacle, type Obstacle, obstacleOfAnswer, type StartObstacle, startDeadline } from './obstacle.ts';
import { isHeld, isPaused, pausedBeforeItsTurn, pauseObstacle, refusedPause } from './pause.ts';
import { hasEnded } from './pods.ts';
import { createRunAcceptance, type RunAcceptanceOptions } from './run-acceptance.ts';
import { createAnnouncements } from './run-announcements.ts';
import { createRunEnd, type RunEndOptions } from './run-end.ts';
import { createRunJobs, type RunJobOptions } from './run-job.ts';
import { logFields } from './run-log-fields.ts';
import type { RunQueue } from './run-queue.ts';
import { endOf, type RunEnd, type RunObservation } from './run-status.ts';
import { nextStep, type RunStep } from './run-step.ts';
import { runSpan } from './run-trace.ts';
import { specObstacle } from './spec-obstacle.ts';
import { createStatusWriter } from './status-writer.ts';
import { lastCrash, workerObstacle } from './worker-obstacles.ts';

export type RunControllerOptions = RunAcceptanceOptions &
  RunJobOptions &
  RunEndOptions &
  LostNodeOptions &
  HungWorkerOptions &
  EventReaderOptions &
  FinishedRunOptions & {
    readonly database: PreparedDatabase;
    readonly queue: RunQueue;
    readonly pace: FigurePace;
    readonly settings: JobSettings;
    /** Its status shows the end now. */
    readonly onRunEnded: (run: CrawlRun, end: RunEnd) => void;
    /** Absent when nobody wants them. */
    readonly traces?: Pick<Traces, 'addRun'>;
  };

/** Progress is read this often, less often the more runs are active: the API server and PostgreSQL are shared. */
const REFRESH_MS = 3_000;
const REFRESH_MS_PER_ACTIVE_RUN = 50;
/** A paused run is woken by its spec, its Job and its pods; this is for what they do not tell. */
const PAUSED_REFRESH_MS = 30_000;
/** How long one look may hold what a run knows against its edited spec; the rest follows at the next one. */
const REVIEW_MS = 2_000;
/** Those who are next are woken at once; the others see their place in line this often. */
const QUEUE_REFRESH_MS = 30_000;

/** What a reconcile has found out; pods are read where they are missing. */
type Seen = Omit<RunObservation, 'pods'> & Partial<Pick<RunObservation, 'pods'>>;

export function createRunReconciler(options: RunControllerOptions) {
  const { runCache, podCache, queue, store, database, settings, now, logger } = options;
  const { accept, acceptLost, acceptedBefore, credentialsChecked } = createRunAcceptance(options);
  const { ensureJob, createJob, knownJob, knownOutputJob, stopKnownJob, pauseKnownJob } = createRunJobs(options);
  const { stopWhenDue, terminate, terminatePods, releaseLostWorkers, endWithoutWorkers } = createRunEnd(options);
  const { failLostPods } = createLostNodes(options);
  const { endHungWorkers } = createHungWorkers(options);
  const { announceStart, announceBlocks, announceTraps, announceStall, announceObstacle, announceChange, announceEnd } =
    createAnnouncements(options);
  const { write } = createStatusWriter(options);
  const clusterEvents = createEventReader(options);
  const settleFinished = createFinishedRunSettler(options);

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const run = runCache.get(parseObjectKey(key));
    if (run === undefined || run.metadata.deletionTimestamp !== undefined) return {}; // the sweep ends it in PostgreSQL
    if (isFinished(run)) return settleFinished(run, signal);
    const parsed = crawlRunSpec.safeParse(run.spec);
    if (!parsed.success) {
      const message = `the spec is not one that this operator can read: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`;
      return endUnaccepted(run, { condition: 'Accepted', patience: 'Final', reason: 'SpecInvalid', message }, signal);
    }
    try {
      return await advance(run, parsed.data, signal);
    } catch (error) {
      if (error instanceof StoreError) return waitForDatabase(run, error, signal);
      if (error instanceof KubeError && !isConflict(error)) return await showAnswer(run, parsed.data, error, signal);
      throw error;
    }
  };

  /** One step of a run that has not ended. */
  async function advance(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<ReconcileResult> {
    await database.ready();
    const snapshot = isNew(run) ? undefined : await readSnapshot(run, signal);
    switch (stepOf(run, snapshot)) {
      case 'Enter':
        return enter(run, spec, signal);
      case 'End':
        return endUnaccepted(run, undefined, signal);
      case 'EndLost': {
        const obstacle = await acceptLost(run, spec, signal);
        return obstacle ? reportOrGiveUp(run, spec, obstacle, signal) : { requeueAfterMs: 0 };
      }
      case 'RenewCredentials': {
        const outcome = await accept(run, spec, true, signal);
        if ('obstacle' in outcome) return reportOrGiveUp(run, spec, { ...snapshotOf(snapshot), ...outcome }, signal);
        return work(run, spec, snapshot, signal);
      }
      case 'Work':
        return work(run, spec, snapshot, signal);
    }
  }

  /** Nobody has looked at it yet: most likely PostgreSQL does not know it, and a burst of new runs need not ask. */
  function isNew(run: CrawlRun): boolean {
    return run.status === undefined && run.spec.shutdown === undefined && !credentialsChecked(run);
  }

  function stepOf(run: CrawlRun, snapshot: RunSnapshot | undefined): RunStep {
    return nextStep({
      row: snapshot?.state ?? (isNew(run) ? 'Unread' : 'Missing'),
      shutdown: run.spec.shutdown !== undefined,
      acceptedBefore: acceptedBefore(run),
      credentialsChecked: credentialsChecked(run),
    });
  }

  /** Waits in line, or is accepted and gets its Job. */
  async function enter(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<ReconcileResult> {
    if (run.spec.suspend) {
      await writeStatus(run, { obstacle: pausedBeforeItsTurn(run) }, signal);
      return {};
    }
    const trouble = queue.trouble(run);
    if (trouble) {
      const obstacle = { condition: 'Accepted', patience: 'StartDeadline', reason: 'UnknownQueue' } as const;
      return reportOrGiveUp(run, spec, { obstacle: { ...obstacle, message: trouble } }, signal);
    }
    const admission = queue.admit(run);
    if (!admission.admitted) {
      const { reason, position, limit } = admission;
      const message = `waiting: number ${position} in line of queue ${spec.queue}, since ${limit} are the limit`;
      const obstacle: Obstacle = { condition: 'Accepted', patience: 'Unlimited', reason, message };
      await writeStatus(run, { obstacle, queuePosition: position }, signal);
      return { requeueAfterMs: QUEUE_REFRESH_MS };
    }
    const refusal = specObstacle(run, spec, settings.allowedPodFields);
    if (refusal) return reportOrGiveUp(run, spec, { obstacle: refusal }, signal);
    const wasNew = isNew(run);
    const outcome = await accept(run, spec, false, signal);
    if ('obstacle' in outcome) return reportOrGiveUp(run, spec, outcome, signal);
    if (!wasNew || outcome.acceptance !== 'Created') {
      return work(run, spec, await readSnapshot(run, signal), signal);
    }
    const job = await createJob(run, spec, signal);
    if ('obstacle' in job)
      return reportOrGiveUp(run, spec, { ...snapshotOf(await readSnapshot(run, signal)), ...job }, signal);
    return { later: true }; // its status can wait until the other new runs have their Jobs
  }

  /** Looks after the Job, the workers and the end of an accepted run. */
  async function work(
    run: CrawlRun,
    spec: CrawlRunSpec,
    read: RunSnapshot | undefined,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    if (read === undefined) return { requeueAfterMs: 0 };
    const hasChanged = await changeSpec(run, spec, read, signal);
    const isUnderReview = (read.isUnderReview || hasChanged) && (await reviewQueue(run, signal));
    const result = await lookAfter(run, spec, read, signal);
    return isUnderReview ? { requeueAfterMs: 0 } : result;
  }

  async function lookAfter(
    run: CrawlRun,
    spec: CrawlRunSpec,
    read: RunSnapshot,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const stopReason = read.stopReason ?? (await stopWhenDue(run, spec, read, signal));
    const snapshot: RunSnapshot = stopReason === undefined ? read : { ...read, stopReason };
    if (isPaused(run, snapshot, stopReason)) return pause(run, spec, snapshot, signal);
    const found = await ensureJob(run, spec, snapshot, stopReason, signal);
    if ('obstacle' in found) return reportOrGiveUp(run, spec, { snapshot, ...found }, signal);
    // After its Job: a time-out that does not count a pause is better than one that counts it.
    const standsStill = isHeld(found.job, snapshot, stopReason);
    if (await noteTime(run, snapshot, standsStill, signal)) return { requeueAfterMs: 0 };

    const pods = podsOf(podCache, run);
    await terminate(run, snapshot, pods, signal);
    await failLostPods(run, spec, snapshot, pods, signal);
    await endHungWorkers(run, spec, snapshot, pods, signal);
    await releaseLostWorkers(run, snapshot, pods, signal);
    if (await endWithoutWorkers(run, spec, snapshot, found.job, pods, signal)) {
      const ended = await readSnapshot(run, signal);
      return report(run, { ...snapshotOf(ended), ...found, pods }, signal);
    }
    if (stopReason !== undefined && !snapshot.output?.due) return report(run, { snapshot, ...found, pods }, signal);
    const job = knownOutputJob(run) ?? found.job;
    const ofJob = pods.filter((pod) => controllerOf(pod)?.name === job?.metadata.name);
    const events = await clusterEvents.read(job, ofJob, signal);
    const obstacle = workerObstacle({ ...(job ? { job } : {}), pods: ofJob, events });
    return reportOrGiveUp(run, spec, { snapshot, ...found, pods, ...(obstacle ? { obstacle } : {}) }, signal);
  }

  /** Puts an edited spec in force; whether that changed anything. */
  async function changeSpec(
    run: CrawlRun,
    spec: CrawlRunSpec,
    { state, specGeneration }: RunSnapshot,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid, generation = 0 } = run.metadata;
    if (state === 'Finished' || specGeneration === generation) return false;
    const changes = await store.changeRun({ runId: uid, spec, specGeneration: generation }, signal);
    if (changes.length > 0) announceChange(run, changes);
    return changes.length > 0;
  }

  /** Holds what the run knows against its edited spec; whether something of that is left. */
  async function reviewQueue({ metadata: { uid } }: CrawlRun, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + REVIEW_MS;
    while (await store.reviewQueue(uid, signal)) if (performance.now() > until) return true;
    return false;
  }

  /** Keeps the Job suspended, and gives back what workers held that have ended. */
  async function pause(
    run: CrawlRun,
    spec: CrawlRunSpec,
    read: RunSnapshot,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const standsStill = refusedPause(knownJob(run)) === undefined;
    const hasChanged = await noteTime(run, read, standsStill, signal);
    const snapshot = hasChanged ? ((await readSnapshot(run, signal)) ?? read) : read;
    const job = await pauseKnownJob(run, signal);
    const pods = podsOf(podCache, run);
    await failLostPods(run, spec, snapshot, pods, signal);
    await releaseLostWorkers(run, snapshot, pods, signal);
    const known = { pods, ...(job ? { job } : {}) };
    if (await endWithoutWorkers(run, spec, snapshot, job, pods, signal)) {
      return report(run, { ...snapshotOf(await readSnapshot(run, signal)), ...known }, signal);
    }
    const obstacle = pauseObstacle(run, job, pods);
    const pauseRefused = refusedPause(job);
    const { requeueAfterMs = 0 } = await report(
      run,
      { snapshot, ...known, ...(obstacle ? { obstacle } : {}), ...(pauseRefused ? { pauseRefused } : {}) },
      signal,
    );
    const isQuiet = obstacle !== undefined && pods.every(hasEnded);
    return { requeueAfterMs: isQuiet ? Math.max(PAUSED_REFRESH_MS, requeueAfterMs) : requeueAfterMs };
  }

  /** Notes since when the run's time stands still, or that it goes on; whether that is news. */
  async function noteTime(
    { metadata: { uid } }: CrawlRun,
    { pausedAt }: RunSnapshot,
    standsStill: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (standsStill === (pausedAt !== undefined)) return false;
    if (standsStill) return store.pauseRun(uid, signal);
    await store.resumeRun(uid, signal);
    return true;
  }

  /** Shows what the run waits for, and ends it when that cannot change, or has lasted until the start deadline. */
  async function reportOrGiveUp(
    run: CrawlRun,
    spec: CrawlRunSpec,
    seen: Seen,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const { snapshot, obstacle } = seen;
    if (snapshot?.startedAt && obstacle?.patience !== 'Final') {
      return report(run, { ...seen, ...aloneSince(spec, seen) }, signal);
    }
    const { startTimeoutSeconds } = spec;
    const deadline = startDeadline(run.status?.startDeadline, obstacle, startTimeoutSeconds, now());
    const crash = lastCrash(seen.pods ?? []);
    const cause = endingObstacle(obstacle, deadline, startTimeoutSeconds, now(), crash);
    if (cause === undefined) return report(run, { ...seen, ...(deadline ? { startDeadline: deadline } : {}) }, signal);
    if (snapshot === undefined) return endUnaccepted(run, cause, signal);
    const job = await stopKnownJob(run, signal);
    await store.requestStop(run.metadata.uid, cause.reason, signal);
    await store.finishStopped(run.metadata.uid, 'Failed', cause.message, signal);
    const ended = await readSnapshot(run, signal);
    return report(run, { ...seen, ...snapshotOf(ended), ...(job ? { job } : {}), obstacle: cause }, signal);
  }

  /** The end of a run that PostgreSQL does not know: it was stopped before, or cannot be accepted. */
  async function endUnaccepted(
    run: CrawlRun,
    cause: StartObstacle | undefined,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const job = await stopKnownJob(run, signal);
    const end: RunEnd =
      cause === undefined
        ? { outcome: 'Stopped', reason: 'Shutdown', message: 'stopped before it was accepted', at: now() }
        : { outcome: 'Failed', reason: cause.reason, message: cause.message, at: now() };
    return report(run, { end, ...(cause ? { obstacle: cause } : {}), ...(job ? { job } : {}) }, signal);
  }

  /** Since when a run that has started has no living worker. */
  function aloneSince(spec: CrawlRunSpec, { snapshot, pods = [] }: Seen): { aloneSince?: Date } {
    if (snapshot === undefined || snapshot.output?.due) return {};
    const ended = new Set(pods.filter(hasEnded).map((pod) => pod.metadata.uid));
    const isAlive = ({ workerId, released, lastHeartbeatAt }: RunSnapshot['workers'][number]) =>
      !released && !ended.has(workerId) && !isSilent(lastHeartbeatAt, spec, now());
    if (snapshot.workers.some(isAlive)) return {};
    const heartbeats = snapshot.workers.map(({ lastHeartbeatAt }) => lastHeartbeatAt.getTime());
    return { aloneSince: new Date(Math.max(...heartbeats, snapshot.startedAt?.getTime() ?? 0)) };
  }

  async function readSnapshot(run: CrawlRun, signal: AbortSignal): Promise<RunSnapshot | undefined> {
    return store.snapshot(run.metadata.uid, signal);
  }

  /** Workers keep what they have and wait, too. A stop does not: it suspends the Job, and is written down later. */
  async function waitForDatabase(run: CrawlRun, error: StoreError, signal: AbortSignal): Promise<ReconcileResult> {
    logger.warn({ ...logFields(run), reason: error.reason, err: error }, 'run waits for PostgreSQL');
    database.reportFailure(error);
    const isStopped = run.spec.shutdown !== undefined;
    if (isStopped && !acceptedBefore(run) && knownJob(run) === undefined) return endUnaccepted(run, undefined, signal);
    const job = isStopped ? await stopKnownJob(run, signal) : knownJob(run);
    await terminatePods(run, podsOf(podCache, run), signal);
    const message = `PostgreSQL: ${error.message}`;
    const obstacle: Obstacle = {
      condition: 'Accepted',
      patience: 'Unlimited',
      reason: 'DatabaseUnavailable',
      message: isStopped ? `the end is written down when PostgreSQL answers; ${message}` : message,
    };
    await writeStatus(run, { obstacle, ...(job ? { job } : {}) }, signal);
    return { requeueAfterMs: DATABASE_RETRY_MS };
  }

  /** An answer of the API server that nothing else has made sense of: shown, tried again, and bounded like any obstacle. */
  async function showAnswer(
    run: CrawlRun,
    spec: CrawlRunSpec,
    error: KubeError,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const obstacle = {
      ...obstacleOfAnswer(error, 'Progressing', 'ApiServerError', 'a request for the run'),
      patience: 'StartDeadline',
    } as const;
    const snapshot = await readSnapshot(run, signal);
    const result = await reportOrGiveUp(run, spec, { ...snapshotOf(snapshot), obstacle }, signal);
    if (result.requeueAfterMs === 0) return result; // it has ended
    throw error; // the work queue knows how long to wait
  }

  async function report(run: CrawlRun, seen: Seen, signal: AbortSignal): Promise<ReconcileResult> {
    if (seen.snapshot) {
      announceStart(run, seen.snapshot);
      announceBlocks(run, seen.snapshot);
      announceTraps(run, seen.snapshot);
      announceStall(run, seen.snapshot);
    }
    const end = endOf(seen);
    const changes = end && seen.snapshot ? await compareWithEarlier(run, signal) : undefined;
    const wait = await writeStatus(run, { ...seen, ...(changes ? { changes } : {}) }, signal);
    if (end) {
      announceEnd(run, end, seen.snapshot?.sources ?? []);
      options.onRunEnded(run, end);
      options.traces?.addRun(run.metadata.uid, runSpan(run, end, seen.snapshot));
      if (seen.job) clusterEvents.forget(seen.job.metadata.uid);
      return { requeueAfterMs: 0 };
    }
    const active = runCache.list().filter((other) => !isFinished(other)).length;
    const refresh = Math.max(REFRESH_MS, active * REFRESH_MS_PER_ACTIVE_RUN);
    const untilDeadline = seen.startDeadline ? Math.max(0, seen.startDeadline.getTime() - now().getTime()) : refresh;
    return { requeueAfterMs: Math.min(refresh, untilDeadline, wait ?? refresh) };
  }

  /** Milliseconds until figures that are too early now may be written; undefined when the status is as it should be. */
  async function writeStatus(run: CrawlRun, seen: Seen, signal: AbortSignal): Promise<number | undefined> {
    announceObstacle(run, seen.obstacle);
    const earlierImageID = earlierImage(run, runCache);
    const image = earlierImageID === undefined ? {} : { earlierImageID };
    return write(run, { pods: podsOf(podCache, run), ...image, ...seen }, signal);
  }

  /** For people and for adaptive intervals. A run ends without it when PostgreSQL cannot say. */
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
}

function snapshotOf(snapshot: RunSnapshot | undefined): { snapshot?: RunSnapshot } {
  return snapshot === undefined ? {} : { snapshot };
}
