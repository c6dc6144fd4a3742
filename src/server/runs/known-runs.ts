// The runs that this replica knows by one watch, for its lists and its streams. A list is answered from here while the watch is known to be at
// work and has told of all that this replica has written; else the API server is asked. docs/decisions/0138-lists-of-runs.md says why.
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { type Cache, createCache } from '../../kube/cache.ts';
import type { KubeMetrics } from '../../kube/metrics.ts';
import type { ReflectorTiming } from '../../kube/reflector.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { labelTest } from '../http/label-selector.ts';
import { type ResourceText, resourceText, textOf } from '../http/resource-text.ts';
import { createRowsByName } from './rows-by-name.ts';
import { createUnseenWrites } from './unseen-writes.ts';

export type KnownRun = ResourceText & {
  readonly schedule: string | undefined;
  readonly phase: string | undefined;
  readonly trigger: string | undefined;
};
export type RunCache = Cache<KnownRun, never, CrawlRun>;

export type RunFilter = {
  readonly schedule?: string | undefined;
  readonly phase?: string | undefined;
  readonly trigger?: string | undefined;
  readonly labelSelector?: string | undefined;
};
export type RunPageQuery = RunFilter & {
  readonly namespace: string;
  /** Runs after this name; all of them when it is empty. */
  readonly after: string;
  readonly limit: number;
};

export type KnownRuns = {
  /** From the first call on: who never asks for lists and streams pays for none. */
  follow(): RunCache;
  /** JSON texts of a page of runs, and the name after which the next one begins. Undefined when the API server is to be asked. */
  page(query: RunPageQuery): { readonly texts: readonly string[]; readonly next?: string } | undefined;
  /** The client that it was given, of whose writes it takes note: a list never lacks one. */
  readonly client: ResourceClient<CrawlRun>;
};

export type KnownRunsOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
  readonly timing?: ReflectorTiming;
  /** Milliseconds of the clock of `performance.now()`. */
  readonly now?: () => number;
};

/** The end of a watch says that nothing was missed: it is short, so that this is often said. */
const TIMING: ReflectorTiming = {
  ...{ shortestWatchSeconds: 8, longestWatchSeconds: 12, silenceMs: 15_000 },
  retry: { baseMs: 200, maxMs: 30_000 },
};
/** What has not been confirmed for so long is not told: a watch may have died without a word. Longer than the longest watch. */
export const STALE_MS = 15_000;

export function createKnownRuns(options: KnownRunsOptions): KnownRuns {
  const { logger, metrics, signal, timing = TIMING, now = () => performance.now() } = options;
  const rows = createRowsByName<KnownRun>();
  const unseen = createUnseenWrites({ forMs: STALE_MS, now });
  let cache: RunCache | undefined;
  let lastSpec: string | undefined;

  /** Runs of a schedule are neighbours, in a list as among those that are there: most have the same spec. */
  function keep(run: CrawlRun): KnownRun {
    const { namespace, name } = run.metadata;
    const text = resourceText(run, CRAWL_RUNS, [lastSpec, rows.nearest(namespace, name)?.spec]);
    lastSpec = text.spec;
    const { scheduleName: schedule, trigger } = run.spec;
    return { ...text, schedule, trigger: trigger?.type, phase: run.status?.phase };
  }

  function follow(): RunCache {
    if (cache !== undefined) return cache;
    const shared = { logger, metrics, signal, timing, indexes: {}, transform: keep };
    cache = createCache<CrawlRun, never, KnownRun>(options.runs, shared);
    cache.subscribe(({ type, object }) => (type === 'deleted' ? rows.remove(object) : rows.put(object)));
    return cache;
  }

  function isCurrent(namespace: string): boolean {
    const known = follow();
    const confirmedAt = known.confirmedAt();
    if (confirmedAt === undefined || now() - confirmedAt > STALE_MS) return false;
    return unseen.areSeen(namespace, known);
  }

  return {
    follow,
    page({ namespace, after, limit, ...filter }) {
      const wants = filterTest(filter);
      if (!isCurrent(namespace) || wants === undefined) return undefined;
      const { rows: found, hasMore } = rows.page(namespace, { after, limit, wants });
      const last = hasMore ? found.at(-1) : undefined;
      return { texts: found.map(textOf), ...(last === undefined ? {} : { next: last.metadata.name }) };
    },
    client: unseen.noting(options.runs),
  };
}

/** Undefined for a selector that is the API server's to judge. */
function filterTest({ labelSelector, schedule, phase, trigger }: RunFilter): ((run: KnownRun) => boolean) | undefined {
  const selects = labelSelector === undefined ? () => true : labelTest(labelSelector);
  if (selects === undefined) return undefined;
  return (run) =>
    (schedule === undefined || run.schedule === schedule) &&
    (phase === undefined || run.phase === phase) &&
    (trigger === undefined || run.trigger === trigger) &&
    selects(run.metadata.labels ?? {});
}
