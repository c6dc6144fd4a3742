// What a CrawlRun's status says, from its Job, its pods and what Postgres knows. Pure functions.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import { findCondition, isConditionTrue, type NewCondition, setCondition } from '../../kube/conditions.ts';
import { timestamp } from '../../kube/time.ts';
import { clampToSchema } from '../../resources/clamp.ts';
import { type Condition, isStartReason, type RunConditionType, type RunReason } from '../../resources/conditions.ts';
import {
  type CrawlRunStatus,
  crawlRunStatus,
  DEFAULT_TIMEOUT_SECONDS,
  isPartialRetry,
  type RunPhase,
} from '../../resources/crawl-run.ts';
import { defined } from '../../resources/defined.ts';
import { queueOfSpec } from '../../resources/queues.ts';
import type { ContentChange, Progress, RunOutcome, RunSnapshot, SourceSnapshot } from '../../store/operator-store.ts';
import { isCrawlOver } from './crawl-over.ts';
import type { Obstacle } from './obstacle.ts';
import { timeOutAt } from './pause.ts';
import { runColumns } from './run-columns.ts';
import { stallVerdict } from './stall.ts';

/** All that a reconcile has found out about a run. */
export type RunObservation = {
  readonly snapshot?: RunSnapshot;
  readonly job?: Job;
  /** The Job was made again after somebody deleted it. */
  readonly recreated?: boolean;
  readonly pods: readonly Pod[];
  /** What a finished run found, against the one before. */
  readonly changes?: ContentChange;
  readonly obstacle?: Obstacle;
  /** Its place in line, 1 for the next one, while it waits there. */
  readonly queuePosition?: number;
  /** Until when a worker has to give the first heartbeat, while that time runs. */
  readonly startDeadline?: Date;
  /** Of a run that has started and has no living worker: when the last one gave its last heartbeat. */
  readonly aloneSince?: Date;
  /** Digest of the image that the schedule ran before. */
  readonly earlierImageID?: string;
  /** Why spec.suspend has no effect. */
  readonly pauseRefused?: string;
  /** Of a run that has ended and that PostgreSQL never knew. */
  readonly end?: RunEnd;
};

/** How a run has ended, why, and in which words. */
export type RunEnd = {
  readonly outcome: RunOutcome;
  readonly reason: RunReason;
  readonly message: string;
  readonly at: Date;
};

type Verdict = { readonly status: 'True' | 'False'; readonly reason: RunReason; readonly message: string };

const FINAL_REASON: Record<RunOutcome, RunReason> = {
  Succeeded: 'Succeeded',
  Partial: 'SomeRequestsFailed',
  Failed: 'AllRequestsFailed',
  Stopped: 'Shutdown',
  TimedOut: 'TimedOut',
};

/**
 * The whole status, within what the CRD allows. What is not known now, since PostgreSQL is away, stays as it was.
 * `generation` is that of the spec which `seen` was found out from: the run itself may have been edited since.
 */
