// Keeps following one resource type: list, then watch from there on, for as long as the signal lets it.
//
// A watch ends all the time: by its own time-out, a dropped connection, an API server that restarts. It then goes on
// from the last version seen. Only when that version is too old (410), when the API server reports an error in the
// stream, or when watching fails again and again, everything is listed anew.
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { delay } from './delay.ts';
import { isExpired, KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import type { ResourceClient, SelectorOptions } from './resource-client.ts';
import { compareVersions } from './resource-version.ts';

/** Where the reflector brings what it learns. */
export interface ReflectorTarget<T extends KubeObject, Kept> {
  /** The version up to which everything is known. */
  readonly version: string | undefined;
  /** Drops what is not kept; called for each object of a page before the next page comes, as a whole list is large. */
  trim(object: T): Kept;
  replaceAll(objects: readonly Kept[], version: string): void;
  put(object: T): void;
  remove(object: T): void;
  advance(version: string): void;
  /** Of `performance.now()`: what was there then has been brought. */
  confirm(at: number): void;
}

export interface ReflectorOptions extends SelectorOptions {
  logger: Logger;
  metrics: KubeMetrics;
  signal: AbortSignal;
  timing?: ReflectorTiming;
}

export interface ReflectorTiming {
  /** A watch lasts a random time between these two, so that the watches of many clients do not end together. */
  shortestWatchSeconds: number;
  longestWatchSeconds: number;
  /** Without an event or a bookmark for so long, the connection is taken for dead. */
  silenceMs: number;
  retry: Backoff;
}

export const DEFAULT_TIMING: ReflectorTiming = {
  // A connection that died without a word (half open) shows at the end of its watch at the latest: within a minute.
  // The API server sends a bookmark just before that end, so the next watch goes on from a fresh version.
  shortestWatchSeconds: 30,
  longestWatchSeconds: 50,
  silenceMs: 60_000,
  retry: { baseMs: 200, maxMs: 30_000 },
};
/** Small enough that a page is garbage before the collector takes it for something that lives long. */
const PAGE_SIZE = 200;
/** A watch that lasted so long was a good one: the next failure is a new one. */
const STEADY_MS = 10_000;
/** A watch that ends so soon is a failure, even when it ends politely. */
const TOO_SHORT_MS = 1_000;
/** Failures in a row after which the last version itself is suspected. */
const FAILURES_BEFORE_RELIST = 5;
/** An answer from the past is refused so often; then it is the truth (etcd restored from a backup). */
const STALE_LISTS_REFUSED = 5;

/** Why a watch ended, as the metrics call it. */
type WatchEnd = 'timeout' | 'short' | 'expired' | 'error' | 'dropped' | 'silent' | 'refused';

/** Resolves when the signal is aborted; every failure is logged, counted and tried again. */
export async function reflect<T extends KubeObject, Kept>(
  client: ResourceClient<T>,
  target: ReflectorTarget<T, Kept>,
  options: ReflectorOptions,
): Promise<void> {
  const { signal, metrics } = options;
  const timing = options.timing ?? DEFAULT_TIMING;
  const resource = client.type.plural;
  const logger = options.logger.child({ resource });
  let mustList = true;
  let failures = 0;
  let staleLists = 0;

  while (!signal.aborted) {
    const startedAt = performance.now();
    const end = await listAndWatch();
    if (signal.aborted) return;
    const steady = end !== 'unlisted' && performance.now() - startedAt > STEADY_MS;
    if (end === 'timeout' || steady) failures = 0;
    if (end === 'timeout') continue;
    failures += 1;
    mustList ||= end === 'expired' || end === 'error' || failures % FAILURES_BEFORE_RELIST === 0;
    await delay(backoffMs(failures, timing.retry), signal).catch(() => undefined);
  }

  async function listAndWatch(): Promise<WatchEnd | 'unlisted'> {
    if (mustList && !(await list())) return 'unlisted';
    mustList = false;
    const end = await watch();
    if (!signal.aborted) metrics.watchRestarts.inc({ resource, cause: end });
    return end;
  }

  async function list(): Promise<boolean> {
    // Its first page is of this moment or later, and so are all the others, which are of the same version.
    const startedAt = performance.now();
    try {
      const all = await listAll(client, target.trim, options);
      refuseThePast(all.resourceVersion);
      target.replaceAll(all.items, all.resourceVersion);
      target.confirm(startedAt);
      metrics.cacheLists.inc({ resource, result: 'success' });
      metrics.cacheListDuration.observe({ resource }, (performance.now() - startedAt) / 1000);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      metrics.cacheLists.inc({ resource, result: 'error' });
      logger.warn({ err: error, failures }, 'list failed');
      return false;
    }
  }

  /** An API server that lags behind would make the cache travel in time, and deleted objects come back. */
  function refuseThePast(version: string): void {
    const goesBack = target.version !== undefined && compareVersions(version, target.version) < 0;
    staleLists = goesBack ? staleLists + 1 : 0;
    if (!goesBack || staleLists > STALE_LISTS_REFUSED) return;
    const message = `the list is of version ${version}, but ${target.version} was seen before`;
    throw new KubeError({ status: 0, reason: 'BadAnswer', message });
  }

  async function watch(): Promise<WatchEnd> {
    try {
      return await followEvents();
    } catch (error) {
      const end = endByError(error);
      if (!signal.aborted) logger.info({ err: error, end }, 'watch ended');
      return end;
    }
  }

  async function followEvents(): Promise<WatchEnd> {
    const startedAt = performance.now();
    const events = client.watch({
      ...selectionOf(options),
      signal,
      resourceVersion: target.version ?? '',
      timeoutSeconds: randomBetween(timing.shortestWatchSeconds, timing.longestWatchSeconds),
      silenceMs: timing.silenceMs,
    });
    for await (const event of events) {
      if (event.type === 'ERROR') {
        logger.info({ err: event.error }, 'watch ended by the API server');
        return isExpired(event.error) ? 'expired' : 'error';
      }
      if (event.type === 'BOOKMARK') target.advance(event.resourceVersion);
      else if (event.type === 'DELETED') target.remove(event.object);
      else if (event.type !== 'END') target.put(event.object);
      // Of a resource that nobody changes the end alone may come: bookmarks are sent where versions have gone on.
      target.confirm(performance.now());
    }
    return performance.now() - startedAt < TOO_SHORT_MS ? 'short' : 'timeout';
  }
}

/**
 * Page by page, and the next one asked for before this one is trimmed, so that the API server is at it meanwhile. When the
 * pages expire in between, once more in a single answer, which cannot.
 */
async function listAll<T extends KubeObject, Kept>(
  client: ResourceClient<T>,
  trim: (object: T) => Kept,
  options: SelectorOptions & { signal: AbortSignal },
): Promise<{ readonly items: readonly Kept[]; readonly resourceVersion: string }> {
  const request = { ...selectionOf(options), signal: options.signal };
  const items: Kept[] = [];
  let page = await client.list({ ...request, limit: PAGE_SIZE });
  while (page.continueToken !== undefined) {
    const nextPage = client.list({ ...request, limit: PAGE_SIZE, continueToken: page.continueToken });
    const trimmed = setImmediate().then(() => page.items.map(trim));
    try {
      const [next, some] = await Promise.all([nextPage, trimmed]);
      items.push(...some);
      page = next;
    } catch (error) {
      if (!isExpired(error)) throw error;
      const whole = await client.list(request);
      return { resourceVersion: whole.resourceVersion, items: whole.items.map(trim) };
    }
  }
  items.push(...page.items.map(trim));
  return { items, resourceVersion: page.resourceVersion };
}

function selectionOf({ namespace, labelSelector, fieldSelector }: SelectorOptions): SelectorOptions {
  return { namespace, labelSelector, fieldSelector };
}

function endByError(error: unknown): WatchEnd {
  if (isExpired(error)) return 'expired';
  if (!(error instanceof KubeError)) return 'error';
  if (error.reason === 'Timeout') return 'silent';
  return error.status === 0 ? 'dropped' : 'refused';
}

function randomBetween(low: number, high: number): number {
  return Math.round(low + Math.random() * (high - low));
}
