// The references of a page as its server wants to be asked: with queries in the page's encoding.
import { encodeQuery } from '../urls/query-encoding.ts';
import type { RawPage } from './raw-page.ts';

type Pairs = RawPage['images'];

/** What leads to other documents or images; fields keep the text that stands in the page. */
export function withEncodedQueries(page: RawPage): RawPage {
  const { encoding } = page;
  if (encoding === 'UTF-8') return page;
  const encoded = (reference: string) => encodeQuery(reference, encoding);
  const encodedOrNull = (reference: string | null) => (reference === null ? null : encoded(reference));
  const pairs = (items: Pairs): Pairs => items.map((item) => item.map(([address, text]) => [encoded(address), text]));
  return {
    ...page,
    base: encodedOrNull(page.base),
    links: page.links.map(encoded),
    frames: page.frames.map(encoded),
    canonical: encodedOrNull(page.canonical),
    next: encodedOrNull(page.next),
    images: pairs(page.images),
    itemLinks: pairs(page.itemLinks),
  };
}