export function runStatus(
  run: CrawlRun,
  seen: RunObservation,
  now: Date,
  generation = run.metadata.generation ?? 0,
): CrawlRunStatus {
  const { snapshot, job, pods } = seen;
  const { startDeadline: _, stopDeadline, ...known } = run.status ?? {};
  const end = endOf(seen);
  const phase = runPhase(run, seen);
  const conditions = runConditions(run, seen, phase, generation, now);
  const imageID = pods.flatMap((pod) => pod.status?.containerStatuses ?? []).find((status) => status.imageID)?.imageID;
  const startedAt = startOf(run, snapshot);
  const heartbeats = snapshot?.workers.map((worker) => worker.lastHeartbeatAt.getTime()) ?? [];
  return clampToSchema(crawlRunStatus, {
    ...known,
    observedGeneration: generation,
    phase,
    message: runMessage(seen, phase),
    conditions,
    ...runColumns(conditions, { startedAt, finishedAt: end?.at }),
    queue: { name: queueOfSpec(run.spec), ...defined({ position: seen.queuePosition }) },
    ...defined({
      scheduledTime: run.spec.trigger?.scheduledTime,
      startTime: startedAt && timestamp(startedAt),
      completionTime: end && timestamp(end.at),
      startDeadline: seen.startDeadline && timestamp(seen.startDeadline),
      stopDeadline: snapshot ? stopDeadlineOf(run, snapshot) : stopDeadline,
      lastHeartbeatTime: heartbeats.length > 0 ? timestamp(new Date(Math.max(...heartbeats))) : undefined,
      jobName: job?.metadata.name,
      imageID,
      previousImageID: changedImage(imageID, seen.earlierImageID),
      changes: seen.changes,
      output: snapshot && writtenOutput(snapshot),
    }),
    ...(snapshot
      ? {
          progress: progressStatus(snapshot, phase),
          sources: snapshot.sources.map((source) => sourceStatus(source, snapshot)),
          workers: workerStatuses(snapshot),
          skipped: defined(snapshot.skipReasons),
          ...(Object.keys(snapshot.itemsLeftOut).length > 0 ? { itemsLeftOut: defined(snapshot.itemsLeftOut) } : {}),
          ...(Object.keys(snapshot.partialPages).length > 0 ? { partialPages: defined(snapshot.partialPages) } : {}),
          ...(snapshot.blockedHosts.length > 0 ? { blockedHosts: [...snapshot.blockedHosts] } : {}),
          ...(snapshot.spiderTraps.length > 0 ? { spiderTraps: [...snapshot.spiderTraps] } : {}),
        }
      : {}),
  });
}

/** A row that was made again after a loss knows of no start, or of the next thing that a worker did, which was left. */
function startOf({ status }: CrawlRun, snapshot: RunSnapshot | undefined): Date | undefined {
  const stored = snapshot?.startedAt;
  const shown = status?.startTime === undefined ? undefined : new Date(status.startTime);
  if (stored === undefined || shown === undefined) return stored ?? shown;
  return Date.parse(timestamp(stored)) > shown.getTime() ? shown : stored;
}

/** Until when the workers may crawl; undefined while that time does not run. */
function stopDeadlineOf({ spec }: CrawlRun, snapshot: RunSnapshot): string | undefined {
  if (snapshot.stopReason !== undefined || isCrawlOver(snapshot)) return undefined;
  const deadline = timeOutAt({ timeoutSeconds: spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS }, snapshot);
  return deadline && timestamp(deadline);
}

function changedImage(imageID: string | undefined, earlier: string | undefined): string | undefined {
  return imageID !== undefined && earlier !== imageID ? earlier : undefined;
}

/** How the run has ended, if it has. */
export function endOf({ end, snapshot }: Pick<RunObservation, 'end' | 'snapshot'>): RunEnd | undefined {
  if (end !== undefined) return end;
  if (snapshot?.outcome === undefined) return undefined;
  const { outcome } = snapshot;
  const reason = outcome === 'Failed' ? failureReason(snapshot) : FINAL_REASON[outcome];
  return { outcome, reason, message: finalMessage(snapshot), at: snapshot.finishedAt ?? new Date(0) };
}

function runPhase(run: CrawlRun, seen: RunObservation): RunPhase {
  const { snapshot, obstacle } = seen;
  const end = endOf(seen);
  if (end) return end.outcome;
  if (obstacle?.reason === 'WaitingForSlot' || obstacle?.reason === 'WaitingForPrevious') return 'Queued';
  if (snapshot?.stopReason ?? run.spec.shutdown) return 'Stopping';
  if (obstacle?.reason === 'Paused') return 'Paused';
  const startedAt = snapshot ? snapshot.startedAt : run.status?.startTime;
  return startedAt === undefined ? 'Pending' : 'Running';
}

