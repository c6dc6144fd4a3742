// What a crawl would do: the scope of each source, and what one page of it gives. Nothing is stored.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Trial, tryPages } from '../crawler/worker/try-page.ts';
import { loadWorkerConfig } from '../crawler/worker/worker-config.ts';
import type { ItemData, Outcome } from '../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import { createLogger } from '../telemetry/logger.ts';
import { chromiumFor } from './local-chromium.ts';
import type { Manifest } from './manifest.ts';
import { writeMountedData } from './mounted-data.ts';

/** Of each page: the first links, and the first items. */
const LINKS_SHOWN = 10;
const ITEMS_SHOWN = 3;
const LONGEST_VALUE = 100;

export type DryRunReport = {
  readonly source: string;
  readonly scope: string;
  readonly page: string;
  /** `done`, or what became of the page instead. */
  readonly result: string;
  readonly items: readonly ItemData[];
  /** Fields of the spec that no item of the page has a value for. */
  readonly emptyFields: readonly string[];
  /** Links within the scope, and those that are left out by reason. */
  readonly links: readonly string[];
  readonly leftOut: Readonly<Record<string, number>>;
};

export async function dryRun(options: {
  readonly manifest: Manifest;
  readonly allowedAddresses: readonly string[];
  readonly allowedProxies: readonly string[];
  readonly signal: AbortSignal;
}): Promise<readonly DryRunReport[]> {
  const { manifest, signal } = options;
  const chromium = await chromiumFor(manifest.spec, process.env);
  const folder = await mkdtemp(join(tmpdir(), 'trawler-'));
  try {
    await writeFile(join(folder, 'token'), 'none', { mode: 0o600 });
    const config = loadWorkerConfig({
      ...(await writeMountedData(manifest, folder)),
      TRAWLER_RUN_ID: randomUUID(),
      TRAWLER_RUN_DAY: new Date().toISOString().slice(0, 10),
      TRAWLER_WORKER_ID: randomUUID(),
      TRAWLER_POD_NAME: 'local',
      // Of a worker; a dry run has no gateway.
      TRAWLER_GATEWAY_URL: 'http://127.0.0.1',
      TRAWLER_CREDENTIALS_DIR: folder,
      TRAWLER_ALLOWED_ADDRESSES: options.allowedAddresses.join(','),
      TRAWLER_ALLOWED_PROXIES: options.allowedProxies.join(','),
      ...(chromium === undefined ? {} : { TRAWLER_CHROMIUM: chromium }),
    });
    const reports: DryRunReport[] = [];
    for await (const trial of tryPages(config, manifest.spec, createLogger('dry-run', 'fatal'), signal)) {
      reports.push(reportOf(manifest.spec, trial));
    }
    return reports;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

function reportOf(spec: CrawlRunSpec, { source, url, outcome }: Trial): DryRunReport {
  const items = outcome.type === 'done' ? outcome.items : [];
  const fields = spec.extract?.fields.map(({ name }) => name) ?? [];
  return {
    source,
    scope: scopeText(spec, source),
    page: url,
    result: resultOf(outcome),
    items,
    emptyFields: fields.filter((name) => items.every((item) => isEmpty(item[name]))),
    links: outcome.links?.map((link) => link.url) ?? [],
    leftOut: { ...outcome.leftOut },
  };
}

function resultOf(outcome: Outcome): string {
  switch (outcome.type) {
    case 'done':
      return 'done';
    case 'skipped':
      return `skipped: ${outcome.reason}`;
    case 'retry':
    case 'dead':
      return `${outcome.cause}: ${outcome.message}`;
    case 'released':
      return 'not tried: the host asks for patience';
  }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

function scopeText(spec: CrawlRunSpec, name: string): string {
  const { mode, include, exclude } = spec.sources.find((source) => source.name === name)?.scope ?? {};
  const maxDepth = spec.limits.maxDepth === undefined ? [] : [`maxDepth ${spec.limits.maxDepth}`];
  return [
    `mode ${mode}`,
    ...(include?.length ? [`include ${include.join(' ')}`] : []),
    ...(exclude?.length ? [`exclude ${exclude.join(' ')}`] : []),
    `maxPages ${spec.limits.maxPages}`,
    ...maxDepth,
  ].join(', ');
}

/** For people. */
export function describe({ source, scope, page, result, items, emptyFields, links, leftOut }: DryRunReport): string {
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))];
  const width = Math.max(0, ...names.map((name) => name.length));
  const shown = items
    .slice(0, ITEMS_SHOWN)
    .flatMap((item, index) => [
      `  item ${index + 1}`,
      ...Object.entries(item).map(([name, value]) => `    ${name.padEnd(width)}  ${valueText(value)}`),
    ]);
  const left = Object.entries(leftOut).map(([reason, count]) => `${count} ${reason}`);
  return [
    `source ${source}`,
    `  scope   ${scope}`,
    `  page    ${page}`,
    `  result  ${result}`,
    `  items   ${items.length}${items.length > ITEMS_SHOWN ? `, the first ${ITEMS_SHOWN}:` : ''}`,
    ...shown,
    ...(emptyFields.length === 0 ? [] : [`  no value was found for: ${emptyFields.join(', ')}`]),
    `  links   ${links.length} in scope${left.length === 0 ? '' : `; left out: ${left.join(', ')}`}`,
    ...links.slice(0, LINKS_SHOWN).map((link) => `    ${link}`),
    ...(links.length > LINKS_SHOWN ? [`    and ${links.length - LINKS_SHOWN} more`] : []),
  ].join('\n');
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}
