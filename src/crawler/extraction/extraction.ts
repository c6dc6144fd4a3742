// From the extract section of a spec to what is read in the page, and from what was read to items.
import { compile } from 'css-select';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { ItemData } from '../../store/worker-store.ts';
import { CHALLENGE_SIGNS } from '../blocking/blocked.ts';
import type { FieldPlan, PagePlan, RawPage } from '../html/read-page.ts';
import { baseUrlOf } from '../urls/base-url.ts';
import { normaliseUrl } from '../urls/url.ts';
import { createFieldLookup, kindOf } from './known-fields.ts';

type ExtractSpec = NonNullable<CrawlRunSpec['extract']>;
type Field = ExtractSpec['fields'][number];
type SelectedField = Field & { readonly selector: string };
type Value = string | number | boolean;
/** null, false or an empty list: the page has none that fits the field's type. */
type FieldValue = Value | null | readonly Value[];
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
};

/** Whether the page has items of which none is whole. */
export function hasFailed({ items, incomplete }: PageItems): boolean {
  return items.length === 0 && incomplete !== undefined;
}

/** A selector that cannot be used; the message names the field and says why. */
export class SelectorError extends Error {
  constructor(field: string, selector: string, why: string) {
    super(`${field}: the selector "${selector}" is not valid: ${why}`);
    this.name = 'SelectorError';
  }
}

/** Throws a SelectorError when a selector would not work in both the parser and the browser. */
export function createExtraction(extract: ExtractSpec | undefined): Extraction {
  return extract === undefined ? wholePage : fieldsOf(extract);
}

/** Where sites that say so at all say which page comes next. */
const NEXT_PAGE = 'link[rel~="next" i][href], a[rel~="next" i][href]';

/** What is read of the pages of one source. Throws a SelectorError as createExtraction does. */
export function planForSource(plan: PagePlan, { name, limits }: CrawlRunSpec['sources'][number]): PagePlan {
  const { followNext } = limits;
  if (followNext === undefined) return plan;
  const { selector = NEXT_PAGE } = followNext;
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
    const links = absoluteLinks(page, url, MAX_ITEM_LINKS).map((link) => link.href);
    return { items: [{ url: url.href, title: page.title, heading: page.heading, links }] };
  },
};

function fieldsOf(extract: ExtractSpec): Extraction {
  const { itemSelector, fields } = extract;
  if (itemSelector !== undefined) checkSelector('extract.itemSelector', itemSelector);
  const selected = fields.filter(hasSelector);
  // Its text, or a picture of it, is something that every page has.
  const isAlwaysItem = extract.text || extract.screenshots !== undefined;
  for (const { name, selector } of selected) checkSelector(`extract.fields[${name}].selector`, selector);
  const places = new Map<Field, number>(selected.map((field, index) => [field, index]));

  /** The value of each field for one item of the page. */
  function reader(page: RawPage, base: string): (item: number, field: Field) => FieldValue {
    const lookUp = createFieldLookup(page);
    return (item, field) => {
      const place = places.get(field);
      if (place !== undefined) return convert(field, page.items[item]?.[place] ?? [], base);
      return firstValue(field, lookUp(field.name, item), base);
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
      const read = reader(page, base);
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
      return { items, ...(missing === undefined ? {} : { incomplete: { items: lacking.length, missing } }) };
    },
  };
}

/** Pseudo-classes that the parser's selector engine has and browsers have not, or not with the same meaning. */
const NOT_IN_BROWSERS =
  /(?<!:):(contains|icontains|parent|header|button|input|text|selected|checkbox|file|password|radio|reset|image|submit|first|last|eq|gt|lt|even|odd)(?![-\w])/i;

function checkSelector(field: string, selector: string): void {
  if (selector.trim() === '') throw new SelectorError(field, selector, 'it is empty');
  const foreign = NOT_IN_BROWSERS.exec(withoutStrings(selector));
  if (foreign !== null) throw new SelectorError(field, selector, `${foreign[0]} is not CSS`);
  if (/^\s*[>+~]|,\s*[>+~]/.test(withoutStrings(selector))) {
    throw new SelectorError(field, selector, 'it begins with a combinator; write :scope before it');
  }
  try {
    compile(selector, { relativeSelector: false });
  } catch (error) {
    throw new SelectorError(field, selector, error instanceof Error ? error.message : String(error));
  }
}