function runConditions(
  run: CrawlRun,
  seen: RunObservation,
  phase: RunPhase,
  generation: number,
  now: Date,
): Condition[] {
  const verdicts: [RunConditionType, Verdict][] = [
    ['Accepted', acceptedVerdict(run, seen)],
    ['JobCreated', jobVerdict(run, seen)],
    ['Progressing', progressingVerdict(seen, phase)],
    ...stalledVerdicts(seen.snapshot),
    ...outputVerdicts(run, seen.snapshot),
    ...finalVerdicts(run, seen),
  ];
  return verdicts.reduce<Condition[]>((conditions, [type, verdict]) => {
    const condition: NewCondition = { type, ...verdict, observedGeneration: generation };
    return setCondition(conditions, condition, now);
  }, run.status?.conditions ?? []);
}

function acceptedVerdict(run: CrawlRun, { snapshot, obstacle }: RunObservation): Verdict {
  // A database that went away later does not take the acceptance back.
  const isAccepted = snapshot !== undefined || isConditionTrue(run.status?.conditions, 'Accepted');
  if (isAccepted) {
    return { status: 'True', reason: 'SpecStored', message: 'the resolved spec was stored in PostgreSQL' };
  }
  if (obstacle) return { status: 'False', reason: obstacle.reason, message: obstacle.message };
  return { status: 'False', reason: 'Shutdown', message: 'the run was stopped before it was accepted' };
}

function jobVerdict(run: CrawlRun, seen: RunObservation): Verdict {
  const { job, recreated, obstacle } = seen;
  if (obstacle?.condition === 'JobCreated')
    return { status: 'False', reason: obstacle.reason, message: obstacle.message };
  const before = findCondition(run.status?.conditions, 'JobCreated');
  if (job) {
    const reason = recreated || before?.reason === 'JobRecreated' ? 'JobRecreated' : 'JobCreated';
    return { status: 'True', reason, message: `Job ${job.metadata.name}` };
  }
  if (before?.status === 'True') return { status: 'True', reason: before.reason as RunReason, message: before.message };
  const message = endOf(seen) ? 'the run ended before it needed a Job' : 'the Job is not there yet';
  return { status: 'False', reason: 'WaitingForWorker', message };
}

function progressingVerdict(seen: RunObservation, phase: RunPhase): Verdict {
  const { snapshot, obstacle, aloneSince, pauseRefused } = seen;
  if (endOf(seen)) return { status: 'False', reason: 'Finished', message: `the run has ended: ${phase}` };
  if (phase === 'Stopping' && !snapshot?.output?.due) {
    const status = obstacle === undefined ? 'True' : 'False';
    return { status, reason: obstacle?.reason ?? 'Stopping', message: stoppingMessage(seen) };
  }
  if (obstacle) return { status: 'False', reason: obstacle.reason, message: obstacle.message };
  if (snapshot?.output?.due) {
    return { status: 'True', reason: 'WritingOutput', message: 'the crawl is over; its results are being written' };
  }
  if (phase !== 'Running') {
    return { status: 'True', reason: 'WaitingForWorker', message: 'waiting for the first heartbeat of a worker' };
  }
  if (aloneSince) {
    const message = `no worker is alive; the last heartbeat came at ${timestamp(aloneSince)}, and the Job starts another worker`;
    return { status: 'False', reason: 'WaitingForWorker', message };
  }
  const verdict = crawlingVerdict(snapshot);
  return pauseRefused === undefined ? verdict : { ...verdict, message: `${verdict.message}; ${pauseRefused}` };
}

