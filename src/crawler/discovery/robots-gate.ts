// Whether robots.txt lets a page be visited. A host's file is fetched once a day for all workers, and once at a time
// within this one.
import QuickLRU from 'quick-lru';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import { CrawlError, type Failure, failureOfError } from '../failure.ts';
import type { HttpClient, HttpResponse } from '../http/http-client.ts';
import { type HostPacer, HostPausedError } from '../network/host-pacer.ts';
import { locationOf } from '../rendering/redirect.ts';
import { isRedirect, isSuccess } from '../rendering/renderer.ts';
import { timeLimit } from '../time-limit.ts';
import { hostKey, normaliseUrl } from '../urls/url.ts';
import {
  compileRules,
  crawlDelayMs,
  MAX_ROBOTS_BYTES,
  type RobotsRules,
  rulesFromResponse,
  sitemapsOf,
} from './robots.ts';

const FRESH_MS = 24 * 60 * 60_000;
/** A host that is in trouble is asked again sooner: its pages wait for it. */
const FRESH_DISALLOW_MS = 60_000;
const FETCH_TIMEOUT_MS = 30_000;
/** RFC 9309, 2.3.1.2. */
const MAX_REDIRECTS = 5;
/** Hosts whose rules are kept in memory. */
const MAX_HOSTS = 1_000;

export type RobotsAnswer =
  /** With the sitemaps that the file names, as it writes them. */
  { readonly allowed: boolean; readonly sitemaps: readonly string[] } | { readonly failure: Failure };

export type RobotsGate = {
  /**
   * Takes places of its own for what it fetches: to be called before the request's place has come, since a look into the
   * database alone would make the request late. Rejects with the signal's reason, or with a StoreError.
   */
  readonly check: (url: URL, signal: AbortSignal) => Promise<RobotsAnswer>;
};

type Entry = {
  readonly rules: RobotsRules;
  readonly goodUntil: number;
  readonly sitemaps: readonly string[];
  readonly allows: (url: URL) => boolean;
};

export function createRobotsGate(options: {
  readonly store: Pick<WorkerStore, 'readRobots' | 'writeRobots' | 'setCrawlDelay'>;
  readonly client: HttpClient;
  readonly userAgent: string;
  readonly pacer: HostPacer;
}): RobotsGate {
  const { store, client, userAgent, pacer } = options;
  const entries = new QuickLRU<string, Entry>({ maxSize: MAX_HOSTS });
  const fetches = new Map<string, Promise<Entry>>();

  function remember(host: string, rules: RobotsRules, ageMs: number): Entry {
    const lifetime = rules.verdict === 'disallow' ? FRESH_DISALLOW_MS : FRESH_MS;
    const goodUntil = performance.now() + lifetime - ageMs;
    const entry = { rules, goodUntil, sitemaps: sitemapsOf(rules), allows: compileRules(rules, userAgent) };
    entries.set(host, entry);
    return entry;
  }

  async function known(host: string, signal: AbortSignal): Promise<Entry | undefined> {
    const remembered = entries.get(host);
    if (remembered !== undefined && remembered.goodUntil > performance.now()) return remembered;
    const stored = await store.readRobots(host, signal);
    if (stored === undefined) return undefined;
    const { ageMs, crawlDelayMs: delayOfHost = 0, ...rules } = stored;
    const delayMs = crawlDelayMs(rules, userAgent);
    // The file may have been fetched by a run with another user agent.
    if (delayMs > 0 || delayOfHost > 0) await store.setCrawlDelay(host, delayMs, signal);
    const entry = remember(host, rules, ageMs);
    return entry.goodUntil > performance.now() ? entry : undefined;
  }

  async function download(start: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal) {
    let url = start;
    for (let hops = 0; ; hops++) {
      await pacer.takePlace(hostKey(url), signal);
      const request = { url, headers, maxBytes: MAX_ROBOTS_BYTES, onTooLarge: 'cut', wantsBody: isSuccess } as const;
      using limit = timeLimit(FETCH_TIMEOUT_MS, signal);
      const response = await client.get(request, limit.signal);
      const target = isRedirect(response.status)
        ? normaliseUrl(locationOf(response.headers) ?? '', url.href)
        : undefined;
      if (target === undefined || hops === MAX_REDIRECTS) return response;
      url = target;
    }
  }

  /** Of a file that broke off the rest may forbid what its beginning allows: it is asked for once more, not packed. */
  async function wholeFile(page: URL, signal: AbortSignal): Promise<HttpResponse> {
    const file = new URL('/robots.txt', page);
    const packed = await download(file, {}, signal);
    if (!packed.isBroken) return packed;
    const plain = await download(file, { 'accept-encoding': 'identity' }, signal);
    if (!plain.isBroken) return plain;
    throw new CrawlError({ cause: 'ConnectionError', message: 'the file broke off', retryable: true });
  }

  async function fetchRules(page: URL, signal: AbortSignal): Promise<Entry> {
    const response = await wholeFile(page, signal);
    const rules = rulesFromResponse(response.status, response.body);
    const delayMs = crawlDelayMs(rules, userAgent);
    await store.writeRobots(hostKey(page), delayMs > 0 ? { ...rules, crawlDelayMs: delayMs } : rules, signal);
    return remember(hostKey(page), rules, 0);
  }

  function fetchOnce(page: URL, signal: AbortSignal): Promise<Entry> {
    const host = hostKey(page);
    let running = fetches.get(host);
    if (running === undefined) {
      running = fetchRules(page, signal).finally(() => fetches.delete(host));
      fetches.set(host, running);
    }
    return running;
  }

  function answer(entry: Entry, url: URL): RobotsAnswer {
    if (entry.rules.verdict === 'disallow') return { failure: unavailable };
    return { allowed: entry.allows(url), sitemaps: entry.sitemaps };
  }

  return {
    async check(url, signal) {
      // Not waiting for the database when another page of the host is fetching the file already.
      const entry = fetches.has(hostKey(url)) ? undefined : await known(hostKey(url), signal);
      if (entry !== undefined) return answer(entry, url);
      try {
        return answer(await fetchOnce(url, signal), url);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StoreError || error instanceof HostPausedError) throw error;
        // A host that does not answer at all fails with that cause; its page would have failed likewise.
        const failure = failureOfError(error);
        return { failure: { ...failure, message: `robots.txt: ${failure.message}` } };
      }
    },
  };
}

const unavailable: Failure = {
  cause: 'RobotsUnavailable',
  message: 'robots.txt could not be had (5xx), so nothing of the host may be crawled for now',
  retryable: true,
  retryAfterMs: FRESH_DISALLOW_MS,
};
