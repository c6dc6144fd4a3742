// The requests that a crawled page puts into the frontier.
import type { Claim, Discovery } from '../../gateway/protocol/worker-store.ts';
import { hostKey } from '../urls/url.ts';

/** What the frontier can count, in links from a start URL. Pages beyond are crawled, too, and are as deep. */
const GREATEST_DEPTH = 32_767;

export function requestFor(source: string, url: URL, depth: number): Discovery {
  return { source, url: url.href, host: hostKey(url), depth: Math.min(depth, GREATEST_DEPTH) };
}

/** What is kept without being crawled, as long as no later change of the spec than this one says otherwise. */
export function excludedRequest(source: string, url: URL, depth: number, excludedBy: number): Discovery {
  return { ...requestFor(source, url, depth), excludedBy };
}

/** The request for what the claim's URL led to: it is as far from the start, and the same page of its listing. */
export function inPlaceOf({ source, depth, listingPage }: Claim, to: URL, path: readonly string[]): Discovery {
  const listing = listingPage === undefined ? {} : { listingPage };
  return { ...requestFor(source, to, depth), redirects: path, ...listing };
}

export function sitemapAt(source: string, url: URL): Discovery {
  return { ...requestFor(source, url, 0), kind: 'Sitemap' };
}
