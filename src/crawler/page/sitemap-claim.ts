// Claims of sitemaps: those that robots.txt names are put in, and those that are claimed are read.
import QuickLRU from 'quick-lru';
import type { Claim, FetchFacts, Outcome, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { SitemapReader } from '../discovery/sitemap-reader.ts';
import { isSameSite } from '../urls/scope.ts';
import { normaliseUrl } from '../urls/url.ts';
import type { FailPage } from './failed-page.ts';
import type { HostReports } from './host-reports.ts';
import type { MovedScopes } from './moved-scopes.ts';
import { countsOf, MAX_REDIRECTS, skipped, tooManyRedirects } from './outcomes.ts';
import { sitemapAt } from './requests.ts';
import type { SourceRules } from './source-rules.ts';

/** Hosts that are kept in mind. */
const MAX_HOSTS = 1_000;

export function createSitemapClaims(options: {
  readonly sources: ReadonlyMap<string, SourceRules>;
  readonly moved: MovedScopes;
  readonly store: Pick<WorkerStore, 'addLinks'>;
  readonly sitemaps: SitemapReader;
  readonly reports: Pick<HostReports, 'answered'>;
  readonly failPage: FailPage;
}) {
  const { sources, moved, store, sitemaps, reports, failPage } = options;
  /** Hosts whose sitemaps are in, by source: each page of theirs would ask the store once more. */
  const named = new QuickLRU<string, true>({ maxSize: MAX_HOSTS });

  /** Puts in the sitemaps that robots.txt of a start URL's host names, within its site. The store knows most of them. */
  async function addNamedSitemaps(claim: Claim, url: URL, references: readonly string[], signal: AbortSignal) {
    const rules = sources.get(claim.source);
    if (rules === undefined || !rules.takesNamedSitemaps || claim.depth > 0) return;
    const links = references
      .map((reference) => normaliseUrl(reference, url.href))
      .filter((sitemap) => sitemap !== undefined)
      .filter((sitemap) => isSameSite(sitemap, url))
      .map((sitemap) => sitemapAt(claim.source, sitemap));
    const key = `${claim.source} ${url.host}`;
    if (links.length === 0 || named.has(key)) return;
    if ((await store.addLinks(claim, links, signal)) === 'Added') named.set(key, true);
  }

  async function readSitemap(claim: Claim, url: URL, signal: AbortSignal): Promise<Outcome> {
    const rules = sources.get(claim.source);
    if (rules === undefined) return skipped(claim, 'OutOfScope');
    const end = await sitemaps.read(claim, url, rules, signal);
    if (end.type !== 'failed') await reports.answered(claim, signal);
    switch (end.type) {
      case 'read':
        return { ...skipped(claim, 'Sitemap', end.facts), ...countsOf(end.leftOut) };
      case 'redirect':
        return sitemapRedirected(claim, url, end.to, end.facts, signal);
      case 'failed':
        return failPage(claim, end.failure, end.facts, signal);
    }
  }

  /**
   * A sitemap may be kept anywhere: what it lists is held against the scope all the same. One that is all that a source begins
   * with takes the scope along within its domain, as start URLs do.
   */
  async function sitemapRedirected(
    claim: Claim,
    url: URL,
    to: URL,
    facts: FetchFacts,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const path = [...(claim.redirects ?? []), url.href];
    if (path.length > MAX_REDIRECTS || path.includes(to.href))
      return tooManyRedirects(claim, [...path, to.href], facts);
    const [start = claim.url] = path;
    if (moved.isStart(claim.source, start) && moved.beginsWithSitemaps(claim.source)) {
      await moved.move(claim.source, start, to, signal);
    }
    const target = { ...sitemapAt(claim.source, to), depth: claim.depth, redirects: path };
    return { ...skipped(claim, 'Redirected', facts), links: [target] };
  }

  return { addNamedSitemaps, readSitemap };
}
