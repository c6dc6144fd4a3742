// What a CrawlRun's status says, from its Job, its pods and what Postgres knows. Pure functions.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import { findCondition, type NewCondition, setCondition } from '../../kube/conditions.ts';
import { timestamp } from '../../kube/time.ts';
import type { Condition, RunConditionType, RunReason } from '../../resources/conditions.ts';
import type { CrawlRunStatus, RunPhase } from '../../resources/crawl-run.ts';
import type { ContentChange, Progress, RunOutcome, RunSnapshot, SourceSnapshot } from '../../store/operator-store.ts';
import { defined } from '../defined.ts';
import { podTrouble } from './pods.ts';

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
};

/** What keeps a run from going on, beside the crawl itself. */
export type Obstacle = {
  readonly condition: 'Accepted' | 'JobCreated';
  readonly reason: RunReason;
  readonly message: string;
};

type Verdict = { readonly status: 'True' | 'False'; readonly reason: RunReason; readonly message: string };

const FINAL_REASON: Record<RunOutcome, RunReason> = {
  Succeeded: 'Succeeded',
  Partial: 'SomeRequestsFailed',
  Failed: 'AllRequestsFailed',
  Stopped: 'Shutdown',
  TimedOut: 'TimedOut',
};

export function runStatus(run: CrawlRun, seen: RunObservation, now: Date): CrawlRunStatus {
  const { snapshot, job, pods } = seen;
  const generation = run.metadata.generation ?? 0;
  const phase = runPhase(run, seen);
  const message = runMessage(seen, phase);
  const imageID = pods.flatMap((pod) => pod.status?.containerStatuses ?? []).find((status) => status.imageID)?.imageID;
  const heartbeats = snapshot?.workers.map((worker) => worker.lastHeartbeatAt.getTime()) ?? [];
  return {
    ...run.status,
    observedGeneration: generation,
    phase,
    message,
    conditions: runConditions(run, seen, phase, message, generation, now),
    ...defined({
      scheduledTime: run.spec.trigger?.scheduledTime,
      startTime: snapshot?.startedAt && timestamp(snapshot.startedAt),
      completionTime: snapshot?.finishedAt && timestamp(snapshot.finishedAt),
      lastHeartbeatTime: heartbeats.length > 0 ? timestamp(new Date(Math.max(...heartbeats))) : undefined,
      jobName: job?.metadata.name,
      imageID,
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
          ...(snapshot.blockedHosts.length > 0 ? { blockedHosts: [...snapshot.blockedHosts] } : {}),
          ...(snapshot.spiderTraps.length > 0 ? { spiderTraps: [...snapshot.spiderTraps] } : {}),
        }
      : {}),
  };
}

function runPhase(run: CrawlRun, { snapshot, obstacle }: RunObservation): RunPhase {
  if (obstacle?.reason === 'WaitingForSlot' || obstacle?.reason === 'WaitingForPrevious') return 'Queued';
  if (snapshot?.outcome) return snapshot.outcome;
  if (snapshot?.stopReason ?? run.spec.shutdown) return 'Stopping';
  return snapshot?.startedAt ? 'Running' : 'Pending';
}

function runConditions(
  run: CrawlRun,
  seen: RunObservation,
  phase: RunPhase,
  message: string,
  generation: number,
  now: Date,
): Condition[] {
  const verdicts: [RunConditionType, Verdict][] = [
    ['Accepted', acceptedVerdict(seen)],
    ['JobCreated', jobVerdict(run, seen)],
    ['Progressing', progressingVerdict(seen, phase, message)],
    ...outputVerdicts(run, seen.snapshot),
    ...finalVerdicts(seen.snapshot),
  ];
  return verdicts.reduce<Condition[]>((conditions, [type, verdict]) => {
    const condition: NewCondition = { type, ...verdict, observedGeneration: generation };
    return setCondition(conditions, condition, now);
  }, run.status?.conditions ?? []);
}

function acceptedVerdict({ snapshot, obstacle }: RunObservation): Verdict {
  if (obstacle?.condition === 'Accepted') {
    // A database that went away later does not take the acceptance back.
    return { status: snapshot ? 'True' : 'False', reason: obstacle.reason, message: obstacle.message };
  }
  return { status: 'True', reason: 'SpecStored', message: 'the resolved spec is stored in PostgreSQL' };
}

function jobVerdict(run: CrawlRun, { job, recreated, obstacle, snapshot }: RunObservation): Verdict {
  if (obstacle?.condition === 'JobCreated')
    return { status: 'False', reason: obstacle.reason, message: obstacle.message };
  const before = findCondition(run.status?.conditions, 'JobCreated');
  if (job) {
    const reason = recreated || before?.reason === 'JobRecreated' ? 'JobRecreated' : 'JobCreated';
    return { status: 'True', reason, message: `Job ${job.metadata.name}` };
  }
  if (before?.status === 'True') return { status: 'True', reason: before.reason as RunReason, message: before.message };
  const message = snapshot?.outcome ? 'the run ended before it needed a Job' : 'the Job is not there yet';
  return { status: 'False', reason: 'WaitingForWorker', message };
}

