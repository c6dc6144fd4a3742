// Metrics of the table, made for a registry.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS, type MetricEntry, type MetricProcess } from './metric-table.ts';

type LabelOf<Entry extends MetricEntry> = Entry extends { readonly labels: readonly (infer Label extends string)[] }
  ? Label
  : never;
export type Sample<Label extends string = string> = {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
};

/** @param eventLoopSampleMs each sample of the event loop's delay wakes the process up */
export function createProcessRegistry(service: MetricProcess, version: string, eventLoopSampleMs = 10): Registry {
  const registry = createRegistry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopSampleMs });
  readGauge(registry, METRICS.buildInfo, () => [{ labels: { service, version }, value: 1 }]);
  readGauge(registry, METRICS.memoryLimit, () => {
    const limit = process.constrainedMemory();
    // Without a limit it is 0, or more than any machine has.
    return limit > 0 && limit < 2 ** 50 ? [{ labels: {}, value: limit }] : [];
  });
  return registry;
}

/** A registry whose metrics may have exemplars. */
export function createRegistry(): Registry {
  const registry = new Registry();
  // Its type has the content type as a parameter, which says nothing to whoever registers or reads.
  (registry as Registry & { setContentType(type: string): void }).setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

export function counter<Entry extends MetricEntry & { type: 'counter' }>(registry: Registry, entry: Entry) {
  return new Counter<LabelOf<Entry>>(configOf(registry, entry));
}

export function gauge<Entry extends MetricEntry & { type: 'gauge' }>(registry: Registry, entry: Entry) {
  return new Gauge<LabelOf<Entry>>(configOf(registry, entry));
}

export function histogram<Entry extends MetricEntry & { type: 'histogram'; buckets: readonly number[] }>(
  registry: Registry,
  entry: Entry,
) {
  return new Histogram<LabelOf<Entry>>({ ...configOf(registry, entry), buckets: [...entry.buckets] });
}

/** A counter whose samples name the run that was counted last. */
export function runCounter<Entry extends MetricEntry & { type: 'counter'; hasExemplars: true }>(
  registry: Registry,
  entry: Entry,
): { readonly inc: (labels: Readonly<Record<LabelOf<Entry>, string>>, runId: string) => void } {
  // The types of prom-client allow an exemplar the labels of its metric alone.
  const made = new Counter<string>(configOf(registry, entry));
  return { inc: (labels, runId) => made.inc({ labels, value: 1, exemplarLabels: { run_id: runId } }) };
}

/** A histogram whose buckets name the run that was observed last. */
export function runHistogram<
  Entry extends MetricEntry & { type: 'histogram'; hasExemplars: true; buckets: readonly number[] },
>(
  registry: Registry,
  entry: Entry,
): { readonly observe: (labels: Readonly<Record<LabelOf<Entry>, string>>, value: number, runId: string) => void } {
  const made = new Histogram<string>({ ...configOf(registry, entry), buckets: [...entry.buckets] });
  return {
    observe: (labels, value, runId) => made.observe({ labels, value, exemplarLabels: { run_id: runId } }),
  };
}

/**
 * A gauge that is read when it is asked for, and keeps nothing: what is not there any more is not shown. Thousands of values cost
 * a fraction of what it takes to set them one by one.
 */
export function readGauge<Entry extends MetricEntry & { type: 'gauge' }>(
  registry: Registry,
  entry: Entry,
  read: () => readonly Sample<LabelOf<Entry>>[] | Promise<readonly Sample<LabelOf<Entry>>[]>,
): void {
  const made = gauge(registry, entry);
  const get = made.get.bind(made);
  made.get = async () => ({ ...(await get()), values: [...(await read())] });
}

function configOf<Entry extends MetricEntry>(registry: Registry, { name, help, labels, hasExemplars }: Entry) {
  return {
    ...{ name, help, enableExemplars: hasExemplars === true },
    labelNames: [...((labels ?? []) as readonly LabelOf<Entry>[])],
    registers: [registry],
  };
}
