// Items as text: JSON, JSON Lines or CSV, page by page, so that no format needs all of them at once. Pure functions.
import { csvRows, valuesOf } from '../../formats/csv.ts';
import type { OutputItem } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

export type OutputFormatName = NonNullable<CrawlRunSpec['output']>['format'];

/** A file is `head`, each page of items, `tail`. */
export type OutputFormat = {
  readonly head: string;
  /** @param isFirst whether no item has been written before */
  readonly page: (items: readonly OutputItem[], isFirst: boolean) => string;
  readonly tail: string;
};

/** Where an item comes from; a field of the same name goes before it. */
const ORIGIN = ['source', 'url'];

/** Fields in the order of the spec, then those that it does not name. */
export function columnsOf(spec: CrawlRunSpec, found: readonly string[]): string[] {
  const named = spec.extract?.fields.map(({ name }) => name) ?? [];
  return [...new Set([...ORIGIN, ...named, ...found.toSorted()])];
}

/** @param found names of all fields that items have; only CSV, whose columns are fixed by its first line, needs them */
export function outputFormat(name: OutputFormatName, spec: CrawlRunSpec, found: readonly string[]): OutputFormat {
  if (name === 'CSV') return csv(columnsOf(spec, found));
  const line = (item: OutputItem) => JSON.stringify(record(item, spec));
  if (name === 'JSONL') {
    return { head: '', page: (items) => items.map((item) => `${line(item)}\n`).join(''), tail: '' };
  }
  return {
    head: '[',
    page: (items, isFirst) =>
      items.map((item, index) => `${isFirst && index === 0 ? '' : ','}\n${line(item)}`).join(''),
    tail: '\n]\n',
  };
}

function record(item: OutputItem, spec: CrawlRunSpec): Record<string, unknown> {
  const values: Record<string, unknown> = { source: item.source, url: item.url, ...item.data };
  const present = columnsOf(spec, Object.keys(item.data)).filter((name) => Object.hasOwn(values, name));
  return Object.fromEntries(present.map((name) => [name, values[name]]));
}

function csv(columns: readonly string[]): OutputFormat {
  return {
    head: csvRows([columns]),
    page: (items) => csvRows(items.map(({ source, url, data }) => valuesOf({ source, url, ...data }, columns))),
    tail: '',
  };
}
