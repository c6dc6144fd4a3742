// What streams tell of: runs and schedules by one watch each on the API server, the progress of live runs by one question a second to
// PostgreSQL, for all readers together, and nothing before the first one comes.
import { randomBytes } from 'node:crypto';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../custom-resources/types.ts';
import { type Cache, createCache } from '../../kube/cache.ts';
import { delay } from '../../kube/delay.ts';
import type { KubeMetrics } from '../../kube/metrics.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { LiveProgress } from '../../store/run-reads.ts';
import type { ServerStore } from '../../store/server-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { type ResourceText, resourceText, textOf } from '../http/resource-text.ts';
import { createEventLog, type EventLog, type Kind } from './event-log.ts';

export type LiveState = {
  /** Follows from now on. Resolves when all that is there is in the log; rejects with the signal's reason. */
  begin(signal: AbortSignal): Promise<EventLog>;
  /** A reader of progress comes; returns what ends it. PostgreSQL is asked while there is one. */
  readProgress(): () => void;
  /** Aborted when the server ends: streams end with it. */
  readonly ending: AbortSignal;
  /** How long a stream may be silent, and how long rights are good that it was begun with, in milliseconds. */
  readonly keepAliveMs: number;
};

type Followed = Pick<Cache<ResourceText>, 'subscribe' | 'synced'>;

type LiveStateOptions = {
  readonly followRuns: () => Followed;
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly store?: Pick<ServerStore, 'liveProgress'>;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
  readonly keepAliveMs?: number;
};

const KEEP_ALIVE_MS = 15_000;
const PROGRESS_EVERY_MS = 1_000;
const PROGRESS_TIMEOUT_MS = 10_000;

export function createLiveState(options: LiveStateOptions): LiveState {
  const { followRuns, schedules, store, logger, signal, keepAliveMs = KEEP_ALIVE_MS } = options;
  const log = createEventLog({ id: randomBytes(6).toString('hex') });
  let caches: readonly Followed[] | undefined;
  let readers = 0;
  let isPolling = false;
  let progress = new Map<string, string>();

  function followSchedules(): Followed {
    const transform = (schedule: CrawlSchedule) => resourceText(schedule, CRAWL_SCHEDULES, []);
    return createCache<CrawlSchedule, never, ResourceText>(schedules, {
      ...{ indexes: {}, transform, logger, metrics: options.metrics, signal },
    });
  }

  function tell(kind: Kind, resources: Followed): Followed {
    resources.subscribe(({ type, object }) => {
      const { namespace, name } = object.metadata;
      log.put({ kind, namespace, name, state: type === 'deleted' ? undefined : () => textOf(object) });
    });
    return resources;
  }

  /** Until nobody reads it any more; one at a time. */
  async function poll({ liveProgress }: Pick<ServerStore, 'liveProgress'>): Promise<void> {
    if (isPolling) return;
    isPolling = true;
    while (readers > 0 && !signal.aborted) {
      try {
        const rows = await liveProgress(AbortSignal.any([signal, AbortSignal.timeout(PROGRESS_TIMEOUT_MS)]));
        progress = putProgress(log, progress, rows);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'the progress of runs could not be read');
      }
      await delay(PROGRESS_EVERY_MS, signal).catch(() => undefined);
    }
    isPolling = false;
  }

  return {
    async begin(within) {
      caches ??= [tell('run', followRuns()), tell('schedule', followSchedules())];
      await Promise.all(caches.map((cache) => cache.synced(within)));
      return log;
    },
    readProgress() {
      readers += 1;
      if (store !== undefined) void poll(store);
      return () => {
        readers -= 1;
      };
    },
    ending: signal,
    keepAliveMs,
  };
}

/** Puts what is not as it was, and what is gone; the rows as they are now, for the next time. */
export function putProgress(
  log: Pick<EventLog, 'put'>,
  before: ReadonlyMap<string, string>,
  rows: readonly LiveProgress[],
): Map<string, string> {
  const now = new Map<string, string>();
  const gone = new Set(before.keys());
  for (const { namespace, run: name, ...state } of rows) {
    const key = `${namespace}/${name}`;
    const text = JSON.stringify(state);
    now.set(key, text);
    gone.delete(key);
    if (before.get(key) !== text) log.put({ kind: 'progress', namespace, name, state: () => text });
  }
  for (const key of gone) {
    const [namespace = '', name = ''] = key.split('/');
    log.put({ kind: 'progress', namespace, name, state: undefined });
  }
  return now;
}
