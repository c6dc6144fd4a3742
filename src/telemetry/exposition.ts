// Metrics as text, a piece at a time: a process with the series of thousands of schedules goes on with its work meanwhile.
// prom-client's own rendering blocks for as long as all of it takes.

import { setImmediate as otherWork } from 'node:timers/promises';
import type { Registry } from 'prom-client';

export const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
export const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
export type ExpositionType = typeof TEXT_TYPE | typeof OPENMETRICS_TYPE;

/** Lines of one piece: some milliseconds of work. */
const LINES_AT_ONCE = 1_000;

type Labels = Readonly<Record<string, string | number>>;
type Value = {
  readonly value: number;
  readonly labels?: Labels;
  readonly metricName?: string;
  readonly exemplar?: { readonly labelSet: Labels; readonly value: number; readonly timestamp: number } | null;
};
type Metric = {
  get(): Promise<{ name: string; help: string; type: string; values: readonly Value[] }>;
};

/** What whoever asks reads, by its Accept header: exemplars are in OpenMetrics alone. */
export function expositionType(accept: string | undefined): ExpositionType {
  return accept?.includes('application/openmetrics-text') ? OPENMETRICS_TYPE : TEXT_TYPE;
}

/** The text in pieces, with room for other work between them. */
export async function* exposition(registry: Registry, type: ExpositionType): AsyncGenerator<string> {
  const isOpenMetrics = type === OPENMETRICS_TYPE;
  for (const metric of registry.getMetricsAsArray() as unknown as readonly Metric[]) {
    const { name, help, type: kind, values } = await metric.get();
    // The name of a counter's family in OpenMetrics has no suffix, its samples have.
    const family = isOpenMetrics && kind === 'counter' ? name.replace(/_total$/, '') : name;
    const sample = isOpenMetrics && kind === 'counter' ? `${family}_total` : name;
    yield `# HELP ${family} ${escaped(help)}\n# TYPE ${family} ${kind}\n`;
    for (let from = 0; from < values.length; from += LINES_AT_ONCE) {
      let text = '';
      for (const value of values.slice(from, from + LINES_AT_ONCE)) text += line(value, sample, isOpenMetrics);
      yield text;
      await otherWork();
    }
  }
  if (isOpenMetrics) yield '# EOF\n';
}

function line({ metricName, labels = {}, value, exemplar }: Value, name: string, withExemplar: boolean): string {
  const shown = withExemplar && exemplar ? exemplarText(exemplar) : '';
  return `${metricName ?? name}${labelText(labels)} ${numberText(value)}${shown}\n`;
}

function exemplarText({ labelSet, value, timestamp }: NonNullable<Value['exemplar']>): string {
  return ` # ${labelText(labelSet) || '{}'} ${numberText(value)} ${timestamp}`;
}

function labelText(labels: Labels): string {
  let text = '';
  for (const name in labels) {
    const value = String(labels[name]);
    text += `${text === '' ? '{' : ','}${name}="${SPECIAL.test(value) ? escaped(value).replaceAll('"', '\\"') : value}"`;
  }
  return text === '' ? '' : `${text}}`;
}

const SPECIAL = /[\\\n"]/;

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value < 0 ? '-Inf' : '+Inf';
}
