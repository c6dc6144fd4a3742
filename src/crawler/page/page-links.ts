// What the links of a page come to: requests, and how many were left out.
import QuickLRU from 'quick-lru';
import type { Claim, Discovery, FoundLinks, PageLinks } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { baseOf } from '../extraction/extraction.ts';
import type { RawPage } from '../html/raw-page.ts';
import { registrableDomain } from '../urls/scope.ts';
import { normaliseUrl } from '../urls/url.ts';
import { countsOf, MAX_REDIRECTS } from './outcomes.ts';
import { excludedRequest, inPlaceOf, requestFor } from './requests.ts';
import type { SourceRules } from './source-rules.ts';

/** Remembered pages that were skipped in favour of their canonical ones. */
const MAX_REPLACED = 10_000;

export function createPageLinks(spec: CrawlRunSpec, sources: ReadonlyMap<string, SourceRules>) {
  /** Pages that were skipped for their canonical ones. */
  const replaced = new QuickLRU<string, true>({ maxSize: MAX_REPLACED });

  function linksToFollow(page: RawPage, url: URL, none: boolean): PageLinks {
    const held = new Set(spec.politeness.nofollow === 'Obey' ? page.nofollow : []);
    const isHeld = (_: string, position: number) => none || held.has(position);
    const nofollow = page.links.filter(isHeld);
    const { next } = page;
    return {
      base: baseOf(page, url),
      references: [
        ...page.links.filter((reference, position) => !isHeld(reference, position)),
        ...(none ? [] : framesOfSite(page, url)),
      ],
      unread: page.linksLeftOut,
      ...(nofollow.length === 0 ? {} : { nofollow }),
      ...(next === null || none || nofollow.includes(next) ? {} : { next }),
    };
  }

  /** The request for the canonical page, where the source crawls that instead of this one. */
  function canonicalOf(claim: Claim, url: URL, page: RawPage): Discovery | undefined {
    const { source, redirects = [], url: asked } = claim;
    const rules = sources.get(source);
    if (rules === undefined || !rules.followsCanonical || page.canonical === null) return undefined;
    const named = normaliseUrl(page.canonical, baseOf(page, url), 'Keep');
    const to = named && rules.clean(named);
    const path = [...redirects, asked];
    if (to === undefined || to.href === url.href || path.includes(to.href) || path.length > MAX_REDIRECTS)
      return undefined;
    // Two pages that name each other would both be skipped.
    if (!rules.scope.followsRedirect(to) || replaced.has(to.href)) return undefined;
    replaced.set(url.href, true);
    return inPlaceOf(claim, to, path);
  }

  /** @param text what the page says, where it was read now */
  function linksOf(
    { source, depth, listingPage = 1 }: Claim,
    url: URL,
    page: PageLinks,
    text?: string,
  ): FoundLinks & { readonly links: readonly Discovery[] } {
    const rules = sources.get(source);
    if (rules === undefined) return { links: [] };
    const { followsLink: within, followsNext, mayReachLater: mayBeLater, moves } = rules.scope;
    const listing = { page: listingPage, within: followsNext };
    const { edited } = rules;
    const { maxDepth } = edited?.limits ?? spec.limits;
    const finding = {
      ...{ depth: depth + 1, within, mayBeLater, page: url, text, listing },
      ...(edited && { maxDepth: maxDepth ?? Number.POSITIVE_INFINITY, isExcluded: rules.scope.excludesLink }),
    };
    const { follow, next, leftOut, hasLater, excluded, isCutOff } = rules.chooseLinks(page, finding);
    const links: Discovery[] = follow.map((link) => requestFor(source, link, depth + 1));
    if (edited) links.push(...excluded.map((link) => excludedRequest(source, link, depth + 1, edited.version)));
    if (next !== undefined) links.unshift({ ...requestFor(source, next, depth), listingPage: listingPage + 1 });
    return {
      ...{ links, ...countsOf(leftOut) },
      ...(hasLater ? { scopeMoves: moves } : {}),
      ...(isCutOff && maxDepth !== undefined ? { cutAtDepth: maxDepth } : {}),
    };
  }

  return { linksToFollow, canonicalOf, linksOf };
}

/** What frames show of the page's own site and was not read with it. A frame of another site is no part of the page. */
function framesOfSite(page: RawPage, url: URL): string[] {
  const base = baseOf(page, url);
  const site = registrableDomain(url);
  return page.frames.filter((reference) => {
    const frame = URL.parse(reference, base);
    return frame !== null && frame.hostname !== '' && registrableDomain(frame) === site;
  });
}
