// The requests that a run begins with: the start URLs and sitemaps of its active sources.

import type { Discovery } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { hostKey, normaliseUrl } from '../urls/url.ts';
import { createUrlCleaner, fragmentRule, type UrlCleaner } from '../urls/url-cleaner.ts';

/** A start URL that cannot be crawled is put in as it is: it will be seen as a failed page with the cause InvalidUrl. */
export function seedsOf({ sources, fetch }: Pick<CrawlRunSpec, 'sources' | 'fetch'>): Discovery[] {
  return sources
    .filter((source) => source.active)
    .flatMap(({ name, urls, sitemaps, scope }) => {
      // Start URLs keep what links lose, but for fragments that name no page.
      const clean = createUrlCleaner([], fragmentRule(scope.fragments, fetch.render));
      return [
        ...urls.map((url) => seedOf(name, url, clean)),
        ...sitemaps.map((url) => ({ ...seedOf(name, url, clean), kind: 'Sitemap' as const })),
      ];
    });
}

function seedOf(source: string, text: string, clean: UrlCleaner): Discovery {
  const normal = normaliseUrl(text, undefined, 'Keep');
  if (normal === undefined) return { source, url: text, host: 'invalid', depth: 0 };
  const url = clean(normal);
  return { source, url: url.href, host: hostKey(url), depth: 0 };
}
