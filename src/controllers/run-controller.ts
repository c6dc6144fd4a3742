// Reconciles one CrawlRun: stores it in Postgres, makes its Job, follows it to its end and tells how it stands.
import type { Job, PersistentVolumeClaim, Pod, Secret } from '../kube/builtin-types.ts';
import { isConditionTrue } from '../kube/conditions.ts';
import type { CrawlRun } from '../kube/custom-types.ts';
import type { EventRecorder } from '../kube/events.ts';
import { isAlreadyExists, isConflict, isForbidden, isInvalid } from '../kube/kube-error.ts';
import { isControlledBy, parseObjectKey } from '../kube/kube-object.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import { updateStatus } from '../kube/status.ts';
import type { ReconcileResult } from '../kube/work-queue.ts';
import { type CrawlRunSpec, crawlRunSpec } from '../resources/crawl-run.ts';
import { SPEC_VERSION } from '../resources/group.ts';
import { childName, outputJobName } from '../resources/names.ts';
import type { Acceptance, ContentChange, OperatorStore, RunSnapshot } from '../store/operator-store.ts';
import { hashToken } from '../store/run-token.ts';
import { StoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Admission } from './admission.ts';
import type { JobCache, PodCache, RunCache } from './caches.ts';
import { crawlJob, type JobSettings, outputJob, runDay } from './crawl-job.ts';
import type { PreparedDatabase } from './database-preparation.ts';
import { hasEnded, lastFailure, saidBlocked } from './pods.ts';
import type { RunQueue } from './run-queue.ts';
import { ensureRunSecret } from './run-secret.ts';
import { type RunObservation, runStatus } from './run-status.ts';
import { isFinished } from './schedule-status.ts';
import { volumeClaimTrouble } from './volume-claim.ts';

export type RunControllerOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly jobs: ResourceClient<Job>;
  readonly pods: ResourceClient<Pod>;
  readonly secrets: ResourceClient<Secret>;
  readonly claims: ResourceClient<PersistentVolumeClaim>;
  readonly runCache: RunCache;
  readonly jobCache: JobCache;
  readonly podCache: PodCache;
  readonly queue: RunQueue;
  readonly store: OperatorStore;
  readonly database: PreparedDatabase;
  /** PEM of the authority that signed the database's certificate. */
  readonly ca?: string;
  readonly events: EventRecorder;
  readonly settings: JobSettings;
  readonly now: () => Date;
  readonly logger: Logger;
};

type Waiting = Extract<Admission, { admitted: false }>;

type Obstacle = NonNullable<RunObservation['obstacle']>;

/** The run's Job, when it has one now; `recreated` when it was made again after somebody deleted it. */
type JobOutcome = { readonly job?: Job; readonly recreated?: boolean } | { readonly obstacle: Obstacle };

/** Progress is read this often, less often the more runs are active: the API server and Postgres are shared. */
const REFRESH_MS = 3_000;
const REFRESH_MS_PER_ACTIVE_RUN = 50;
const DATABASE_RETRY_MS = 5_000;
/** Those who are next are told at once; the others see their place in line this often. */
const QUEUE_REFRESH_MS = 30_000;
/** A Secret that somebody deleted before the pods started is made again within this time. */
const CREDENTIALS_CHECK_MS = 60_000;
/** A finished run's credentials are looked after for this long after a restart; then it is taken as done. */
const CLEAN_UP_WINDOW_MS = 3_600_000;