function progressingVerdict(seen: RunObservation, phase: RunPhase, message: string): Verdict {
  if (seen.snapshot?.outcome) return { status: 'False', reason: 'Finished', message: `the run has ended: ${phase}` };
  if (seen.snapshot?.output?.due) return writingVerdict(seen.pods);
  if (phase === 'Stopping') return { status: 'True', reason: 'Stopping', message };
  if (seen.obstacle) return { status: 'False', reason: seen.obstacle.reason, message: seen.obstacle.message };
  if (phase === 'Running') return runningVerdict(seen.snapshot?.blockedHosts ?? []);
  const trouble = podTrouble(seen.pods);
  if (trouble) return { status: 'False', reason: trouble.reason, message: trouble.message };
  return { status: 'True', reason: 'WaitingForWorker', message: 'waiting for the first heartbeat of a worker' };
}

function runningVerdict(blockedHosts: RunSnapshot['blockedHosts']): Verdict {
  const refusing = blockedHosts.filter(({ slowdown }) => slowdown > 1);
  const [first] = refusing;
  if (first === undefined) return { status: 'True', reason: 'Crawling', message: 'workers are crawling' };
  const others = refusing.length > 1 ? ` (and ${refusing.length - 1} more)` : '';
  const message = `${first.host}${others} is asked ${first.slowdown} times more slowly: ${first.evidence}`;
  return { status: 'True', reason: 'HostsBlocked', message };
}

function writingVerdict(pods: readonly Pod[]): Verdict {
  const trouble = podTrouble(pods);
  if (trouble) return { status: 'False', reason: trouble.reason, message: trouble.message };
  return { status: 'True', reason: 'WritingOutput', message: 'the crawl is over; its results are being written' };
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

function finalVerdicts(snapshot: RunSnapshot | undefined): [RunConditionType, Verdict][] {
  if (!snapshot?.outcome) return [];
  const isFailure = snapshot.outcome === 'Failed' || snapshot.outcome === 'TimedOut';
  const reason = snapshot.outcome === 'Failed' ? failureReason(snapshot) : FINAL_REASON[snapshot.outcome];
  const verdict: Verdict = { status: 'True', reason, message: finalMessage(snapshot) };
  return [
    [isFailure ? 'Failed' : 'Complete', verdict],
    ['Finished', verdict],
  ];
}

/** What is missing of the output goes first. Blocked whether the workers gave up or every page was lost to blocks before they had to. */
function failureReason({ stopReason, failureCauses, output }: RunSnapshot): RunReason {
  if (output?.error !== undefined) return 'OutputFailed';
  if (stopReason === 'VolumeClaimUnsuitable' || stopReason === 'DataLost') return stopReason;
  const causes = Object.keys(failureCauses);
  if (stopReason === 'Blocked' || (causes.length > 0 && causes.every((cause) => cause === 'Blocked'))) return 'Blocked';
  return stopReason === undefined ? 'AllRequestsFailed' : 'WorkersFailed';
}

function runMessage(seen: RunObservation, phase: RunPhase): string {
  const { snapshot, obstacle, pods } = seen;
  if (snapshot?.outcome) return finalMessage(snapshot);
  if (obstacle) return obstacle.message;
  if (snapshot?.output?.due) return writingVerdict(pods).message;
  if (phase === 'Stopping')
    return `stopping (${snapshot?.stopReason ?? 'Shutdown'}): pages in flight are finished first`;
  if (phase === 'Pending') return podTrouble(pods)?.message ?? 'waiting for the first heartbeat of a worker';
  return snapshot ? stage(snapshot, phase) : 'running';
}

/** "40 pages succeeded, 2 failed, 5 URLs skipped, 40 items", with what went wrong where something did. */
function finalMessage(snapshot: RunSnapshot): string {
  const { succeeded, failed, skipped, items } = snapshot.progress;
  const counts = `${succeeded} pages succeeded, ${failed} failed, ${skipped} URLs skipped, ${items} items`;
  const causes = Object.entries(snapshot.failureCauses).map(([cause, count]) => `${cause} ${count}`);
  const failures = causes.length > 0 ? ` (${causes.join(', ')})` : '';
  return snapshot.message ? `${snapshot.message}: ${counts}${failures}` : `${counts}${failures}`;
}

/** What the run does now, for people: "Crawling 1/3 shop". */
function stage(snapshot: RunSnapshot, phase: RunPhase): string {
  if (snapshot.outcome) return phase;
  if (snapshot.output?.due) return 'Writing output';
  if (phase === 'Stopping') return 'Stopping';
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
