// Which links of a page become requests of its source, and why the others do not.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { LeftOut, PageLinks, SkipReason } from '../../store/worker-store.ts';
import { isTooLong, normaliseUrl } from '../urls/url.ts';
import { createUrlCleaner } from '../urls/url-cleaner.ts';
import { createTrapDetector, type Trap } from './spider-traps.ts';

/** Links that are remembered, so that each is judged and counted once however many pages carry it. */
const MOST_REMEMBERED = 20_000;

export type Finding = {
  /** That the links would have, in links from a start URL. */
  readonly depth: number;
  /** Which of them are a matter of the crawl at all. */
  readonly within: (url: URL) => boolean;
  /** Whether the others are counted. */
  readonly counted?: boolean;
  /** The page that they were found on. */
  readonly page?: URL;
  /** Given when the next page of a listing is to be followed: which one the page is, and where the next one may be. */
  readonly listing?: { readonly page: number; readonly within: (url: URL) => boolean };
};

export type ChosenLinks = {
  readonly follow: readonly URL[];
  /** The next page of the listing. */
  readonly next?: URL;
  readonly leftOut: LeftOut;
};

export type LinkFilter = (links: PageLinks, finding: Finding) => ChosenLinks;

/** What was decided of a URL of a source; shared by the filters of a worker. */
export type Verdicts = {
  readonly get: (key: string) => Verdict | undefined;
  readonly set: (key: string, verdict: Verdict) => void;
};

type Verdict = 'Followed' | SkipReason;

/**
 * What is left out is counted, by this worker once for each URL as long as it is remembered.
 */
export function createLinkFilter(
  source: CrawlRunSpec['sources'][number],
  limits: CrawlRunSpec['limits'],
  verdicts: Verdicts,
  onTrap: (trap: Trap, url: URL) => void,
): LinkFilter {
  const clean = createUrlCleaner(source.scope.dropParameters);
  const trapOf = createTrapDetector(source.limits.maxVariants);
  const maxDepth = Math.min(...[source.limits.maxDepth, limits.maxDepth, Number.POSITIVE_INFINITY].filter(isSet));

  const maxListingPages = source.limits.followNext?.maxPages ?? 1;

  const keyOf = (link: string) => `${source.name} ${link}`;

  return ({ references, base, unread, nofollow = [], next }, { depth, within, counted = false, page, listing }) => {
    const follow = new Map<string, URL>();
    const leftOut: Partial<Record<SkipReason, number>> = {};
    const count = (reason: SkipReason, links = 1) => {
      leftOut[reason] = (leftOut[reason] ?? 0) + links;
    };

    function leaveOut(link: string, reason: SkipReason): void {
      const key = keyOf(link);
      if (verdicts.get(key) === undefined) count(reason);
      if (verdicts.get(key) !== 'Followed') verdicts.set(key, reason);
    }

    /** What speaks against a URL that is within the scope; traps are asked about each URL once. */
    function objection(url: URL): SkipReason | undefined {
      const known = verdicts.get(keyOf(url.href));
      if (known === 'Followed' || known === 'SpiderTrap') return known === 'Followed' ? undefined : known;
      const trap = trapOf(url);
      if (trap !== undefined) onTrap(trap, url);
      return trap && 'SpiderTrap';
    }

    function judge(reference: string, isNofollow: boolean): void {
      const normal = normaliseUrl(reference, base);
      if (normal === undefined) {
        if (isTooLong(reference, base)) leaveOut(`${reference.length} ${reference.slice(0, 200)}`, 'UrlTooLong');
        return;
      }
      const url = clean(normal);
      if (url.href === nextPage?.href) return;
      if (!within(url)) {
        if (counted) leaveOut(url.href, 'OutOfScope');
        return;
      }
      const reason = isNofollow ? 'Nofollow' : depth > maxDepth ? 'MaxDepth' : objection(url);
      if (reason !== undefined) leaveOut(url.href, reason);
      else {
        verdicts.set(keyOf(url.href), 'Followed');
        follow.set(url.href, url);
      }
    }

    /** The last page of a listing may well name itself. */
    function nextOf(reference: string | undefined): URL | undefined {
      const normal = reference === undefined ? undefined : normaliseUrl(reference, base);
      if (normal === undefined || listing === undefined) return undefined;
      const url = clean(normal);
      return url.href === page?.href ? undefined : url;
    }

    /** No link like the others, wherever else on the page it stands: the bound on listings would be none. */
    function follows(url: URL): boolean {
      if (listing === undefined || !listing.within(url)) return false;
      const reason = listing.page >= maxListingPages ? 'MaxListingPages' : objection(url);
      if (reason === undefined) verdicts.set(keyOf(url.href), 'Followed');
      else leaveOut(url.href, reason);
      return reason === undefined;
    }

    if (page !== undefined) verdicts.set(keyOf(page.href), 'Followed');
    const nextPage = nextOf(next);
    const isFollowed = nextPage !== undefined && follows(nextPage);
    for (const reference of references) judge(reference, false);
    for (const reference of nofollow) judge(reference, true);
    if (unread > 0) count('TooManyLinks', unread);
    return { follow: [...follow.values()], leftOut, ...(isFollowed ? { next: nextPage } : {}) };
  };
}

function isSet<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Forgets what was set longest ago when it is full. */
export function createVerdicts(): Verdicts {
  const entries = new Map<string, Verdict>();
  return {
    get: (key) => entries.get(key),
    set(key, verdict) {
      entries.delete(key);
      entries.set(key, verdict);
      const [oldest] = entries.keys();
      if (entries.size > MOST_REMEMBERED && oldest !== undefined) entries.delete(oldest);
    },
  };
}
