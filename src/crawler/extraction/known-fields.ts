// Fields that are looked up by their name: which properties of structured data and which meta tags hold them.
import type { RawPage } from '../html/raw-page.ts';
import { readJsonLd, readProperties, type StructuredData, textOfValue, valuesAt } from './structured-data.ts';

type KnownField = {
  /** Paths of schema.org properties, the best first. */
  readonly properties: readonly string[];
  /** Names of meta tags: Open Graph's first, then the others. */
  readonly meta: readonly string[];
  /** `address`: a URL, made absolute. `term`: a word of schema.org, without its address. */
  readonly kind?: 'address' | 'term';
};

const TITLE: KnownField = {
  properties: ['headline', 'name'],
  meta: ['og:title', 'twitter:title', 'dc.title', 'dcterms.title', 'title'],
};

/** The names that are known. Others are looked up as they are spelt. */
export const KNOWN_FIELDS: Readonly<Record<string, KnownField>> = {
  title: TITLE,
  name: TITLE,
  price: {
    properties: ['offers.price', 'offers.lowPrice', 'offers.priceSpecification.price', 'offers.offers.price', 'price'],
    meta: ['product:price:amount', 'og:price:amount', 'product:price'],
  },
  currency: {
    properties: [
      ...['offers.priceCurrency', 'offers.priceSpecification.priceCurrency', 'offers.offers.priceCurrency'],
      'priceCurrency',
    ],
    meta: ['product:price:currency', 'og:price:currency'],
  },
  description: {
    properties: ['description', 'abstract'],
    meta: ['og:description', 'twitter:description', 'description', 'dc.description', 'dcterms.description'],
  },
  category: {
    properties: ['category', 'articleSection', 'genre', 'recipeCategory'],
    meta: ['product:category', 'article:section', 'category'],
  },
  availability: {
    properties: ['offers.availability', 'offers.offers.availability', 'availability'],
    meta: ['product:availability', 'og:availability'],
    kind: 'term',
  },
  condition: {
    properties: ['offers.itemCondition', 'itemCondition'],
    meta: ['product:condition', 'og:condition'],
    kind: 'term',
  },
  rating: {
    properties: ['aggregateRating.ratingValue', 'reviewRating.ratingValue', 'starRating.ratingValue'],
    meta: ['og:rating', 'rating:average'],
  },
  ratingCount: {
    properties: ['aggregateRating.ratingCount', 'aggregateRating.reviewCount'],
    meta: ['og:rating_count', 'rating:count'],
  },
  image: {
    properties: ['image', 'primaryImageOfPage', 'thumbnailUrl'],
    meta: ['og:image', 'og:image:url', 'og:image:secure_url', 'twitter:image', 'twitter:image:src', 'thumbnail'],
    kind: 'address',
  },
  url: { properties: ['url', 'offers.url', 'mainEntityOfPage'], meta: ['og:url', 'twitter:url'], kind: 'address' },
  brand: { properties: ['brand', 'manufacturer'], meta: ['product:brand', 'og:brand', 'brand'] },
  sku: {
    properties: ['sku', 'offers.sku', 'productID', 'mpn'],
    meta: ['product:retailer_item_id', 'product:sku', 'sku'],
  },
  gtin: {
    properties: ['gtin', 'gtin13', 'gtin12', 'gtin14', 'gtin8', 'isbn', 'offers.gtin13', 'offers.gtin'],
    meta: ['product:ean', 'product:upc', 'product:gtin', 'book:isbn', 'og:isbn'],
  },
  author: {
    properties: ['author', 'creator'],
    meta: ['article:author', 'book:author', 'author', 'dc.creator', 'dcterms.creator', 'parsely-author'],
  },
  publisher: {
    properties: ['publisher', 'sourceOrganization'],
    meta: ['og:site_name', 'article:publisher', 'publisher', 'dc.publisher', 'application-name'],
  },
  datePublished: {
    properties: ['datePublished', 'uploadDate', 'datePosted', 'dateCreated'],
    meta: [
      ...['article:published_time', 'og:published_time', 'book:release_date', 'date', 'pubdate', 'publish-date'],
      ...['dc.date', 'dc.date.issued', 'dcterms.issued', 'dcterms.created', 'parsely-pub-date', 'citation_date'],
    ],
  },
  dateModified: {
    properties: ['dateModified'],
    meta: ['article:modified_time', 'og:updated_time', 'last-modified', 'dcterms.modified'],
  },
  keywords: {
    properties: ['keywords'],
    meta: ['article:tag', 'og:video:tag', 'keywords', 'news_keywords', 'parsely-tags'],
  },
  language: { properties: ['inLanguage'], meta: ['og:locale', 'language', 'dc.language', 'dcterms.language'] },
};