/** What slows the crawl down, the worst first: a host that refuses it, then one whose pace it shares. */
export function crawlingVerdict(snapshot: Pick<RunSnapshot, 'blockedHosts' | 'sharedHosts'> | undefined): Verdict {
  const refusing = snapshot?.blockedHosts.filter(({ slowdown }) => slowdown > 1) ?? [];
  const [blocked] = refusing;
  if (blocked) {
    const message = `${blocked.host}${andMore(refusing)} is asked ${blocked.slowdown} times more slowly: ${blocked.evidence}`;
    return { status: 'True', reason: 'HostsBlocked', message };
  }
  const [shared] = snapshot?.sharedHosts ?? [];
  if (shared) {
    const others = shared.runs === 2 ? 'another run asks' : `${shared.runs - 1} other runs ask`;
    const message = `the run waits for its turns at ${shared.host}${andMore(snapshot?.sharedHosts ?? [])}, which ${others} as well; spec.priority weighs their parts`;
    return { status: 'True', reason: 'HostShared', message };
  }
  return { status: 'True', reason: 'Crawling', message: 'workers are crawling' };
}

function andMore({ length }: readonly unknown[]): string {
  return length > 1 ? ` (and ${length - 1} more)` : '';
}

function stalledVerdicts(snapshot: RunSnapshot | undefined): [RunConditionType, Verdict][] {
  const verdict = snapshot && stallVerdict(snapshot);
  return verdict === undefined ? [] : [['Stalled', verdict]];
}

function outputVerdicts(run: CrawlRun, snapshot: RunSnapshot | undefined): [RunConditionType, Verdict][] {
  if (run.spec.output === undefined) return [];
  return [['OutputWritten', outputVerdict(run.spec.output.volumeClaim, snapshot)]];
}

function outputVerdict(volumeClaim: string, snapshot: RunSnapshot | undefined): Verdict {
  const { output } = snapshot ?? {};
  const file = snapshot && writtenOutput(snapshot);
  if (file) {
    const message = `${file.items} items in ${file.path} of the PersistentVolumeClaim ${volumeClaim}, ${file.bytes} bytes`;
    return { status: 'True', reason: 'OutputWritten', message };
  }
  if (output?.error !== undefined) {
    const message = `the items are in PostgreSQL, but not in a file: ${output.error}`;
    return { status: 'False', reason: 'OutputFailed', message };
  }
  if (output?.settled && snapshot?.stopReason === 'DataLost') {
    const message = 'no file was written: PostgreSQL has lost what belongs into it';
    return { status: 'False', reason: 'DataLost', message };
  }
  if (output?.settled) {
    return { status: 'False', reason: 'NothingToWrite', message: 'the run ended before anything was stored' };
  }
  if (output?.due) return { status: 'False', reason: 'WritingOutput', message: 'the file is being written' };
  return { status: 'False', reason: 'CrawlNotOver', message: 'the file is written when the crawl is over' };
}

function writtenOutput({ output }: RunSnapshot): CrawlRunStatus['output'] {
  const { path, bytes, items, sha256 } = output ?? {};
  return path === undefined || sha256 === undefined ? undefined : { path, bytes, items, sha256 };
}

function finalVerdicts(run: CrawlRun, seen: RunObservation): [RunConditionType, Verdict][] {
  const end = endOf(seen);
  if (end === undefined) return [];
  const isFailure = end.outcome === 'Failed' || end.outcome === 'TimedOut';
  const verdict: Verdict = { status: 'True', reason: end.reason, message: end.message };
  return [
    ['EmptyResult', emptyVerdict(seen.snapshot)],
    ...unexpectedVerdicts(run, end, seen.snapshot),
    [isFailure ? 'Failed' : 'Complete', verdict],
    ['Finished', verdict],
  ];
}

/** A retry of a part gives a part of the items: nothing is expected of it. PostgreSQL judges alike (misses_expectation). */
function unexpectedVerdicts(
  { spec }: CrawlRun,
  { outcome }: RunEnd,
  snapshot: RunSnapshot | undefined,
): [RunConditionType, Verdict][] {
  const isJudged = (outcome === 'Succeeded' || outcome === 'Partial') && !isPartialRetry(spec.trigger);
  if (spec.expect === undefined || !isJudged) return [];
  return [
    ['UnexpectedResult', expectationVerdict(spec.expect, snapshot?.progress.items ?? 0, snapshot?.fieldCounts ?? {})],
  ];
}

