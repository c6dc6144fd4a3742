// What workers did, counted from the commits that they make: the counters stay when their pods go.
import type { Registry } from 'prom-client';
import { FAILURE_CAUSES } from '../resources/failure-causes.ts';
import { METRICS } from '../telemetry/metric-table.ts';
import { counter, runCounter, runHistogram } from '../telemetry/metrics.ts';
import { boundedLabel, OTHER } from './bounded-label.ts';
import { MAX_NAMESPACES } from './metrics.ts';
import type { CallArguments } from './protocol/calls.ts';

export type CrawlMetrics = {
  /** A commit was stored; `ours` are the keys of the outcomes that counted, since the worker still held their leases. */
  readonly committed: (run: CommittingRun, outcomes: readonly CommittedOutcome[], ours: readonly string[]) => void;
};

export type CommittingRun = { readonly runId: string; readonly namespace: string; readonly schedule?: string | null };
type CommittedOutcome = CallArguments<'commit'>['outcomes'][number];

/** Schedules that are told apart, over all namespaces. */
const MAX_SCHEDULES = 5_000;
const RESULTS = {
  done: 'succeeded',
  skipped: 'skipped',
  retry: 'failed',
  dead: 'failed',
  released: undefined,
} as const;
const CAUSES: ReadonlySet<string> = new Set(FAILURE_CAUSES);
/** Longer than any page may take. */
const MOST_MS = 86_400_000;
/** As PostgreSQL bounds what it adds up. */
const MOST_BYTES = 1e12;

export function createCrawlMetrics(registry: Registry): CrawlMetrics {
  const tries = counter(registry, METRICS.pageTries);
  const failures = runCounter(registry, METRICS.pageFailures);
  const responses = counter(registry, METRICS.pageResponses);
  const duration = runHistogram(registry, METRICS.pageDuration);
  const bytes = counter(registry, METRICS.pageBytes);
  const items = counter(registry, METRICS.items);
  const ofNamespace = boundedLabel(MAX_NAMESPACES);
  const ofSchedule = boundedLabel(MAX_SCHEDULES);

  function labelsOf({ namespace, schedule }: CommittingRun) {
    const name = schedule ?? '';
    const isKnown = ofSchedule(`${namespace}/${name}`) !== OTHER;
    return isKnown ? { namespace, schedule: name } : { namespace: ofNamespace(namespace), schedule: OTHER };
  }

  return {
    committed(run, outcomes, ours) {
      const held = new Set(ours);
      const labels = labelsOf(run);
      const namespace = ofNamespace(run.namespace);
      for (const { key, type, cause, facts = {}, items: found = [] } of outcomes) {
        const result = RESULTS[type];
        if (result === undefined || !held.has(key)) continue;
        tries.inc({ ...labels, result });
        if (result === 'failed') {
          // A worker that was taken over may name anything.
          const known = cause !== undefined && CAUSES.has(cause) ? cause : OTHER;
          failures.inc({ ...labels, cause: known }, run.runId);
        }
        if (type === 'done' && found.length > 0) items.inc(labels, found.length);
        const seconds = bounded(facts['durationMs'], MOST_MS) / 1_000;
        if (seconds > 0) duration.observe({ namespace }, seconds, run.runId);
        const code = bounded(facts['status'], 599);
        if (code >= 100) responses.inc({ namespace, code: String(Math.trunc(code)) });
        const size = bounded(facts['bytes'], MOST_BYTES);
        if (size > 0) bytes.inc(labels, size);
      }
    },
  };
}

/** What a worker wrote, as far as it can be true: 0 for what is no number between 0 and `most`. */
function bounded(value: unknown, most: number): number {
  return typeof value === 'number' && value >= 0 && value <= most ? value : 0;
}
