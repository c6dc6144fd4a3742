// What a person wants to know of a run or a schedule, on one page. Pure functions.
import { type Explanation, explanationLines } from '../../custom-resources/explain-run.ts';
import { type CrawlRun, type CrawlSchedule, phaseOf } from '../../custom-resources/types.ts';
import type { ClusterEvent } from '../../kube/builtin-types.ts';
import { findCondition } from '../../kube/conditions.ts';
import { DEFAULT_TIMEOUT_SECONDS } from '../../resources/crawl-run.ts';
import { type Column, tableLines } from '../table.ts';

type Part = readonly [title: string, value: string | undefined];
type Source = NonNullable<NonNullable<CrawlRun['status']>['sources']>[number];
type Worker = NonNullable<NonNullable<CrawlRun['status']>['workers']>[number];
type Host = NonNullable<NonNullable<CrawlRun['status']>['blockedHosts']>[number];

const SOURCES: readonly Column<Source>[] = [
  ['SOURCE', ({ name }) => name],
  ['STATE', ({ state }) => state],
  ['SUCCEEDED', ({ succeeded = 0 }) => String(succeeded)],
  ['FAILED', ({ failed = 0 }) => String(failed)],
  ['SKIPPED', ({ skipped = 0 }) => String(skipped)],
  ['ITEMS', ({ items = 0 }) => String(items)],
  ['ERROR', ({ error = '' }) => error],
];
const WORKERS: readonly Column<Worker>[] = [
  ['POD', ({ pod }) => pod],
  ['NODE', ({ node = '' }) => node],
  ['STATE', ({ state }) => state],
  ['PAGES', ({ inFlight = 0, concurrency = 0 }) => `${inFlight}/${concurrency}`],
  ['HEARTBEAT', ({ lastHeartbeatTime = '' }) => lastHeartbeatTime],
];
const HOSTS: readonly Column<Host>[] = [
  ['HOST', ({ host }) => host],
  ['REFUSALS', ({ refusals = 0 }) => String(refusals)],
  ['SLOWDOWN', ({ slowdown = 1 }) => `${slowdown}x`],
  ['WAY', ({ viaProxy = false }) => (viaProxy ? 'proxy' : 'direct')],
  ['EVIDENCE', ({ evidence }) => evidence],
];
const RUNS: readonly Column<CrawlRun>[] = [
  ['RUN', ({ metadata }) => metadata.name],
  ['TRIGGER', ({ spec }) => spec.trigger?.type ?? 'Manual'],
  ['PHASE', phaseOf],
  ['DONE', ({ status }) => String(status?.progress?.done ?? 0)],
  ['FAILED', ({ status }) => String(status?.progress?.failed ?? 0)],
  ['ITEMS', ({ status }) => String(status?.progress?.items ?? 0)],
  ['ENDED', ({ status }) => status?.completionTime ?? ''],
];
const EVENTS: readonly Column<ClusterEvent>[] = [
  ['TIME', timeOf],
  ['REASON', ({ reason = '' }) => reason],
  ['MESSAGE', ({ message = '' }) => message],
];
const MOST_RUNS = 10;
const MOST_EVENTS = 10;

export function runLines(run: CrawlRun, explanation: Explanation): string[] {
  const { spec, status } = run;
  const { name, namespace } = run.metadata;
  return [
    ...facts([
      ['Run', `${namespace}/${name}`],
      ['Schedule', spec.scheduleName],
      ['Trigger', triggerOf(run)],
      ['Phase', status?.reason === undefined ? phaseOf(run) : `${phaseOf(run)} (${status.reason})`],
      ['Progress', progressOf(run)],
      ['Changes', changesOf(run)],
      ['Pace', paceOf(run)],
      ['Limits', limitsOf(run)],
      ['Started', status?.startTime],
      ['Ended', endOf(run)],
      ['Output', status?.output && `${status.output.path}: ${status.output.items} items, ${status.output.bytes} bytes`],
      ['Job', status?.jobName],
      ['Image', status?.imageID ?? spec.image],
      ['Retry', status?.retry?.name],
    ]),
    ...section('Sources', SOURCES, status?.sources ?? []),
    ...section('Workers', WORKERS, status?.workers ?? []),
    ...section('Hosts that refused pages', HOSTS, status?.blockedHosts ?? []),
    ...['', 'Why:', ...explanationLines(explanation).slice(1)],
  ];
}