function expectationVerdict(
  { items: bounds = {}, fields = [] }: NonNullable<CrawlRun['spec']['expect']>,
  items: number,
  counts: RunSnapshot['fieldCounts'],
): Verdict {
  const { min, max } = bounds;
  if (min !== undefined && items < min) {
    return { status: 'True', reason: 'TooFewItems', message: `${items} items, and spec.expect.items.min is ${min}` };
  }
  if (max !== undefined && items > max) {
    return { status: 'True', reason: 'TooManyItems', message: `${items} items, and spec.expect.items.max is ${max}` };
  }
  const missing = fields.flatMap(({ name, minPercent = 100 }) => {
    const found = counts[name] ?? 0;
    if (items * minPercent <= 100 * found) return [];
    return `${name} in ${found} of ${items} items, and spec.expect.fields says ${minPercent}%`;
  });
  if (missing.length > 0) return { status: 'True', reason: 'FieldsMissing', message: missing.join('; ') };
  return { status: 'False', reason: 'AsExpected', message: `${items} items, as spec.expect says` };
}

function emptyVerdict(snapshot: RunSnapshot | undefined): Verdict {
  const progress = snapshot?.progress;
  if (snapshot?.stopReason === 'DataLost' && progress?.items === 0) {
    return { status: 'True', reason: 'DataLost', message: 'PostgreSQL has lost what was stored, and no item is left' };
  }
  if (!progress?.succeeded) return { status: 'True', reason: 'NoPageSucceeded', message: 'no page succeeded' };
  if (progress.items === 0) return { status: 'True', reason: 'NoItems', message: 'no item was found on any page' };
  return { status: 'False', reason: 'ItemsStored', message: `${progress.items} items are stored` };
}

/** What is missing of the output goes first. Blocked whether the workers gave up or every page was lost to blocks before they had to. */
function failureReason({ stopReason, failureCauses, output, progress }: RunSnapshot): RunReason {
  if (output?.error !== undefined) return 'OutputFailed';
  if (stopReason !== undefined && (stopReason === 'DataLost' || isStartReason(stopReason))) return stopReason;
  const causes = Object.keys(failureCauses);
  if (stopReason === 'Blocked' || (causes.length > 0 && causes.every((cause) => cause === 'Blocked'))) return 'Blocked';
  if (stopReason !== undefined) return 'WorkersFailed';
  return progress.failed === 0 && progress.skipped > 0 ? 'NothingCrawled' : 'AllRequestsFailed';
}

function runMessage(seen: RunObservation, phase: RunPhase): string {
  const end = endOf(seen);
  if (end) return end.message;
  const { snapshot } = seen;
  if (phase === 'Running' && snapshot && !seen.obstacle && !seen.aloneSince && !snapshot.output?.due) {
    return stage(snapshot, phase);
  }
  return progressingVerdict(seen, phase).message;
}

function stoppingMessage({ snapshot, obstacle }: RunObservation): string {
  const pages = snapshot?.terminates ? 'pages in flight are given up' : 'pages in flight are finished first';
  const stopping = `stopping (${snapshot?.stopReason ?? 'Shutdown'}): ${pages}`;
  return obstacle === undefined ? stopping : `${stopping}; ${obstacle.message}`;
}

/**
 * "40 pages succeeded, 2 failed, 5 URLs skipped, 40 items", with what went wrong where something did; what has ended
 * before its first heartbeat has nothing to count.
 */
