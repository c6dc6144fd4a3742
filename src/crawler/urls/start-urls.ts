// What a source begins with.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { normaliseUrl } from './url.ts';

export type IsStart = (url: string) => boolean;

/** Whether a URL is one of the source's start URLs or sitemaps; those of a list of its are not known here. */
export function startsOf({ urls, sitemaps }: Pick<CrawlRunSpec['sources'][number], 'urls' | 'sitemaps'>): IsStart {
  const starts = new Set([...urls, ...sitemaps].map(keyOf));
  return (url) => starts.has(keyOf(url));
}

function keyOf(url: string): string {
  return normaliseUrl(url)?.href ?? url;
}