export function kindOf(field: string): KnownField['kind'] {
  return knownField(field).kind;
}

function knownField(name: string): KnownField {
  if (Object.hasOwn(KNOWN_FIELDS, name)) return KNOWN_FIELDS[name] as KnownField;
  return {
    properties: [name, `offers.${name}`, `aggregateRating.${name}`],
    meta: [`og:${name}`, `product:${name}`, `article:${name}`, `twitter:${name}`, name],
  };
}

/** What one source says of a field. Texts for machines have numbers as JSON has them, those for people as the page has. */
export type FieldTexts = {
  readonly texts: readonly string[];
  readonly isForMachines: boolean;
  /** Whether they are of the several elements of a list, none of which is what the page is about. */
  readonly isOfList?: boolean;
};

/** The texts that stand for a field of an item, source by source, the best first; read as they are asked for. */
export type FieldLookup = (field: string, item: number) => Iterable<FieldTexts>;

/**
 * Looks into JSON-LD, microdata, RDFa, Open Graph and meta tags, in this order. What describes the whole page is an item's
 * own when the page has no other.
 * @param noteCut called when there is more structured data than is looked into
 */
export function createFieldLookup(page: RawPage, url: URL, noteCut: () => void): FieldLookup {
  const isWhole = page.items.length === 1;
  const names = { url: url.href, canonical: page.canonical, heading: page.heading, title: page.title };
  let jsonLd: StructuredData | undefined;
  const marked = new Map<string, StructuredData>();

  function markedIn(markup: 'microdata' | 'rdfa', item: number): StructuredData {
    const key = `${markup} ${item}`;
    const known = marked.get(key) ?? readProperties(page[markup][item] ?? [], names);
    marked.set(key, known);
    return known;
  }

  function* sourcesOf(item: number): Iterable<{ readonly data: StructuredData; readonly isForMachines: boolean }> {
    if (isWhole) {
      jsonLd ??= readJsonLd(page.jsonLd, names);
      if (jsonLd.isCut) noteCut();
      yield { data: jsonLd, isForMachines: true };
    }
    yield { data: markedIn('microdata', item), isForMachines: false };
    yield { data: markedIn('rdfa', item), isForMachines: false };
  }

  function* metaOf(field: KnownField): Iterable<FieldTexts> {
    for (const key of field.meta) {
      const texts = page.meta.filter(([name]) => name.toLowerCase() === key).map(([, text]) => text);
      yield { texts, isForMachines: true };
    }
    if (field === TITLE) yield { texts: [page.title], isForMachines: false };
  }

  return function* textsOf(name, item) {
    const field = knownField(name);
    const wants = field.kind === 'address' ? 'address' : 'name';
    for (const { data, isForMachines } of sourcesOf(item)) {
      for (const texts of textsIn(data.subjects, field, wants, data.byId, noteCut)) yield { texts, isForMachines };
    }
    if (isWhole) yield* metaOf(field);
    for (const { data, isForMachines } of sourcesOf(item)) {
      const texts = data.listed.flatMap((thing) => firstTexts(textsIn([thing], field, wants, data.byId, noteCut)));
      yield { texts, isForMachines, isOfList: data.listed.length > 1 };
    }
    if (Object.hasOwn(KNOWN_FIELDS, name)) return;
    for (const { data, isForMachines } of sourcesOf(item)) {
      for (const texts of textsIn(data.surroundings, field, wants, data.byId, noteCut)) yield { texts, isForMachines };
    }
  };
}

function firstTexts(sources: Iterable<readonly string[]>): readonly string[] {
  for (const texts of sources) if (texts.length > 0) return texts;
  return [];
}

function* textsIn(
  things: StructuredData['subjects'],
  { properties }: KnownField,
  wants: 'name' | 'address',
  byId: StructuredData['byId'],
  noteCut: () => void,
): Iterable<readonly string[]> {
  for (const thing of things) {
    // What a group leaves to its variants is that of the first one.
    for (const path of [...properties, ...properties.map((path) => `hasVariant.${path}`)]) {
      yield valuesAt(thing, path.split('.'), byId, noteCut)
        .map((value) => textOfValue(value, wants))
        .filter((text) => text !== undefined);
    }
  }
}
