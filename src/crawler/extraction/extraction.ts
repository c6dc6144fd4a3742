// From the extract section of a spec to what is read in the page, and from what was read to items.

import type { ItemData, Truncation } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { CHALLENGE_SIGNS } from '../blocking/blocked.ts';
import { NEXT_BY_RELATION } from '../html/next-page.ts';
import type { FieldPlan, PagePlan } from '../html/page-plan.ts';
import type { RawPage } from '../html/raw-page.ts';
import { baseUrlOf } from '../urls/base-url.ts';
import { encodeQuery } from '../urls/query-encoding.ts';
import { normaliseUrl } from '../urls/url.ts';
import { createFieldLookup } from './known-fields.ts';
import { checkLocale, localeOf } from './locales.ts';
import { checkSelector } from './selectors.ts';
import { absoluteUrl, type FieldValue, isEmpty, namedValue, type Reading, selectedValue } from './values.ts';

type ExtractSpec = NonNullable<CrawlRunSpec['extract']>;
type Field = ExtractSpec['fields'][number];
type SelectedField = Field & { readonly selector: string };
/** An image or a link of an item. */
type Reference = { readonly url: string };

/** Bounds on what one page, which may be hostile, makes us keep. */
const PAGE_LIMITS: PagePlan['limits'] = {
  links: 10_000,
  items: 1_000,
  refreshes: 10,
  jsonLd: 1_000_000,
  values: 1_000,
  characters: 100_000,
  beginning: 1_000,
  linkText: 1_000,
  html: 4_000_000,
};
/** Links that an item without an extract section lists. */
const MAX_ITEM_LINKS = 1_000;

export type Extraction = {
  readonly plan: PagePlan;
  readonly itemsOf: (page: RawPage, url: URL) => PageItems;
};

export type PageItems = {
  /** Those that have every required field. */
  readonly items: readonly ItemData[];
  /** How many have not, and the field that the first of these lacks; absent when there are none. */
  readonly incomplete?: { readonly items: number; readonly missing: string };
  /** What was cut when items were made of the page; absent when nothing was. */
  readonly truncated?: readonly Truncation[];
};

/** Whether the page has items of which none is whole. */
export function hasFailed({ items, incomplete }: PageItems): boolean {
  return items.length === 0 && incomplete !== undefined;
}

/** Throws a SelectorError when a selector would not work in both the parser and the browser, and a LocaleError. */
export function createExtraction(extract: ExtractSpec | undefined): Extraction {
  return extract === undefined ? wholePage : fieldsOf(extract);
}

/** What is read of the pages of one source. Throws a SelectorError as createExtraction does. */
export function planForSource(plan: PagePlan, { name, limits }: CrawlRunSpec['sources'][number]): PagePlan {
  const { followNext } = limits;
  if (followNext === undefined) return plan;
  const { selector = NEXT_BY_RELATION } = followNext;
  checkSelector(`sources[${name}].limits.followNext.selector`, selector);
  return { ...plan, next: selector };
}

/** Without an extract section: title, first heading and links. */
const wholePage: Extraction = {
  plan: {
    ...{ itemSelector: null, fields: [], structuredData: false, images: false, itemLinks: false, html: false },
    next: null,
    screenshot: null,
    signs: CHALLENGE_SIGNS,
    limits: PAGE_LIMITS,
  },
  itemsOf(page, url) {
    const found = absoluteLinks(page, url, MAX_ITEM_LINKS + 1).map((link) => link.href);
    const links = found.slice(0, MAX_ITEM_LINKS);
    const items = [{ url: url.href, title: page.title, heading: page.heading, links }];
    return { items, ...(found.length > links.length ? { truncated: ['ItemLinks'] } : {}) };
  },
};

