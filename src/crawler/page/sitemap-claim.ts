// Claims of sitemaps: those that robots.txt names are put in, and those that are claimed are read.
import type { Claim, FetchFacts, Outcome, WorkerStore } from '../../store/worker-store.ts';
import type { SitemapReader } from '../discovery/sitemap-reader.ts';
import { isSameSite } from '../urls/scope.ts';
import { normaliseUrl } from '../urls/url.ts';
import type { FailPage } from './failed-page.ts';
import type { HostReports } from './host-reports.ts';
import { countsOf, MAX_REDIRECTS, skipped, tooManyRedirects } from './outcomes.ts';
import { sitemapAt } from './requests.ts';
import type { SourceRules } from './source-rules.ts';

export function createSitemapClaims(options: {
  readonly sources: ReadonlyMap<string, SourceRules>;
  readonly store: Pick<WorkerStore, 'addLinks'>;
  readonly sitemaps: SitemapReader;
  readonly reports: Pick<HostReports, 'answered'>;
  readonly failPage: FailPage;
}) {
  const { sources, store, sitemaps, reports, failPage } = options;

  /** Puts in the sitemaps that robots.txt of a start URL's host names, within its site. The store knows most of them. */
  async function addNamedSitemaps(claim: Claim, url: URL, references: readonly string[], signal: AbortSignal) {
    const rules = sources.get(claim.source);
    if (rules === undefined || !rules.takesNamedSitemaps || claim.depth > 0) return;
    const links = references
      .map((reference) => normaliseUrl(reference, url.href))
      .filter((sitemap) => sitemap !== undefined)
      .filter((sitemap) => isSameSite(sitemap, url))
      .map((sitemap) => sitemapAt(claim.source, sitemap));
    if (links.length > 0) await store.addLinks(claim, links, signal);
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
        return sitemapRedirected(claim, url, end.to, end.facts);
      case 'failed':
        return failPage(claim, end.failure, end.facts, signal);
    }
  }

  function sitemapRedirected(claim: Claim, url: URL, to: URL, facts: FetchFacts): Outcome {
    const path = [...(claim.redirects ?? []), url.href];
    if (path.length > MAX_REDIRECTS || path.includes(to.href))
      return tooManyRedirects(claim, [...path, to.href], facts);
    if (!isSameSite(url, to)) return skipped(claim, 'OutOfScope', facts);
    const target = { ...sitemapAt(claim.source, to), depth: claim.depth, redirects: path };
    return { ...skipped(claim, 'Redirected', facts), links: [target] };
  }

  return { addNamedSitemaps, readSitemap };
}
