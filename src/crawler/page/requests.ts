// The requests that a crawled page puts into the frontier.
import type { Claim, Discovery } from '../../store/worker-store.ts';
import { hostKey } from '../urls/url.ts';

export function requestFor(source: string, url: URL, depth: number): Discovery {
  return { source, url: url.href, host: hostKey(url), depth };
}

/** The request for what the claim's URL led to: it is as far from the start, and the same page of its listing. */
export function inPlaceOf({ source, depth, listingPage }: Claim, to: URL, path: readonly string[]): Discovery {
  const listing = listingPage === undefined ? {} : { listingPage };
  return { ...requestFor(source, to, depth), redirects: path, ...listing };
}

export function sitemapAt(source: string, url: URL): Discovery {
  return { ...requestFor(source, url, 0), kind: 'Sitemap' };
}
