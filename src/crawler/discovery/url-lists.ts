// More start URLs than a resource may hold: lists from ConfigMaps that are mounted into the pod.
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { isTooLong, MAX_URL_LENGTH, normaliseUrl } from '../urls/url.ts';

type Source = CrawlRunSpec['sources'][number];

/** What the API server lets a ConfigMap hold. */
const MAX_BYTES = 1_048_576;
/** Of one list; as many as a sitemap may have. */
const MAX_URLS = 50_000;
/** With more bad lines than that it is another file that was meant. */
const MAX_BAD_LINES = 100;
/** Of a bad line, in characters, where it is shown. */
const MAX_SHOWN = 200;

/** A list without which the run makes no sense; the message names source, ConfigMap and key. */
export class UrlListError extends Error {
  override readonly name = 'UrlListError';
}

export type BadLine = { readonly line: number; readonly text: string; readonly why: string };

/**
 * One URL a line; empty lines and those that begin with # say nothing. Bad lines cost no other.
 * @returns URLs as written
 */
export function parseUrlList(text: string): { readonly urls: readonly string[]; readonly bad: readonly BadLine[] } {
  const urls: string[] = [];
  const bad: BadLine[] = [];
  for (const [index, written] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    const entry = written.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const why = objection(entry);
    if (why === undefined) urls.push(entry);
    else bad.push({ line: index + 1, text: entry.slice(0, MAX_SHOWN), why });
  }
  return { urls, bad };
}

function objection(entry: string): string | undefined {
  if (isTooLong(entry)) return `has more than ${MAX_URL_LENGTH} characters`;
  if (/\s/.test(entry)) return 'holds white space: one URL a line';
  return normaliseUrl(entry) === undefined ? 'is no absolute http or https URL' : undefined;
}

/**
 * The spec with the lists of its active sources among their start URLs. Bad lines are among them, with ConfigMap, key and
 * line: like any invalid start URL, each becomes a failed page with that message. Rejects with an UrlListError.
 * @param directory where the list of each source is, under the source's name
 */
export async function withListedUrls(spec: CrawlRunSpec, directory: string): Promise<CrawlRunSpec> {
  const sources: Source[] = [];
  for (const source of spec.sources) sources.push(source.active ? await withList(source, directory) : source);
  return { ...spec, sources };
}

async function withList(source: Source, directory: string): Promise<Source> {
  if (source.urlsFrom === undefined) return source;
  const { name, key } = source.urlsFrom.configMap;
  const place = `ConfigMap ${name}, key ${key}`;
  const refused = (why: string) => new UrlListError(`sources[${source.name}].urlsFrom: ${place}: ${why}`);
  const path = join(directory, source.name);
  if (!existsSync(path)) throw refused('is not there; does the ConfigMap exist, and have that key?');
  if ((await stat(path)).size > MAX_BYTES) throw refused(`has more than ${MAX_BYTES} bytes`);
  const { urls, bad } = parseUrlList(await readFile(path, 'utf8'));
  const [first] = bad;
  if (first !== undefined && bad.length > MAX_BAD_LINES) {
    throw refused(`${bad.length} lines are no URLs, the first one line ${first.line} ("${first.text}" ${first.why})`);
  }
  if (urls.length > MAX_URLS) throw refused(`has ${urls.length} URLs, and ${MAX_URLS} are allowed`);
  if (urls.length + source.urls.length + source.sitemaps.length === 0) throw refused('has no URL');
  const named = bad.map(({ line, text, why }) => `${place}, line ${line}, ${why}: ${text}`);
  return { ...source, urls: [...source.urls, ...urls, ...named] };
}
