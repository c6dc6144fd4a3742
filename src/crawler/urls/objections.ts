// What the spec in force has against a request that was found under another one: a run's patterns and depth may change on its way.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Scope } from './scope.ts';
import { startsOf } from './start-urls.ts';

export type Objection = 'Excluded' | 'MaxDepth';

/** A page that waits in the queue, or was skipped there. */
export type KnownRequest = {
  readonly source: string;
  readonly url: string;
  readonly depth: number;
  /** The URLs that led here, the first one first. */
  readonly redirects?: readonly string[] | undefined;
};

/**
 * Start URLs are crawled whatever the patterns say. Where their lists (`urlsFrom`) are not read into `urls`, they cannot be told from
 * what sitemaps name: nothing of such a source that is as near as a start URL is excluded.
 */
export function createObjections(
  { sources, limits }: Pick<CrawlRunSpec, 'sources' | 'limits'>,
  scopeOf: (source: string) => Pick<Scope, 'excludes'> | undefined,
  lists: 'Read' | 'Unread',
): (request: KnownRequest) => Objection | undefined {
  const bySource = new Map(
    sources.map((source) => [
      source.name,
      {
        maxDepth: Math.min(
          source.limits.maxDepth ?? Number.POSITIVE_INFINITY,
          limits.maxDepth ?? Number.POSITIVE_INFINITY,
        ),
        isStart: startsOf(source),
        hasUnreadList: lists === 'Unread' && source.urlsFrom !== undefined,
      },
    ]),
  );
  return ({ source, url, depth, redirects }) => {
    const rules = bySource.get(source);
    if (rules === undefined) return undefined;
    if (depth > rules.maxDepth) return 'MaxDepth';
    const [first = url] = redirects ?? [];
    const isStart = depth === 0 && (rules.hasUnreadList || rules.isStart(first));
    const parsed = URL.parse(url);
    return !isStart && parsed !== null && scopeOf(source)?.excludes(parsed) ? 'Excluded' : undefined;
  };
}