function fieldsOf(extract: ExtractSpec): Extraction {
  const { itemSelector, fields } = extract;
  if (itemSelector !== undefined) checkSelector('extract.itemSelector', itemSelector);
  const selected = fields.filter(hasSelector);
  // Its text, or a picture of it, is something that every page has.
  const isAlwaysItem = extract.text || extract.screenshots !== undefined;
  for (const { name, selector } of selected) checkSelector(`extract.fields[${name}].selector`, selector);
  checkLocale('extract.locale', extract.locale);
  for (const { name, locale } of fields) checkLocale(`extract.fields[${name}].locale`, locale);
  const places = new Map<Field, number>(selected.map((field, index) => [field, index]));

  /** The value of each field for one item of the page. */
  function reader(
    page: RawPage,
    url: URL,
    base: string,
    noteCut: () => void,
  ): (item: number, field: Field) => FieldValue {
    const lookUp = createFieldLookup(page, url, noteCut);
    const textsOf = ({ type }: Field, texts: readonly string[]) =>
      type === 'URL' ? texts.map((text) => encodeQuery(text, page.encoding)) : texts;
    return (item, field) => {
      const locale = localeOf(field.locale ?? extract.locale, page.language);
      const reading: Reading = { base, locale };
      const place = places.get(field);
      if (place !== undefined) return selectedValue(field, textsOf(field, page.items[item]?.[place] ?? []), reading);
      return namedValue(field, (name) => lookUp(name, item), reading);
    };
  }

  return {
    plan: {
      itemSelector: itemSelector ?? null,
      fields: selected.map(planOf),
      structuredData: selected.length < fields.length,
      images: extract.images,
      itemLinks: extract.links,
      html: extract.text || extract.module !== undefined,
      next: null,
      screenshot: extract.screenshots ?? null,
      signs: CHALLENGE_SIGNS,
      limits: PAGE_LIMITS,
    },
    itemsOf(page, url) {
      const base = baseOf(page, url);
      const truncated = new Set<Truncation>();
      const read = reader(page, url, base, () => truncated.add('StructuredData'));
      const items: ItemData[] = [];
      const lacking: string[] = [];
      for (const index of page.items.keys()) {
        const entries = fields.map((field) => [field.name, read(index, field)] as const);
        const missing = fields.find((field, place) => field.required && isEmpty(entries[place]?.[1]));
        if (missing !== undefined) {
          lacking.push(missing.name);
          continue;
        }
        const images = extract.images ? { images: imagesOf(page.images[index] ?? [], base) } : {};
        const links = extract.links ? { links: linksOf(page.itemLinks[index] ?? [], base) } : {};
        const item = { ...Object.fromEntries(entries), ...images, ...links };
        // A page on which nothing was found holds no item: sites have more pages than those with products.
        const values = fields.length > 0 ? entries.map(([, value]) => value) : Object.values(item);
        if (!values.every(isEmpty) || (fields.length === 0 && isAlwaysItem)) items.push(item);
      }
      const [missing] = lacking;
      return {
        items,
        ...(missing === undefined ? {} : { incomplete: { items: lacking.length, missing } }),
        ...(truncated.size === 0 ? {} : { truncated: [...truncated] }),
      };
    },
  };
}

function hasSelector(field: Field): field is SelectedField {
  return field.selector !== undefined;
}

function planOf({ selector, attribute, type, multiple }: SelectedField): FieldPlan {
  return { selector, multiple, take: takeOf(attribute, type) };
}

function takeOf(attribute: string | undefined, type: Field['type']): FieldPlan['take'] {
  // HTML attribute names are lower-case in the parsed tree, whatever the page or the spec says.
  if (attribute !== undefined) return { attributes: [attribute.toLowerCase()], orText: false };
  if (type === 'Boolean') return 'presence';
  if (type === 'Date') return { attributes: ['datetime'], orText: true };
  return type === 'URL' ? 'address' : 'text';
}

function imagesOf(raw: RawPage['images'][number], base: string): Reference[] {
  return distinct(raw.map(([address, alt]) => ({ url: absoluteUrl(address, base), alt })));
}

function linksOf(raw: RawPage['itemLinks'][number], base: string): Reference[] {
  return distinct(raw.map(([href, text]) => ({ url: normaliseUrl(href, base)?.href ?? null, text })));
}

/** Each address once, as the item shows it first. */
function distinct(references: readonly { readonly url: string | null }[]): Reference[] {
  const byUrl = new Map<string, Reference>();
  for (const { url, ...rest } of references) if (url !== null && !byUrl.has(url)) byUrl.set(url, { url, ...rest });
  return [...byUrl.values()];
}

/** What the page's references are relative to. */
export function baseOf(page: RawPage, url: URL): string {
  return baseUrlOf(page.base, url);
}

/** The page's links as URLs that can be crawled, each once, in the order of the page. */
export function absoluteLinks(page: RawPage, url: URL, limit: number): URL[] {
  const base = baseOf(page, url);
  const links = new Map<string, URL>();
  for (const href of page.links) {
    if (links.size >= limit) break;
    const link = normaliseUrl(href, base);
    if (link !== undefined) links.set(link.href, link);
  }
  return [...links.values()];
}
