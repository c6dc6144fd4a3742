// The requests that a run begins with: the start URLs and sitemaps of its active sources.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Discovery } from '../../store/worker-store.ts';
import { hostKey, normaliseUrl } from '../urls/url.ts';

/** A start URL that cannot be crawled is put in as it is: it will be seen as a failed page with the cause InvalidUrl. */
export function seedsOf(spec: CrawlRunSpec): Discovery[] {
  return spec.sources
    .filter((source) => source.active)
    .flatMap(({ name, urls, sitemaps }) => [
      ...urls.map((url) => seedOf(name, url)),
      ...sitemaps.map((url) => ({ ...seedOf(name, url), kind: 'Sitemap' as const })),
    ]);
}

function seedOf(source: string, text: string): Discovery {
  const url = normaliseUrl(text);
  return url === undefined
    ? { source, url: text, host: 'invalid', depth: 0 }
    : { source, url: url.href, host: hostKey(url), depth: 0 };
}
