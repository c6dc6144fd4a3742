// Which links of a page become requests of its source, and why the others do not.
import QuickLRU from 'quick-lru';
import type { LeftOut, PageLinks, SkipReason } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { isTooLong, normaliseUrl } from '../urls/url.ts';
import { createUrlCleaner, fragmentRule, type UrlCleaner } from '../urls/url-cleaner.ts';
import { createTrapDetector, type Trap, type TrapDetector } from './spider-traps.ts';

/** Links that are remembered, so that each is judged and counted once however many pages carry it. */
const MOST_REMEMBERED = 20_000;

export type Finding = {
  /** That the links would have, in links from a start URL. */
  readonly depth: number;
  /** Which of them are a matter of the crawl at all. */
  readonly within: (url: URL) => boolean;
  /** Whether one of the others may come to be a matter of the crawl. */
  readonly mayBeLater?: (url: URL) => boolean;
  /** The run's depth limit as it is now, where its spec was edited. */
  readonly maxDepth?: number;
  /** Which of the others are to be kept nevertheless, since only a pattern speaks against them that may be taken back. */
  readonly isExcluded?: (url: URL) => boolean;
  /** Whether the others are counted. */
  readonly counted?: boolean;
  /** The page that they were found on. */
  readonly page?: URL;
  /** What that page says; absent where it was not read now. */
  readonly text?: string | undefined;
  /** Given when the next page of a listing is to be followed: which one the page is, and where the next one may be. */
  readonly listing?: { readonly page: number; readonly within: (url: URL) => boolean };
};

export type ChosenLinks = {
  readonly follow: readonly URL[];
  /** The next page of the listing. */
  readonly next?: URL;
  readonly leftOut: LeftOut;
  /** Those that are kept without being followed. */
  readonly excluded: readonly URL[];
  /** Whether links were left out that only the run's depth limit, and patterns that may be taken back, speak against. */
  readonly isCutOff: boolean;
  /** Whether there are links that are no matter of the crawl yet, but may come to be. */
  readonly hasLater: boolean;
};

export type LinkFilter = (links: PageLinks, finding: Finding) => ChosenLinks;

/** What was decided of a URL of a source; shared by the filters of a worker. */
export type Verdicts = {
  readonly get: (key: string) => Verdict | undefined;
  readonly set: (key: string, verdict: Verdict) => unknown;
};

type Verdict = 'Followed' | SkipReason;

/** What holds for all pages of a source. */
type Rules = {
  readonly clean: UrlCleaner;
  readonly traps: TrapDetector;
  /** Of the source alone, and of the run as it began. */
  readonly sourceDepth: number;
  readonly runDepth: number;
  readonly maxListingPages: number;
  readonly onTrap: (trap: Trap, url: URL) => void;
  /** What was decided of a link before. */
  readonly before: (link: string) => Verdict | undefined;
  readonly decide: (link: string, verdict: Verdict) => void;
};

/** What is left out is counted by this worker, once for each URL as long as it is remembered. */
export function createLinkFilter(
  source: CrawlRunSpec['sources'][number],
  { limits, fetch }: Pick<CrawlRunSpec, 'limits' | 'fetch'>,
  verdicts: Verdicts,
  onTrap: (trap: Trap, url: URL) => void,
): LinkFilter {
  const keyOf = (link: string) => `${source.name} ${link}`;
  const rules: Rules = {
    clean: createUrlCleaner(source.scope.dropParameters, fragmentRule(source.scope.fragments, fetch.render)),
    traps: createTrapDetector(source.limits.maxVariants),
    sourceDepth: source.limits.maxDepth ?? Number.POSITIVE_INFINITY,
    runDepth: limits.maxDepth ?? Number.POSITIVE_INFINITY,
    maxListingPages: source.limits.followNext?.maxPages ?? 1,
    onTrap,
    before: (link) => verdicts.get(keyOf(link)),
    decide: (link, verdict) => verdicts.set(keyOf(link), verdict),
  };
  return (links, finding) => chosenOf(rules, links, finding);
}

function chosenOf(rules: Rules, links: PageLinks, finding: Finding): ChosenLinks {
  const { page, text, listing } = finding;
  const tally = createTally(rules);
  if (page !== undefined) rules.decide(page.href, 'Followed');
  const nextPage = listing === undefined ? undefined : nextPageOf(rules, links, page);
  const { candidates, ...others } = candidatesOf(rules, links, finding, tally, nextPage);
  if (page !== undefined && text !== undefined) rules.traps.read(page, text, leadsOn(rules, page, candidates));
  const isNextFollowed =
    nextPage !== undefined && isFollowed(rules, nextPage, nextObjection(rules, nextPage, listing), tally);
  const follow = candidates.filter((url) => isFollowed(rules, url, objection(rules, url), tally));
  if (links.unread > 0) tally.count('TooManyLinks', links.unread);
  return { follow, leftOut: tally.leftOut, ...others, ...(isNextFollowed ? { next: nextPage } : {}) };
}

