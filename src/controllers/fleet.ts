// Figures of all schedules and runs, from the operator's caches. Pure functions: they are read each time that somebody asks. Those
// that take long yield after some objects, so that other work may go on.
import { type CrawlRun, type CrawlSchedule, isFinished, phaseOf } from '../custom-resources/types.ts';
import { isConditionTrue } from '../kube/conditions.ts';
import type { RunPhase } from '../resources/crawl-run.ts';
import { DEFAULT_QUEUE, isQueue, type QueueCaps, queueOfSpec } from '../resources/queues.ts';
import type { Sample } from '../telemetry/metrics.ts';

type OfSchedule = 'namespace' | 'schedule';
type ScheduleFigure = 'nextRun' | 'lastSuccess' | 'period' | 'lastRunFailed';
type RunFigure = 'stalled' | 'deadLetters' | 'workers' | 'openPages' | 'proxyActive' | 'blockedHosts';

export type ScheduleFigures = Readonly<Record<ScheduleFigure, readonly Sample<OfSchedule>[]>> & {
  readonly byState: readonly Sample<'state'>[];
  /** Schedules beyond `most`. */
  readonly leftOut: number;
};

export type RunFigures = Readonly<Record<RunFigure, readonly Sample<OfSchedule>[]>> & {
  readonly byPhase: readonly Sample<'namespace' | 'phase'>[];
  readonly queues: readonly Sample<OfSchedule | 'queue'>[];
};

/** Objects at once: some milliseconds of work. */
const OBJECTS_AT_ONCE = 1_000;

/** @param most schedules that have figures of their own */
export function* scheduleFigures(schedules: readonly CrawlSchedule[], most: number): Generator<void, ScheduleFigures> {
  const figures: Record<ScheduleFigure, Sample<OfSchedule>[]> = {
    ...{ nextRun: [], lastSuccess: [], period: [], lastRunFailed: [] },
  };
  const states = { active: 0, suspended: 0, idle: 0 };
  for (const [index, { metadata, spec, status = {} }] of schedules.entries()) {
    if (index % OBJECTS_AT_ONCE === 0) yield;
    const isSuspended = spec.suspend === true || status.failures?.suspended !== undefined;
    states[isSuspended ? 'suspended' : status.nextScheduleTime === undefined ? 'idle' : 'active']++;
    if (index >= most) continue;
    const labels = { namespace: metadata.namespace, schedule: metadata.name };
    const since = status.timing?.since ?? metadata.creationTimestamp;
    const lastSuccess = seconds(status.lastSuccessfulTime ?? since);
    const lastFailure = seconds(status.lastFailureTime);
    if (lastSuccess !== undefined) figures.lastSuccess.push({ labels, value: lastSuccess });
    const hasFailed = lastFailure !== undefined && lastFailure > (seconds(status.lastSuccessfulTime) ?? 0);
    figures.lastRunFailed.push({ labels, value: hasFailed ? 1 : 0 });
    if (isSuspended) continue;
    const nextRun = seconds(status.nextScheduleTime);
    if (nextRun !== undefined) figures.nextRun.push({ labels, value: nextRun });
    const period = longestGap(status.nextScheduleTimes ?? []);
    if (period !== undefined) figures.period.push({ labels, value: period });
  }
  const byState = Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
  return { ...figures, byState, leftOut: Math.max(0, schedules.length - most) };
}

type Sums = Record<RunFigure | 'waiting' | 'queued' | 'held', number>;
/** The runs of one schedule, or those of one namespace that are of none. */
type Group = { readonly labels: { namespace: string; schedule: string }; readonly sums: Sums; lastEnded?: CrawlRun };

const AT_WORK: ReadonlySet<RunPhase> = new Set(['Running', 'Paused', 'Stopping']);
const WAITING: ReadonlySet<RunPhase> = new Set(['Pending', 'Queued']);