export function createRunReconciler(options: RunControllerOptions) {
  const { runs, jobs, pods, secrets, claims, runCache, jobCache, podCache } = options;
  const { queue, store, database, ca, events, settings, now, logger } = options;
  /** UIDs of finished runs whose token is revoked and whose Secret is gone. */
  const cleanedUp = new Set<string>();
  /** By UID of live runs, on the monotonic clock. */
  const credentialsCheckedAt = new Map<string, number>();
  runCache.subscribe(({ type, object }) => {
    if (type === 'deleted' || isFinished(object)) credentialsCheckedAt.delete(object.metadata.uid);
    if (type === 'deleted') cleanedUp.delete(object.metadata.uid);
  });

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
    return report(run, { ...(snapshot ? { snapshot } : {}), ...job, pods: podsOf(run) }, signal);
  }

  /** The Job of a run that was accepted just now. Telling of it can wait until the other new runs have theirs. */
  async function startNew(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<ReconcileResult> {
    const job = await createJob(run, spec, signal);
    if ('obstacle' in job) return report(run, { pods: [], obstacle: job.obstacle }, signal);
    return { later: true };
  }

  /** Whether Postgres once had it. */
  function wasAccepted(run: CrawlRun): boolean {
    return isConditionTrue(run.status?.conditions, 'Accepted') || credentialsCheckedAt.has(run.metadata.uid);
  }

  /** Its workers may still hold a login that is gone, and its results are: see docs/decisions/0016-lost-data.md. */
  async function giveUpLost(run: CrawlRun, signal: AbortSignal): Promise<void> {
    await store.requestStop(run.metadata.uid, 'DataLost', signal);
    const message = 'PostgreSQL has lost the run and its results; it is ended';
    events.record(run, { type: 'Warning', reason: 'DataLost', action: 'StopRun', message });
    logger.error(logFields(run), 'run lost: PostgreSQL does not know it any more');
  }

  /** Whether this process made sure of Secret and row a short while ago. */
  function hasCredentials(run: CrawlRun): boolean {
    const checkedAt = credentialsCheckedAt.get(run.metadata.uid);
    return checkedAt !== undefined && performance.now() - checkedAt < CREDENTIALS_CHECK_MS;
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

  function podsOf(run: CrawlRun): Pod[] {
    return podCache.byIndex('run', run.metadata.uid);
  }

  async function readSnapshot(run: CrawlRun, signal: AbortSignal): Promise<RunSnapshot | undefined> {
    return store.snapshot(run.metadata.uid, signal);
  }

  /** Secret first, then the row that knows its token: a pod never starts with a token that nobody knows. */
  async function accept(
    run: CrawlRun,
    spec: CrawlRunSpec,
    isLost: boolean,
    signal: AbortSignal,
  ): Promise<{ acceptance?: Acceptance; obstacle?: Obstacle }> {
    const access = { databaseUrl: await database.workerUrl(signal), ...(ca === undefined ? {} : { ca }) };
    const secret = await ensureRunSecret(secrets, run, access, signal);
    if (secret.type === 'Foreign') {
      events.record(run, {
        type: 'Warning',
        reason: 'SecretConflict',
        action: 'CreateSecret',
        message: secret.message,
      });
      return { obstacle: { condition: 'Accepted', reason: 'SecretConflict', message: secret.message } };
    }
    const earlier = isLost ? undefined : retriedRun(run, spec);
    if (earlier === 'Unknown') {
      const message = `spec.trigger.retryOf: there is no CrawlRun "${spec.trigger.retryOf}" any more whose dead letters could be taken`;
      return { obstacle: { condition: 'Accepted', reason: 'UnknownRun', message } };
    }
    const scheduleUid = run.metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
    const acceptance = await store.acceptRun(
      {
        runId: run.metadata.uid,
        runDay: runDay(run),
        namespace: run.metadata.namespace ?? 'default',
        name: run.metadata.name,
        ...(scheduleUid === undefined ? {} : { scheduleUid }),
        specVersion: SPEC_VERSION,
        spec,
        tokenHash: hashToken(secret.token),
        ...(earlier ? { deadLettersOf: earlier.metadata.uid } : {}),
      },
      signal,
    );
    if (acceptance === 'Created') logger.info(logFields(run), 'run accepted');
    credentialsCheckedAt.set(run.metadata.uid, performance.now());
    return { acceptance };
  }

  /** The run whose dead letters this one takes; undefined when it takes its start URLs. */
  function retriedRun(run: CrawlRun, { trigger }: CrawlRunSpec): CrawlRun | 'Unknown' | undefined {
    if (trigger.retryOf === undefined || trigger.only === 'All') return undefined;
    return runCache.get({ namespace: run.metadata.namespace ?? 'default', name: trigger.retryOf }) ?? 'Unknown';
  }

  /** Asks the workers to stop when the user or the clock says so; the reason, when there is one. */
  async function stopWhenDue(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (snapshot.state === 'Finished' || snapshot.output?.due) return undefined;
    const deadline = deadlineOf(spec, snapshot);
    const reason = run.spec.shutdown ? 'Shutdown' : deadline && now() >= deadline ? 'TimedOut' : undefined;
    if (reason === undefined) return undefined;
    const asked = await store.requestStop(run.metadata.uid, reason, signal);
    if (!asked) return undefined; // it ended in the meantime
    const message =
      reason === 'Shutdown'
        ? 'stopping, as spec.shutdown asks'
        : `stopping, since ${spec.timeoutSeconds} s (spec.timeoutSeconds) have passed since the first heartbeat`;
    events.record(run, { type: reason === 'Shutdown' ? 'Normal' : 'Warning', reason, action: 'StopRun', message });
    return reason;
  }

  async function ensureJob(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    stopReason: string | undefined,
    signal: AbortSignal,
  ): Promise<JobOutcome> {
    const ref = { namespace: run.metadata.namespace ?? 'default', name: childName(run.metadata.name) };
    const cached = jobCache.get(ref);
    if (cached && isControlledBy(cached, run) && cached.metadata.deletionTimestamp === undefined) {
      const mustStop = stopReason !== undefined && snapshot.state !== 'Finished';
      return { job: mustStop ? await suspend(cached, signal) : cached };
    }
    if (snapshot.state === 'Finished') return {};
    const existing = await jobs.get(ref, { signal });
    if (existing?.metadata.deletionTimestamp !== undefined) return {}; // recreated when it is gone
    if (stopReason !== undefined) {
      // Made by an earlier attempt, whose answer was lost, and not in the cache yet: it must not go on without its run.
      return existing && isControlledBy(existing, run) ? { job: await suspend(existing, signal) } : {};
    }
    if (existing === undefined) return createJob(run, spec, signal);
    if (isControlledBy(existing, run)) return { job: existing };
    const message = `a Job named ${ref.name} that is not of this run is in the way: delete or rename it`;
    events.record(run, { type: 'Warning', reason: 'JobConflict', action: 'CreateJob', message });
    return { obstacle: { condition: 'JobCreated', reason: 'JobConflict', message } };
  }

  async function createJob(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<JobOutcome> {
    const hadOne = run.status?.jobName !== undefined;
    const hadTwo = run.status?.conditions?.some((condition) => condition.reason === 'JobRecreated');
    if (hadTwo) {
      await store.requestStop(run.metadata.uid, 'JobDeleted', signal);
      return {};
    }
    const obstacle = await findVolumeObstacle(run, spec, signal);
    if (obstacle) return { obstacle };
    try {
      const job = await jobs.create(crawlJob(run, spec, settings), { signal });
      jobCache.observe(job);
      events.record(run, {
        type: hadOne ? 'Warning' : 'Normal',
        reason: hadOne ? 'JobRecreated' : 'JobCreated',
        action: 'CreateJob',
        message: hadOne
          ? `Job ${job.metadata.name} was deleted; created it again, once`
          : `created Job ${job.metadata.name}`,
      });
      return { job, recreated: hadOne };
    } catch (error) {
      if (isAlreadyExists(error)) return {}; // the next look tells whose it is
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      const message = `the API server refuses the Job: ${error instanceof Error ? error.message : error}`;
      events.record(run, { type: 'Warning', reason: 'JobRefused', action: 'CreateJob', message });
      return { obstacle: { condition: 'JobCreated', reason: 'JobRefused', message } };
    }
  }

  /** What keeps the run from writing to its volume. A run that never could is ended here. */
  async function findVolumeObstacle(
    run: CrawlRun,
    spec: CrawlRunSpec,
    signal: AbortSignal,
  ): Promise<Obstacle | undefined> {
    if (spec.output === undefined) return undefined;
    const ref = { namespace: run.metadata.namespace ?? 'default', name: spec.output.volumeClaim };
    const trouble = volumeClaimTrouble(spec, await claims.get(ref, { signal }));
    if (trouble === undefined) return undefined;
    const { reason, message } = trouble;
    events.record(run, { type: 'Warning', reason, action: 'CreateJob', message });
    if (reason === 'VolumeClaimUnsuitable') {
      await store.requestStop(run.metadata.uid, reason, signal);
      await store.finishStopped(run.metadata.uid, 'Failed', message, signal);
    }
    return { condition: 'JobCreated', reason, message };
  }

  /** Suspending a Job ends its pods with SIGTERM and keeps it from making new ones. */
  async function suspend(job: Job, signal: AbortSignal): Promise<Job> {
    if (job.spec?.suspend || jobVerdict(job)) return job;
    const { uid, resourceVersion } = job.metadata;
    try {
      const body = { metadata: { uid, resourceVersion }, spec: { suspend: true } };
      const suspended = await jobs.patch(job.metadata, { type: 'merge', body }, { signal });
      jobCache.observe(suspended);
      return suspended;
    } catch (error) {
      if (isConflict(error)) return job; // its change brings us back
      throw error;
    }
  }

  /** Pods that are gone or have ended hold no pages any more: what they had leased goes back at once. */
  async function releaseLostWorkers(run: CrawlRun, snapshot: RunSnapshot, signal: AbortSignal): Promise<void> {
    if (snapshot.state === 'Finished') return;
    const known = new Map(podsOf(run).map((pod) => [pod.metadata.uid, pod]));
    for (const worker of snapshot.workers) {
      if (worker.released) continue;
      const pod = known.get(worker.workerId) ?? (await findPod(run, worker.podName, worker.workerId, signal));
      if (pod && !hasEnded(pod)) continue;
      const returned = await store.releaseWorker(run.metadata.uid, worker.workerId, signal);
      logger.warn({ ...logFields(run), pod: worker.podName, returned }, 'worker lost: its pages go to others');
    }
  }

  /** The pod itself, since a cache may not know it yet. */
  async function findPod(run: CrawlRun, name: string, uid: string, signal: AbortSignal): Promise<Pod | undefined> {
    const pod = await pods.get({ namespace: run.metadata.namespace ?? 'default', name }, { signal });
    return pod?.metadata.uid === uid ? pod : undefined;
  }

  /** Ends a run that its workers cannot end any more: stopped, or out of workers. True when it has ended here. */
  async function endWithoutWorkers(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    job: Job | undefined,
    stopReason: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (snapshot.state === 'Finished') return true;
    if (podsOf(run).some((pod) => !hasEnded(pod))) return false;
    const verdict = job && jobVerdict(job);
    const isStopped =
      stopReason !== undefined && (job === undefined || verdict !== undefined || hasCondition(job, 'Suspended'));
    if (!isStopped && (stopReason !== undefined || verdict === undefined)) return false;
    if (snapshot.output?.due) return writeOutput(run, spec, signal);
    const uid = run.metadata.uid;
    if (isStopped) {
      const [outcome, message] = endOfStopped(stopReason);
      return endCrawl(run, spec, snapshot, outcome, message, signal);
    }
    const blocked = saidBlocked(podsOf(run));
    await store.requestStop(uid, blocked === undefined ? 'WorkersFailed' : 'Blocked', signal);
    const outcome = verdict?.reason === 'DeadlineExceeded' ? 'TimedOut' : 'Failed';
    const cause = lastFailure(podsOf(run)) ?? verdict?.message;
    const message = blocked ?? `the workers failed (${verdict?.reason}): ${cause}`;
    return endCrawl(run, spec, snapshot, outcome, message, signal);
  }

  /** The end of the run, or the beginning of writing what there is of it. */
  async function endCrawl(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    outcome: 'Stopped' | 'TimedOut' | 'Failed',
    message: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid } = run.metadata;
    const hasResults = snapshot.output !== undefined && snapshot.progress.items > 0;
    if (hasResults && (await store.closeCrawl(uid, outcome, message, signal))) return writeOutput(run, spec, signal);
    await store.finishStopped(uid, outcome, message, signal);
    return true;
  }

  /** The file of a run that has no worker any more gets a Job of its own. True when the run has ended since it failed. */
  async function writeOutput(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
    const ref = { namespace: run.metadata.namespace ?? 'default', name: outputJobName(run.metadata.name) };
    const job = jobCache.get(ref) ?? (await jobs.get(ref, { signal }));
    if (job === undefined) return createOutputJob(run, spec, signal);
    const verdict = jobVerdict(job);
    if (verdict === undefined) return false;
    const cause = lastFailure(podsOf(run)) ?? verdict.message;
    return endWithoutOutput(run, `${cause} (${verdict.reason})`, signal);
  }

  /** True when the API server will never take it, so that the run has ended; a quota may have room for it later. */
  async function createOutputJob(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
    try {
      const job = await jobs.create(outputJob(run, spec, settings), { signal });
      jobCache.observe(job);
      const message = `created Job ${job.metadata.name} to write the results`;
      events.record(run, { type: 'Normal', reason: 'WritingOutput', action: 'CreateJob', message });
      return false;
    } catch (error) {
      if (isAlreadyExists(error)) return false; // the next look finds it
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      const message = `the API server refuses the Job that writes the results: ${error instanceof Error ? error.message : error}`;
      events.record(run, { type: 'Warning', reason: 'JobRefused', action: 'CreateJob', message });
      if (isForbidden(error)) throw error;
      return endWithoutOutput(run, message, signal);
    }
  }

  async function endWithoutOutput(run: CrawlRun, cause: string, signal: AbortSignal): Promise<true> {
    await store.finishStopped(run.metadata.uid, 'Failed', `the output was not written: ${cause}`, signal);
    return true;
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

  /** Once a run and host, and once a change of its way: the status remembers what has been told. */
  function announceBlocks(run: CrawlRun, { blockedHosts }: RunSnapshot): void {
    const told = new Map(run.status?.blockedHosts?.map((one) => [one.host, one]));
    for (const { host, evidence, refusals, viaProxy } of blockedHosts) {
      const before = told.get(host);
      if (refusals > 0 && !before?.refusals) {
        const message = `${host} is asked more slowly: ${evidence}`;
        events.record(run, { type: 'Warning', reason: 'HostBlocked', action: 'Crawl', message });
        logger.warn({ ...logFields(run), host, evidence }, 'host refuses the crawl');
      }
      if (viaProxy === (before?.viaProxy ?? false)) continue;
      const [reason, message] = viaProxy
        ? ['HostByProxy', `${host} is asked by the proxy: ${evidence}`]
        : ['HostDirect', `${host} is asked directly again, since the cool-down of the proxy is over`];
      events.record(run, { type: viaProxy ? 'Warning' : 'Normal', reason, action: 'Crawl', message });
      logger.info({ ...logFields(run), host, viaProxy }, 'the way to a host has changed');
    }
  }

  /** Once a run and kind of links, as above. */
  function announceTraps(run: CrawlRun, { spiderTraps }: RunSnapshot): void {
    const told = new Set(run.status?.spiderTraps?.map((trap) => trap.pattern));
    for (const { kind, pattern, url } of spiderTraps) {
      if (told.has(pattern)) continue;
      const message = `links like ${pattern} look as if the site made them up without end (${kind}) and are not followed, such as ${url}`;
      events.record(run, { type: 'Warning', reason: 'SpiderTrap', action: 'Crawl', message });
      logger.warn({ ...logFields(run), kind, pattern, url }, 'spider trap');
    }
  }

  function announceEnd(run: CrawlRun, snapshot: RunSnapshot): void {
    const isGood = snapshot.outcome === 'Succeeded' || snapshot.outcome === 'Stopped';
    const { succeeded, failed, skipped, items } = snapshot.progress;
    events.record(run, {
      type: isGood ? 'Normal' : 'Warning',
      reason: `Run${snapshot.outcome}`,
      action: 'FinishRun',
      message: `${snapshot.message ? `${snapshot.message}; ` : ''}${succeeded} pages succeeded, ${failed} failed, ${skipped} skipped, ${items} items`,
    });
    logger.info({ ...logFields(run), outcome: snapshot.outcome, ...snapshot.progress }, 'run finished');
  }

  /** After the end: no token outlives the pods, and the run goes when its time to live is over. */
  async function settleFinished(run: CrawlRun, signal: AbortSignal): Promise<ReconcileResult> {
    const waits = [await revokeCredentials(run, signal), await deleteWhenExpired(run, signal)];
    const requeue = waits.filter((wait) => wait !== undefined);
    return requeue.length > 0 ? { requeueAfterMs: Math.min(...requeue) } : {};
  }

  /** Milliseconds until it is worth another look, or undefined when nothing is left to do. */
  async function revokeCredentials(run: CrawlRun, signal: AbortSignal): Promise<number | undefined> {
    const { uid } = run.metadata;
    const age = now().getTime() - Date.parse(run.status?.completionTime ?? '');
    if (cleanedUp.has(uid) || age > CLEAN_UP_WINDOW_MS) return undefined;
    if (podsOf(run).some((pod) => !hasEnded(pod))) return undefined; // the pod's end brings us back
    try {
      await store.revokeToken(uid, signal);
    } catch (error) {
      if (error instanceof StoreError) return DATABASE_RETRY_MS;
      throw error;
    }
    const ref = { namespace: run.metadata.namespace ?? 'default', name: childName(run.metadata.name) };
    const secret = await secrets.get(ref, { signal });
    if (secret && isControlledBy(secret, run)) {
      await secrets.delete(ref, { preconditions: { uid: secret.metadata.uid }, signal });
    }
    cleanedUp.add(uid);
    return undefined;
  }

  async function deleteWhenExpired(run: CrawlRun, signal: AbortSignal): Promise<number | undefined> {
    const { ttlSecondsAfterFinished } = run.spec;
    const { completionTime } = run.status ?? {};
    if (ttlSecondsAfterFinished === undefined || completionTime === undefined) return undefined;
    const left = Date.parse(completionTime) + ttlSecondsAfterFinished * 1_000 - now().getTime();
    if (left > 0) return left;
    const { uid, resourceVersion } = run.metadata; // an edit of the time to live in this moment counts
    try {
      await runs.delete(run.metadata, {
        preconditions: { uid, resourceVersion },
        propagationPolicy: 'Background',
        signal,
      });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    return undefined;
  }
}

/** When `timeoutSeconds` are over; unknown before the first heartbeat. */
function deadlineOf(spec: CrawlRunSpec, snapshot: RunSnapshot): Date | undefined {
  return snapshot.startedAt && new Date(snapshot.startedAt.getTime() + spec.timeoutSeconds * 1_000);
}

function endOfStopped(stopReason: string): ['Stopped' | 'TimedOut' | 'Failed', string] {
  if (stopReason === 'TimedOut') return ['TimedOut', 'spec.timeoutSeconds have passed'];
  if (stopReason === 'DataLost') return ['Failed', 'PostgreSQL has lost the run and its results'];
  return ['Stopped', `stopped (${stopReason})`];
}

/** How the Job ended, if it has. */
function jobVerdict(job: Job): { reason: string; message: string } | undefined {
  const final = job.status?.conditions?.find(
    (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
  );
  return final && { reason: final.reason ?? final.type, message: final.message ?? `the Job is ${final.type}` };
}

function hasCondition(job: Job, type: string): boolean {
  return job.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

function logFields(run: CrawlRun): Record<string, string> {
  return { run: run.metadata.uid, namespace: run.metadata.namespace ?? 'default', name: run.metadata.name };
}