function withoutStrings(selector: string): string {
  return selector.replace(/"[^"]*"|'[^']*'/g, '""');
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
  return type === 'URL' ? { attributes: ['href', 'src'], orText: true } : 'text';
}

function convert(field: Field, texts: readonly string[], base: string): FieldValue {
  const { type } = field;
  if (type === 'Boolean') return texts.length > 0;
  const values = texts.map((text) => convertText(type, text, base)).filter((value) => value !== null);
  return field.multiple ? values : (values[0] ?? null);
}

/** The value of the first source that has one of the field's type: a price "on request" is none where a number is wanted. */
function firstValue(field: Field, sources: Iterable<readonly string[]>, base: string): FieldValue {
  const kind = kindOf(field.name);
  const effective: Field = field.type === 'String' && kind === 'address' ? { ...field, type: 'URL' } : field;
  for (const texts of sources) {
    const value = convert(effective, texts.filter(says).map(kind === 'term' ? withoutVocabulary : String), base);
    if (!isEmpty(value)) return value;
  }
  return convert(effective, [], base);

  /** Where no selector tells that an element is there, the value tells whether something is so. */
  function says(text: string): boolean {
    return field.type !== 'Boolean' || !/^(false|no|0|)$/i.test(text);
  }
}

/** `InStock` for `https://schema.org/InStock`. */
function withoutVocabulary(text: string): string {
  return text.replace(/^https?:\/\/(?:www\.)?schema\.org\//i, '');
}

function convertText(type: Exclude<Field['type'], 'Boolean'>, text: string, base: string): Value | null {
  switch (type) {
    case 'String':
      return text === '' ? null : text;
    case 'Number':
      return firstNumber(text);
    case 'URL':
      return absoluteUrl(text, base);
  }
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

function isEmpty(value: FieldValue | readonly Reference[] | undefined): boolean {
  return value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0);
}

function absoluteUrl(text: string, base: string): string | null {
  const url = text === '' ? null : URL.parse(text, base);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') ? url.href : null;
}

/**
 * The first number of a text as people write it: `1,234.50`, `1.234,50 €`, `1 234,50`, `1'234`, `−3`.
 * With one separator alone, a comma before exactly three digits groups thousands; anything else marks decimals.
 */
export function firstNumber(text: string): number | null {
  const found = /(?<![\w.,])([-+\u2212]?)\s?(\d+(?:[.,'\u2019\u00a0\u202f\u2009 ]\d+)*)/.exec(afterCurrency(text));
  if (found === null) return null;
  const [, sign = '', written = ''] = found;
  const value = Number(plainDigits(groupedPart(written)));
  if (!Number.isFinite(value)) return null;
  return sign === '-' || sign === '\u2212' ? -value : value;
}

/** `USD12` and `€12` begin with what is no digit: a space lets the number be seen as a word of its own. */
function afterCurrency(text: string): string {
  return text.slice(0, 1_000).replace(/([\p{L}\p{Sc}])(?=\d)/gu, '$1 ');
}

/** Spaces belong to a number only where they group thousands: `1 234 567`, but not `3 4` or `2 100000`. */
function groupedPart(written: string): string {
  const spaced = /^\d{1,3}(?:[\u00a0\u202f\u2009 ]\d{3})+(?!\d)(?:[.,]\d+)?/.exec(written);
  return spaced?.[0] ?? written.split(/[\u00a0\u202f\u2009 ]/, 1)[0] ?? '';
}

function plainDigits(written: string): string {
  const digits = written.replace(/['\u2019\u00a0\u202f\u2009 ]/g, '');
  const decimal = decimalSeparator(digits);
  if (decimal === undefined) return digits.replace(/[.,]/g, '');
  const position = digits.lastIndexOf(decimal);
  return `${digits.slice(0, position).replace(/[.,]/g, '')}.${digits.slice(position + 1)}`;
}

function decimalSeparator(digits: string): string | undefined {
  const separators = digits.match(/[.,]/g) ?? [];
  const last = separators.at(-1);
  if (last === undefined) return undefined;
  const isRepeated = separators.filter((separator) => separator === last).length > 1;
  if (isRepeated) return undefined;
  const groupsThousands = separators.length === 1 && last === ',' && /^[1-9]\d{0,2},\d{3}$/.test(digits);
  return groupsThousands ? undefined : last;
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