/** @param most schedules that have figures of their own; the others add up under `_other` */
export function* runFigures(runs: readonly CrawlRun[], most: number): Generator<void, RunFigures> {
  const groups = new Map<string, Group>();
  const phases = new Map<string, { readonly labels: { namespace: string; phase: string }; value: number }>();
  for (const [index, run] of runs.entries()) {
    if (index % OBJECTS_AT_ONCE === 0) yield;
    const phase = phaseOf(run);
    const { namespace } = run.metadata;
    const phaseKey = `${namespace}/${phase}`;
    const counted = phases.get(phaseKey) ?? { labels: { namespace, phase }, value: 0 };
    counted.value++;
    phases.set(phaseKey, counted);
    const group = groupOf(groups, namespace, run.spec.scheduleName ?? '', most);
    if (WAITING.has(phase)) group.sums.waiting++;
    else if (AT_WORK.has(phase)) addAtWork(group.sums, run);
    else if (endTime(run) >= endTime(group.lastEnded)) group.lastEnded = run;
  }
  for (const { sums, lastEnded } of groups.values()) sums.deadLetters += lastEnded?.status?.progress?.failed ?? 0;
  yield;
  const all = [...groups.values()];
  const samples = (figure: keyof Sums) => all.map(({ labels, sums }) => ({ labels, value: sums[figure] }));
  const queue = (name: string, figure: keyof Sums) =>
    all.map(({ labels, sums }) => ({ labels: { ...labels, queue: name }, value: sums[figure] }));
  return {
    ...{ stalled: samples('stalled'), deadLetters: samples('deadLetters'), workers: samples('workers') },
    ...{ openPages: samples('openPages'), proxyActive: samples('proxyActive'), blockedHosts: samples('blockedHosts') },
    byPhase: [...phases.values()],
    queues: [...queue('runs', 'waiting'), ...queue('pages', 'queued'), ...queue('results', 'held')],
  };
}

/** Unfinished runs by queue, waiting and active; a queue without runs shows zeros. */
export function queueFigures(runs: readonly CrawlRun[], queues: QueueCaps): Sample<'queue' | 'state'>[] {
  const counts = new Map([DEFAULT_QUEUE, ...queues.keys()].map((name) => [name, { waiting: 0, active: 0 }]));
  for (const { spec, status } of runs.filter((run) => !isFinished(run))) {
    // Names that anybody can make up are no labels.
    const named = queueOfSpec(spec);
    const queue = isQueue(named, queues) ? named : '_unknown';
    const counted = counts.get(queue) ?? { waiting: 0, active: 0 };
    counted[isConditionTrue(status?.conditions, 'Accepted') ? 'active' : 'waiting']++;
    counts.set(queue, counted);
  }
  return [...counts].flatMap(([queue, { waiting, active }]) => [
    { labels: { queue, state: 'waiting' }, value: waiting },
    { labels: { queue, state: 'active' }, value: active },
  ]);
}

export function queueLimits(queues: QueueCaps): Sample<'queue'>[] {
  return [...queues].flatMap(([queue, value]) => (value === undefined ? [] : [{ labels: { queue }, value }]));
}

function groupOf(groups: Map<string, Group>, namespace: string, schedule: string, most: number): Group {
  const key = `${namespace}/${schedule}`;
  const known = groups.get(key);
  if (known !== undefined) return known;
  const isOther = groups.size >= most;
  const labels = isOther ? { namespace: '_other', schedule: '_other' } : { namespace, schedule };
  const group = (isOther ? groups.get('_other') : undefined) ?? { labels, sums: noSums() };
  groups.set(isOther ? '_other' : key, group);
  return group;
}

function noSums(): Sums {
  return {
    ...{ stalled: 0, deadLetters: 0, workers: 0, openPages: 0, proxyActive: 0, blockedHosts: 0 },
    ...{ waiting: 0, queued: 0, held: 0 },
  };
}

function addAtWork(sums: Sums, { spec, status = {} }: CrawlRun): void {
  const { progress, workers = [], blockedHosts = [], conditions } = status;
  const alive = workers.filter(({ state }) => !ENDED_WORKER.has(state));
  sums.queued += progress?.queued ?? 0;
  sums.held += progress?.inFlight ?? 0;
  sums.deadLetters += progress?.failed ?? 0;
  sums.workers += alive.length;
  for (const { inFlight = 0 } of alive) sums.openPages += inFlight;
  for (const { slowdown = 1 } of blockedHosts) sums.blockedHosts += slowdown > 1 ? 1 : 0;
  if (isConditionTrue(conditions, 'Stalled')) sums.stalled++;
  if (spec.proxy?.mode === 'Always' || blockedHosts.some(({ viaProxy }) => viaProxy)) sums.proxyActive = 1;
}

const ENDED_WORKER: ReadonlySet<string> = new Set(['Stopped', 'Completed', 'Failed']);

function endTime(run: CrawlRun | undefined): number {
  return Date.parse(run?.status?.completionTime ?? '') || 0;
}

/** The longest time between two of them, in seconds. */
function longestGap(times: readonly string[]): number | undefined {
  const gaps = times.slice(1).map((time, index) => (Date.parse(time) - Date.parse(times[index] ?? '')) / 1_000);
  return gaps.length === 0 ? undefined : Math.max(...gaps);
}

function seconds(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) / 1_000;
}
