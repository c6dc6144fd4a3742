// Which URLs belong to a source: its scope mode and its include and exclude patterns.
import { getDomain } from 'tldts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { normaliseUrl } from './url.ts';
import { compileUrlPattern, type UrlPattern } from './url-pattern.ts';

type Source = CrawlRunSpec['sources'][number];

export type Scope = {
  /** Whether a link to the (normalised) URL is followed. */
  readonly followsLink: (url: URL) => boolean;
  /**
   * Whether a redirect of one of the source's pages may lead to the URL. As links, but in mode Page, which follows no
   * link, within the same host: a start URL that has moved is still the page that was asked for.
   */
  readonly followsRedirect: (url: URL) => boolean;
  /** Whether a page that a sitemap of the source lists is crawled: as links, but in mode Page on the same host. */
  readonly followsListed: (url: URL) => boolean;
  /** Whether the next page of a listing is followed: as links, but in mode Page on the same host. */
  readonly followsNext: (url: URL) => boolean;
  /** Whether the URL is at a place of the source, whatever its patterns say. */
  readonly reaches: (url: URL) => boolean;
  readonly excludes: (url: URL) => boolean;
  /** Whether an exclude pattern is all that keeps a link to the URL, or a page that a sitemap lists, from being followed. */
  readonly excludesLink: (url: URL) => boolean;
  readonly excludesListed: (url: URL) => boolean;
  /** To how many places start URLs have moved, as far as is known. */
  readonly moves: number;
  /** Whether the URL is out of reach, but another start URL that moves may take the scope there while pages are read already. */
  readonly mayReachLater: (url: URL) => boolean;
};

type Rule = (url: URL) => boolean;

/**
 * Start URLs are always crawled; the scope decides on everything found from there. A source without start URLs reaches
 * as far as its sitemaps would as start URLs; that is also how far a sitemap may speak for a site by its protocol.
 * @param moved where start URLs have moved to: the scope reaches as far from there, and its patterns mean the same there
 */
export function createScope(source: Source, moved: readonly URL[] = []): Scope {
  const seeds = seedsOf(source);
  const places = [...seeds, ...moved];
  const { included, excludes } = matchPatterns(source.scope, formsOf(seeds, moved));
  const sites = [...new Set(seeds.map(registrableDomain))];
  const reach = reachOf(source.scope.mode, places);
  const reaches = source.scope.mode === 'Page' ? reachOf('Host', places) : reach;
  const isNear: Rule = (url) => reaches(url) && included(url) && !excludes(url);
  return {
    followsLink: (url) => reach(url) && included(url) && !excludes(url),
    followsRedirect: isNear,
    followsListed: isNear,
    followsNext: isNear,
    reaches,
    excludes,
    excludesLink: (url) => reach(url) && included(url) && excludes(url),
    excludesListed: (url) => reaches(url) && included(url) && excludes(url),
    moves: moved.length,
    mayReachLater: mayMoveLate(source) ? (url) => isOnOneOf(sites, url) && !reaches(url) : () => false,
  };
}

/** Where the first page that is read is the start URL itself, no page is read before it has moved. */
function mayMoveLate({ scope, urls, sitemaps, sitemapsFromRobots, urlsFrom }: Source): boolean {
  const isAlone = urls.length + sitemaps.length === 1 && !sitemapsFromRobots && urlsFrom === undefined;
  return !isAlone && (scope.mode === 'Host' || scope.mode === 'Prefix');
}

function isOnOneOf(sites: readonly string[], { hostname }: URL): boolean {
  return sites.some((site) => hostname === site || hostname.endsWith(`.${site}`));
}

function seedsOf(source: Source): URL[] {
  return (source.urls.length > 0 ? source.urls : source.sitemaps)
    .map((url) => normaliseUrl(url))
    .filter((url) => url !== undefined);
}

/** Origins of start URLs whose patterns are tried at a new place. */
const MAX_ORIGINS = 10;

/** How patterns may write a URL: as it is, and at a place that a start URL has moved from, as if it were still there. */
function formsOf(seeds: readonly URL[], moved: readonly URL[]): (url: URL) => readonly string[] {
  const before = [...new Set(seeds.map((seed) => seed.origin))].slice(0, MAX_ORIGINS);
  const now = new Set(moved.map((place) => place.origin));
  return (url) =>
    now.has(url.origin)
      ? [url.href, ...before.map((origin) => origin + url.href.slice(url.origin.length))]
      : [url.href];
}

function reachOf(mode: Source['scope']['mode'], seeds: readonly URL[]): Rule {
  switch (mode) {
    case 'Page':
      return () => false;
    case 'Prefix':
      return underFolders(seeds);
    case 'Host':
      return sameKey(seeds, siteHost);
    case 'Domain':
      return sameKey(seeds, registrableDomain);
    case 'Any':
      return () => true;
  }
}

function underFolders(seeds: readonly URL[]): Rule {
  const foldersByHost = new Map<string, Set<string>>();
  for (const seed of seeds) {
    const folders = foldersByHost.get(siteHost(seed)) ?? new Set();
    foldersByHost.set(siteHost(seed), folders.add(seed.pathname.slice(0, seed.pathname.lastIndexOf('/') + 1)));
  }
  return ({ host, pathname }) => {
    const folders = foldersByHost.get(siteHost({ host }));
    if (folders === undefined) return false;
    for (let end = pathname.indexOf('/'); end >= 0; end = pathname.indexOf('/', end + 1)) {
      if (folders.has(pathname.slice(0, end + 1))) return true;
    }
    return false;
  };
}

function sameKey(seeds: readonly URL[], key: (url: URL) => string): Rule {
  const keys = new Set(seeds.map(key));
  return (url) => keys.has(key(url));
}

/** Whether both URLs are on one registrable domain, so that one may speak for the other. */
export function isSameSite(one: URL, other: URL): boolean {
  return registrableDomain(one) === registrableDomain(other);
}

/** Sites move between example.com and www.example.com, and from http to https, without being another site. */
function siteHost({ host }: Pick<URL, 'host'>): string {
  return host.replace(/^www\./, '');
}

/**
 * The domain that someone registered, by the Public Suffix List with its private part (alice.github.io and
 * bob.github.io are two). An address, or a name without a public suffix, stands for itself.
 */
export function registrableDomain(url: URL): string {
  return getDomain(url.hostname, { allowPrivateDomains: true }) ?? url.hostname;
}

function matchPatterns({ include, exclude }: Source['scope'], formsOfUrl: (url: URL) => readonly string[]) {
  const matchesOneOf = (patterns: readonly UrlPattern[], url: URL) =>
    patterns.length > 0 && formsOfUrl(url).some((form) => patterns.some((matches) => matches(form)));
  const inclusions = include.map(compileUrlPattern);
  const exclusions = exclude.map(compileUrlPattern);
  const included: Rule = (url) => inclusions.length === 0 || matchesOneOf(inclusions, url);
  const excludes: Rule = (url) => matchesOneOf(exclusions, url);
  return { included, excludes };
}
