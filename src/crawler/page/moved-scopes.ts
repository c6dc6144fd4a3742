// Where the start URLs of sources have moved to. It is kept in the store, so that every worker of the run knows it, and one that
// takes the place of another as well.

import type { Claim, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { createScope, isSameSite, type Scope } from '../urls/scope.ts';
import { startsOf } from '../urls/start-urls.ts';
import { normaliseUrl } from '../urls/url.ts';

/** Places that other workers found are read after this time, or as soon as a claimed page is out of the known scope. */
const FRESH_MS = 5_000;

/** What becomes of a start URL that leads out of its scope. */
export type Move = 'Moved' | 'OtherSite' | 'TooMany';

export type MovedScopes = {
  /** The source's scope as far as is known. */
  readonly scopeOf: (source: string) => Scope | undefined;
  /** To be called before a claimed URL is dealt with. Rejects as the store does. */
  readonly refresh: (
    claim: Pick<Claim, 'source' | 'kind' | 'isReread'>,
    url: URL,
    signal: AbortSignal,
  ) => Promise<void>;
  /** The sources of an edited spec, which are the same but for their patterns. */
  readonly change: (sources: CrawlRunSpec['sources']) => void;
  /** Whether the URL is one that the source begins with. */
  readonly isStart: (source: string, url: string) => boolean;
  /** Whether the source has sitemaps in place of start URLs. */
  readonly beginsWithSitemaps: (source: string) => boolean;
  /**
   * A start URL leads to the URL: on the same registrable domain the scope moves with it, for every worker.
   * Rejects as the store does.
   */
  readonly move: (source: string, from: string, to: URL, signal: AbortSignal) => Promise<Move>;
};

export function createMovedScopes(
  { sources }: Pick<CrawlRunSpec, 'sources'>,
  store: Pick<WorkerStore, 'moveScope' | 'readMovedScopes'>,
): MovedScopes {
  const known = new Map(sources.map((source) => [source.name, { source, scope: createScope(source), moved: '' }]));
  const starts = new Map(sources.map((source) => [source.name, startsOf(source)]));
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  function learn(name: string, urls: readonly string[]): void {
    const entry = known.get(name);
    const moved = urls.join(' ');
    if (entry === undefined || entry.moved === moved) return;
    known.set(name, { ...entry, scope: createScope(entry.source, placesOf(urls)), moved });
  }

  async function read(signal: AbortSignal): Promise<void> {
    const scopes = await store.readMovedScopes(signal);
    for (const [name, urls] of Object.entries(scopes)) learn(name, urls);
    readAt = performance.now();
  }

  function readOnce(signal: AbortSignal): Promise<void> {
    reading ??= read(signal).finally(() => {
      reading = undefined;
    });
    return reading;
  }

  return {
    scopeOf: (name) => known.get(name)?.scope,
    change(edited) {
      for (const source of edited) {
        const moved = known.get(source.name)?.moved ?? '';
        known.set(source.name, { source, scope: createScope(source, placesOf(moved.split(' '))), moved });
      }
    },
    isStart: (name, url) => starts.get(name)?.(url) ?? false,
    beginsWithSitemaps: (name) => known.get(name)?.source.urls.length === 0,
    async refresh({ source, kind, isReread = false }, url, signal) {
      const entry = known.get(source);
      // Nothing moves out of these: Any reaches everywhere, and a domain as far as a start URL may move.
      if (entry === undefined || ['Any', 'Domain'].includes(entry.source.scope.mode)) return;
      // What is claimed after a move has to be judged by the scope after it: a sitemap, and a page that is read again for that.
      if (kind === 'Sitemap' || isReread) await read(signal);
      else if (performance.now() - readAt > FRESH_MS || !entry.scope.reaches(url)) await readOnce(signal);
    },
    async move(name, from, to, signal) {
      const start = URL.parse(from);
      if (start === null || !isSameSite(start, to)) return 'OtherSite';
      if (known.get(name)?.scope.reaches(to)) return 'Moved';
      if (!(await store.moveScope(name, placeOf(to), signal))) return 'TooMany';
      await read(signal);
      return 'Moved';
    },
  };
}

function placesOf(urls: readonly string[]): readonly URL[] {
  return urls.map((url) => normaliseUrl(url)).filter((url) => url !== undefined);
}

/** The folder of the URL: scopes reach no finer. */
function placeOf(url: URL): string {
  return new URL('.', `${url.origin}${url.pathname}`).href;
}