export function finalMessage(snapshot: RunSnapshot): string {
  const { succeeded, failed, skipped, items } = snapshot.progress;
  if (snapshot.startedAt === undefined && snapshot.message) return snapshot.message;
  const counts = `${succeeded} pages succeeded, ${failed} failed, ${skipped} URLs skipped, ${items} items`;
  const reasons = { ...snapshot.failureCauses, ...(succeeded === 0 ? snapshot.skipReasons : {}) };
  const causes = Object.entries(reasons).map(([cause, count]) => `${cause} ${count}`);
  const failures = causes.length > 0 ? ` (${causes.join(', ')})` : '';
  if (!snapshot.message) return `${counts}${failures}`;
  // There were more before they were lost.
  const intro = snapshot.stopReason === 'DataLost' ? `${snapshot.message}; what is left` : snapshot.message;
  return `${intro}: ${counts}${failures}`;
}

/** What the run does now, for people: "Crawling 1/3 shop". */
function stage(snapshot: RunSnapshot, phase: RunPhase): string {
  if (snapshot.outcome) return phase;
  if (snapshot.output?.due) return 'Writing output';
  if (phase === 'Stopping' || phase === 'Paused') return phase;
  if (!snapshot.startedAt || !snapshot.seeded) return 'Initialising';
  const active = snapshot.sources.filter((source) => source.active);
  const open = active.filter((source) => source.progress.queued + source.progress.leased > 0);
  const finished = active.length - open.length;
  return open[0]
    ? `Crawling ${finished + 1}/${active.length} ${open.map((source) => source.name).join(', ')}`.slice(0, 128)
    : 'Finishing';
}

function progressStatus(snapshot: RunSnapshot, phase: RunPhase): NonNullable<CrawlRunStatus['progress']> {
  const { progress } = snapshot;
  const currentUrl = snapshot.outcome ? undefined : snapshot.workers.find((worker) => worker.currentUrl)?.currentUrl;
  return {
    total: progress.total,
    done: progress.succeeded + progress.failed,
    succeeded: progress.succeeded,
    failed: progress.failed,
    skipped: progress.skipped,
    queued: progress.queued,
    inFlight: progress.leased,
    items: progress.items,
    errors: snapshot.errors,
    percentage: percentage(progress),
    stage: stage(snapshot, phase),
    ...defined({ currentUrl, lastSuccessTime: snapshot.lastSuccessAt && timestamp(snapshot.lastSuccessAt) }),
  };
}

/** Share of the known URLs that is dealt with, two decimals; 0.00% when nothing is known. */
export function percentage({ total, succeeded, failed, skipped }: Progress): string {
  const share = total === 0 ? 0 : (succeeded + failed + skipped) / total;
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)}%`;
}

function sourceStatus(source: SourceSnapshot, snapshot: RunSnapshot): NonNullable<CrawlRunStatus['sources']>[number] {
  const { progress } = source;
  const running = snapshot.startedAt ? 'Crawling' : 'Pending';
  return {
    name: source.name,
    state: source.result ?? (source.active ? running : 'Inactive'),
    succeeded: progress.succeeded,
    failed: progress.failed,
    skipped: progress.skipped,
    items: progress.items,
    ...defined({ error: source.message?.slice(0, 1_024) }),
    ...(source.movedTo === undefined ? {} : { movedTo: [...source.movedTo] }),
  };
}

const SHOWN_WORKERS = 100;

function workerStatuses(snapshot: RunSnapshot): NonNullable<CrawlRunStatus['workers']> {
  return snapshot.workers
    .toSorted((a, b) => b.lastHeartbeatAt.getTime() - a.lastHeartbeatAt.getTime())
    .slice(0, SHOWN_WORKERS)
    .map((worker) => ({
      pod: worker.podName,
      node: worker.nodeName,
      state: worker.released && worker.state === 'Crawling' ? 'Lost' : worker.state,
      lastHeartbeatTime: timestamp(worker.lastHeartbeatAt),
      inFlight: worker.released ? 0 : worker.pagesInFlight,
      concurrency: worker.released ? 0 : worker.concurrency,
    }));
}