type Tally = {
  readonly leftOut: LeftOut;
  readonly count: (reason: SkipReason, links?: number) => void;
  /** Counts a link, unless it was counted or followed before. */
  readonly leaveOut: (link: string, reason: SkipReason) => void;
};

function createTally({ before, decide }: Rules): Tally {
  const leftOut: Partial<Record<SkipReason, number>> = {};
  const count = (reason: SkipReason, links = 1) => {
    leftOut[reason] = (leftOut[reason] ?? 0) + links;
  };
  return {
    leftOut,
    count,
    leaveOut(link, reason) {
      const known = before(link);
      if (known === undefined) count(reason);
      if (known !== 'Followed') decide(link, reason);
    },
  };
}

/** The links that nothing but a trap can speak against, each once; the others are counted. */
function candidatesOf(
  rules: Rules,
  links: PageLinks,
  finding: Finding,
  tally: Tally,
  nextPage: URL | undefined,
): { readonly candidates: readonly URL[] } & Pick<ChosenLinks, 'hasLater' | 'excluded' | 'isCutOff'> {
  const candidates = new Map<string, URL>();
  const excluded = new Map<string, URL>();
  const { depth, maxDepth: runDepth = rules.runDepth } = finding;
  const isTooDeep = depth > Math.min(rules.sourceDepth, runDepth);
  let hasLater = false;
  let isCutOff = false;
  const { references, nofollow = [], base } = links;

  function consider(reference: string, isNofollow: boolean): void {
    const normal = normaliseUrl(reference, base, 'Keep');
    if (normal === undefined) {
      if (isTooLong(reference, base)) tally.leaveOut(`${reference.length} ${reference.slice(0, 200)}`, 'UrlTooLong');
      return;
    }
    const url = rules.clean(normal);
    // It is no link like the others, wherever else on the page it stands: the bound on listings would be none.
    if (url.href === nextPage?.href) return;
    if (!finding.within(url)) {
      hasLater ||= finding.mayBeLater?.(url) ?? false;
      const isExcluded = !isNofollow && (finding.isExcluded?.(url) ?? false);
      if (isExcluded && !isTooDeep) excluded.set(url.href, url);
      else if (isExcluded) isCutOff ||= depth <= rules.sourceDepth;
      else if (finding.counted) tally.leaveOut(url.href, 'OutOfScope');
    } else if (isNofollow) {
      if (!candidates.has(url.href)) tally.leaveOut(url.href, 'Nofollow');
    } else if (isTooDeep) {
      isCutOff ||= depth <= rules.sourceDepth;
      tally.leaveOut(url.href, 'MaxDepth');
    } else candidates.set(url.href, url);
  }

  for (const reference of references) consider(reference, false);
  for (const reference of nofollow) consider(reference, true);
  return { candidates: [...candidates.values()], excluded: [...excluded.values()], hasLater, isCutOff };
}

/** Whether the page is the first one that links to another than those of its kind. */
function leadsOn({ before, traps }: Rules, page: URL, candidates: readonly URL[]): boolean {
  return candidates.some((url) => before(url.href) === undefined && !traps.areAlike(page, url));
}

/** What speaks against a URL that is within the scope; traps are asked about each URL once. */
function objection({ before, traps, onTrap }: Rules, url: URL): SkipReason | undefined {
  const known = before(url.href);
  if (known === 'Followed') return undefined;
  if (known === 'SpiderTrap') return known;
  const trap = traps.trapOf(url);
  if (trap !== undefined) onTrap(trap, url);
  return trap && 'SpiderTrap';
}

function isFollowed({ decide }: Rules, url: URL, reason: SkipReason | undefined, tally: Tally): boolean {
  if (reason === undefined) decide(url.href, 'Followed');
  else if (reason !== 'OutOfScope') tally.leaveOut(url.href, reason);
  return reason === undefined;
}

/** The last page of a listing may well name itself. */
function nextPageOf({ clean }: Rules, { next, base }: PageLinks, page: URL | undefined): URL | undefined {
  const normal = next === undefined ? undefined : normaliseUrl(next, base, 'Keep');
  if (normal === undefined) return undefined;
  const url = clean(normal);
  return url.href === page?.href ? undefined : url;
}

function nextObjection(rules: Rules, url: URL, listing: Finding['listing']): SkipReason | undefined {
  if (listing === undefined || !listing.within(url)) return 'OutOfScope';
  return listing.page >= rules.maxListingPages ? 'MaxListingPages' : objection(rules, url);
}

/** Forgets what was used longest ago when it is full. */
export function createVerdicts(): Verdicts {
  return new QuickLRU<string, Verdict>({ maxSize: MOST_REMEMBERED });
}