export function scheduleLines(
  schedule: CrawlSchedule,
  runs: readonly CrawlRun[],
  events: readonly ClusterEvent[],
  unread: readonly string[],
): string[] {
  const { metadata, spec, status } = schedule;
  const conditions = status?.conditions ?? [];
  const ready = findCondition(conditions, 'Ready');
  const newest = runs.toSorted((a, b) => createdAt(b) - createdAt(a)).slice(0, MOST_RUNS);
  const recent = events.toSorted((a, b) => Date.parse(timeOf(b)) - Date.parse(timeOf(a))).slice(0, MOST_EVENTS);
  const sources = spec.runTemplate.spec.sources;
  return [
    ...facts([
      ['Schedule', `${metadata.namespace}/${metadata.name}`],
      ['Runs', timetableOf(schedule)],
      ['State', ready === undefined ? 'the operator has not looked at it yet' : `${ready.reason}: ${ready.message}`],
      ['Late', trueMessage(conditions, 'Late')],
      ['Next', status?.nextScheduleTimes?.slice(0, 3).join(', ')],
      ['Active', status?.active?.join(', ')],
      ['Last success', status?.lastSuccessfulTime],
      ['Last failure', status?.lastFailureTime],
      ['In a row failed', status?.failures && String(status.failures.runs.length)],
      ['If one goes on', spec.concurrencyPolicy],
      ['Interval', status?.currentInterval && `${status.currentInterval}: ${status.adaptation?.reason ?? ''}`],
      ['Sources', sources.map(({ name, active = true }) => (active ? name : `${name} (inactive)`)).join(', ')],
    ]),
    ...section('Runs that are there', RUNS, newest),
    ...section('Events', EVENTS, recent),
    ...unread.map((what) => `not looked at: ${what}`),
  ];
}

function facts(parts: readonly Part[]): string[] {
  const known = parts.flatMap(([title, value]) => (value ? [[`${title}:`, value] as const] : []));
  const width = Math.max(...known.map(([title]) => title.length));
  return known.map(([title, value]) => `${title.padEnd(width)}  ${value}`);
}

function section<T>(title: string, columns: readonly Column<T>[], rows: readonly T[]): string[] {
  return rows.length === 0 ? [] : ['', `${title}:`, ...tableLines(columns, rows).map((line) => `  ${line}`)];
}

function triggerOf({ spec }: CrawlRun): string {
  const { type = 'Manual', scheduledTime, retryOf, only } = spec.trigger ?? {};
  const of = retryOf === undefined ? '' : ` of ${retryOf}${only === undefined ? '' : ` (${only})`}`;
  return `${type}${of}${scheduledTime === undefined ? '' : ` for ${scheduledTime}`}`;
}

function progressOf({ status }: CrawlRun): string | undefined {
  const { progress } = status ?? {};
  if (progress === undefined) return undefined;
  const { done = 0, total = 0, percentage = '0.00%', failed = 0, skipped = 0, inFlight = 0, items = 0 } = progress;
  return `${done} of ${total} pages (${percentage}), ${failed} failed, ${skipped} skipped, ${inFlight} open; ${items} items`;
}

function changesOf({ status }: CrawlRun): string | undefined {
  const { changes } = status ?? {};
  if (changes === undefined) return undefined;
  const { added = 0, changed = 0, removed = 0, unchanged = 0 } = changes;
  return `${added} new pages, ${changed} changed, ${removed} gone, ${unchanged} as they were`;
}

function paceOf({ spec }: CrawlRun): string {
  const { requestsPerSecond = 3, delay = '0s' } = spec.politeness ?? {};
  const slower = delay === '0s' ? '' : `, at least ${delay} apart`;
  const { workers = 1, concurrency = 2 } = spec;
  return `${requestsPerSecond} documents a second and host${slower}; ${workers} workers, ${concurrency} pages each`;
}

function limitsOf({ spec }: CrawlRun): string {
  const { maxPages = 1_000, maxDepth } = spec.limits ?? {};
  const depth = maxDepth === undefined ? '' : `, ${maxDepth} links deep`;
  return `${maxPages} pages${depth}, ${spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS} s`;
}

function endOf({ status }: CrawlRun): string | undefined {
  const { completionTime, duration } = status ?? {};
  if (completionTime === undefined) return undefined;
  return duration === undefined ? completionTime : `${completionTime}, after ${duration}`;
}

function timetableOf({ spec }: CrawlSchedule): string {
  if (spec.after !== undefined) return `after runs of ${spec.after.schedule}`;
  if (spec.interval !== undefined) return `every ${spec.interval}`;
  return `${spec.schedule} (${spec.timeZone ?? 'Etc/UTC'})`;
}

function trueMessage(
  conditions: NonNullable<NonNullable<CrawlSchedule['status']>['conditions']>,
  type: string,
): string | undefined {
  const condition = findCondition(conditions, type);
  return condition?.status === 'True' ? condition.message : undefined;
}

function createdAt({ metadata }: CrawlRun): number {
  return Date.parse(metadata.creationTimestamp ?? '');
}

function timeOf({ series, lastTimestamp, eventTime, metadata }: ClusterEvent): string {
  return String(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '');
}
