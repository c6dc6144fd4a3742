// What a page says of itself to machines: JSON-LD, microdata and RDFa, all as things with properties (schema.org).
import { decodeHTMLStrict } from 'entities';
import type { RawProperty } from '../html/raw-page.ts';

/** A node as JSON-LD writes it: `@type`, `@id` and properties. It comes from a page: nothing in it is sure. */
type Thing = Readonly<Record<string, unknown>>;

/** The things that a page is about. */
export type StructuredData = {
  /** What the page is about first, then the page itself; of each type one, since a second would be another thing. */
  readonly subjects: readonly Thing[];
  /** The elements of its lists, in their order. */
  readonly listed: readonly Thing[];
  /** The site, its owner, breadcrumbs. */
  readonly surroundings: readonly Thing[];
  readonly byId: ReadonlyMap<string, Thing>;
  /** There are more things on the page than are read. */
  readonly isCut: boolean;
};

/** Bounds on what a hostile page may repeat. */
const MAX_NAMES = 8;
const MAX_THINGS = 1_000;
const MAX_VALUES = 1_000;

const SURROUNDINGS = new Set([
  ...['WebSite', 'Organization', 'NewsMediaOrganization', 'Corporation', 'OnlineStore', 'Person', 'Brand', 'Review'],
  ...['BreadcrumbList', 'ItemList', 'ListItem', 'ImageObject', 'SiteNavigationElement', 'WPHeader', 'WPFooter'],
  ...['WPSideBar', 'SearchAction', 'ContactPoint', 'PostalAddress', 'Rating', 'AggregateRating', 'Comment'],
]);
const MAIN =
  /^(Product|ProductGroup|ProductModel|IndividualProduct|\w*Article|\w*Posting|Recipe|\w*Event|Book|Movie|Course|Vehicle|Car)$/;

/** What is known of a page beside its data. It tells the page's own product from others. */
export type PageNames = {
  readonly url: string;
  readonly canonical: string | null;
  readonly heading: string;
  readonly title: string;
};

/** The things of the page's JSON-LD scripts. What cannot be parsed is left out. */
export function readJsonLd(scripts: readonly string[], page: PageNames): StructuredData {
  const found: Collected = { things: [], listed: [], byId: new Map(), isCut: false };
  const values = scripts.map(parseLeniently);
  remember(values, found);
  collect(values, found);
  return sorted(found, page);
}

type Collected = {
  readonly things: Thing[];
  readonly listed: Thing[];
  readonly byId: Map<string, Thing>;
  isCut: boolean;
};

/** What leads from a value to the next ones, in their order. Without recursion: a hostile page can nest deeper than the stack. */
function walk(values: readonly unknown[], next: (value: Thing) => readonly unknown[]): void {
  const pending = values.toReversed();
  while (pending.length > 0) {
    const value = pending.pop();
    const inner = Array.isArray(value) ? (value as unknown[]) : isThing(value) ? next(value) : [];
    for (let index = inner.length - 1; index >= 0; index--) pending.push(inner[index]);
  }
}

/** Adds what there is room for. */
function addTo(things: Thing[], thing: Thing, found: Collected): void {
  if (things.length < MAX_THINGS) things.push(thing);
  else found.isCut = true;
}

/** Lists, `@graph`, elements of lists, and what a page says it is mainly about. */
function collect(values: readonly unknown[], found: Collected): void {
  walk(values, (value) => {
    if (value['@type'] !== undefined) addTo(found.things, value, found);
    const elements = typesOf(value).includes('BreadcrumbList') ? undefined : propertyOf(value, 'itemListElement');
    if (Array.isArray(elements) && elements.length > MAX_VALUES) found.isCut = true;
    for (const element of listOf(elements)) {
      const item = isThing(element) ? (propertyOf(element, 'item') ?? element) : undefined;
      if (isThing(item) && item['@type'] !== undefined) addTo(found.listed, item, found);
    }
    return ['@graph', 'mainEntity'].map((name) => propertyOf(value, name));
  });
}

/** By their `@id`, however deep they stand; what several places say of one thing is put together. */
function remember(values: readonly unknown[], found: Collected): void {
  const { byId } = found;
  walk(values, (value) => {
    const id = value['@id'];
    if (typeof id === 'string' && Object.keys(value).length > 1) {
      if (byId.has(id) || byId.size < MAX_THINGS) byId.set(id, { ...value, ...byId.get(id) });
      else found.isCut = true;
    }
    return Object.values(value);
  });
}

/** Pages break lines within strings, leave commas, escape as scripts do and write comments; browsers do not complain. */
function parseLeniently(json: string): unknown {
  for (const mend of [(text: string) => text, withoutControls, withoutWrapping, asList, asScript]) {
    try {
      return JSON.parse(mend(json), withoutEntities);
    } catch {
      // The next repair may help; a script that stays unreadable is left out.
    }
  }
  return undefined;
}

/** Scripts are no HTML, so that entities stay in them; those who write them think otherwise. */
function withoutEntities(_: string, value: unknown): unknown {
  return typeof value === 'string' && value.includes('&') ? decodeHTMLStrict(value) : value;
}

/** Several objects one after another. */
function asList(json: string): string {
  return `[${withoutWrapping(json).replace(/\}\s{0,100},?\s{0,100}(?=\{)/g, '},')}]`;
}

/** Line comments and escapes of JavaScript, which JSON does not have. Takes linear time. */
function asScript(json: string): string {
  const plain = json
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*/gs, (_, text: string | undefined) => text ?? ' ')
    .replace(/\\(.)/gs, (written, character: string) => (/["\\/bfnrtu]/.test(character) ? written : character));
  return asList(plain);
}

function withoutControls(json: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what JSON forbids within strings, and takes for spaces elsewhere.
  return json.replace(/[\u0000-\u001f]/g, ' ');
}

function withoutWrapping(script: string): string {
  const json = script.replace(/<!\[CDATA\[|\]\]>/g, '');
  const start = json.search(/[[{]/);
  const end = Math.max(json.lastIndexOf('}'), json.lastIndexOf(']'));
  return withoutControls(json.slice(Math.max(start, 0), end + 1)).replace(/,(?=\s{0,100}[}\]])/g, '');
}

/** The things of an item's microdata or RDFa. Properties that stand in no scope are those of the item itself. */
export function readProperties(properties: readonly RawProperty[], page: PageNames): StructuredData {
  const root: Record<string, unknown> = Object.create(null);
  const things: Thing[] = [];
  const scopes = properties.map(({ type, value }) => (type === null ? undefined : thingOf(type, value)));
  for (const [index, { scope, names, value }] of properties.entries()) {
    const thing = scopes[index];
    // A thing that `itemref` makes a part of itself belongs to the root.
    const owner = scope === index ? root : (scopes[scope] ?? root);
    const words = names
      .split(/\s+/, MAX_NAMES)
      .filter((word) => word !== '')
      .map(localName);
    for (const name of words.filter((word) => word !== undefined)) {
      const values = owner[name];
      if (Array.isArray(values)) values.push(thing ?? value);
      else owner[name] = [thing ?? value];
    }
    if (thing !== undefined && (names.trim() === '' || words.includes('mainEntity'))) things.push(thing);
  }
  const found = Object.keys(root).length > 0 ? [root, ...things] : things;
  return sorted({ things: found, listed: [], byId: new Map(), isCut: false }, page);
}

/** `name` of `schema:name` and `https://schema.org/name`; undefined for a name of another vocabulary, such as `og:title`. */
function localName(name: string): string | undefined {
  const local = name.replace(/^(?:schema:|https?:\/\/schema\.org\/)/, '');
  return local.includes(':') ? undefined : local;
}

/** `value` is what the element itself says, such as where it links to. */
function thingOf(type: string, value: string): Record<string, unknown> {
  const thing: Record<string, unknown> = Object.create(null);
  thing['@type'] = type.split(/\s+/, MAX_NAMES);
  if (value !== '') thing['@value'] = value;
  return thing;
}

function sorted({ things, listed, byId, isCut }: Collected, page: PageNames): StructuredData {
  const ofType = new Map<string, Candidate>();
  for (const written of things) {
    for (const candidate of candidatesOf(resolved(written, byId) as Thing, byId, page)) {
      const [type = ''] = typesOf(candidate.thing);
      const known = ofType.get(type);
      if (known === undefined || candidate.likeness > known.likeness) ofType.set(type, candidate);
    }
  }
  const ranked = [...ofType]
    .map(([type, { thing, likeness }]) => ({ thing, rank: rankOf(type), likeness: Math.max(likeness, SAME_NAME) }))
    .toSorted((a, b) => a.rank - b.rank || b.likeness - a.likeness);
  return {
    subjects: ranked.filter(({ rank }) => rank < SURROUNDING).map(({ thing }) => thing),
    listed: listed.map((thing) => resolved(thing, byId) as Thing),
    surroundings: ranked.filter(({ rank }) => rank === SURROUNDING).map(({ thing }) => thing),
    byId,
    isCut,
  };
}

type Candidate = { readonly thing: Thing; readonly likeness: number };

/**
 * The thing with the variant first that has the page's address, and that variant itself where the address is not the thing's own:
 * then its values are those of the page, and the group's are not.
 */
function candidatesOf(thing: Thing, byId: StructuredData['byId'], page: PageNames): readonly Candidate[] {
  const likeness = likenessOf(thing, page);
  const variants = listOf(propertyOf(thing, 'hasVariant')).map((variant) => resolved(variant, byId));
  const likenesses = variants.map((variant) => (isThing(variant) ? likenessOf(variant, page) : 0));
  const most = Math.max(0, ...likenesses);
  // An address that several variants have says nothing of one of them.
  const isOwn = most > SAME_NAME && likenesses.indexOf(most) === likenesses.lastIndexOf(most);
  const own = isOwn ? variants[likenesses.indexOf(most)] : undefined;
  if (!isThing(own)) return [{ thing, likeness }];
  const hasVariant = [own, ...variants.filter((variant) => variant !== own)];
  const group = { thing: { ...thing, hasVariant }, likeness };
  return most > likeness ? [{ thing: own, likeness: most }, group] : [group];
}

/** The surer the greater. An `@id` says less than a `url`: pages number their things by fragments of their address. */
const SAME_URL = 6;
const SAME_ID = 5;
const CANONICAL_URL = 4;
const CANONICAL_ID = 3;
const SAME_NAME = 2;

/** How surely a thing is the one that the page is about: it has the page's address, or its name. Of equals the first counts. */
function likenessOf(thing: Thing, { url, canonical, heading, title }: PageNames): number {
  const addressesIn = (values: readonly unknown[]) =>
    values
      .map((value) => textOfValue(value, 'address'))
      .filter((text) => text !== undefined && text !== '')
      .map((text) => addressOf(text as string, url));
  // The address of an offer is often that of the thing that is offered.
  const offers = listOf(propertyOf(thing, 'offers')).filter(isThing);
  const urls = ['url', 'mainEntityOfPage'].flatMap((name) => listOf(propertyOf(thing, name)));
  const own = addressesIn([...urls, ...offers.flatMap((offer) => listOf(propertyOf(offer, 'url')))]);
  const ids = addressesIn(listOf(thing['@id']));
  const page = addressOf(url, url);
  if (own.includes(page)) return SAME_URL;
  if (ids.includes(page)) return SAME_ID;
  const main = canonical === null ? page : addressOf(canonical, url);
  if (own.includes(main)) return CANONICAL_URL;
  if (ids.includes(main)) return CANONICAL_ID;
  const [name = ''] = listOf(propertyOf(thing, 'name')).map((value) => textOfValue(value, 'name') ?? '');
  if (name === '') return 0;
  if (name.toLowerCase() === heading.toLowerCase()) return SAME_NAME;
  return title.toLowerCase().includes(name.toLowerCase()) ? 1 : 0;
}

/** Without what does not tell pages apart: a fragment, a slash at the end. */
function addressOf(text: string, base: string): string {
  const url = URL.parse(text, base);
  return url === null ? text : `${url.host}${url.pathname.replace(/\/$/, '')}${url.search}`;
}

const SURROUNDING = 3;

function rankOf(type: string): number {
  if (type === '' || MAIN.test(type)) return 0;
  if (SURROUNDINGS.has(type)) return SURROUNDING;
  return type.endsWith('Page') ? 2 : 1;
}

/** Without what names the vocabulary: `Product` for `https://schema.org/Product` and `schema:Product`. */
function typesOf(thing: Thing): string[] {
  return listOf(thing['@type'])
    .filter((type) => typeof type === 'string')
    .map((type) => type.slice(0, MAX_VALUES).replace(/^.*[/#:]/, ''));
}

/**
 * What the path of names leads to from the thing, through lists and references by `@id`.
 * @param noteCut called when there are more values than are looked at
 */
export function valuesAt(
  thing: Thing,
  path: readonly string[],
  byId: StructuredData['byId'],
  noteCut: () => void,
): readonly unknown[] {
  return path
    .reduce<readonly unknown[]>(
      (values, name) => {
        const owners = values.map((value) => resolved(value, byId)).filter(isThing);
        const properties = owners.map((owner) => propertyOf(owner, name));
        const found = properties.flatMap((property) => listOf(property));
        if (found.length > MAX_VALUES || properties.some((property) => isLongList(property))) noteCut();
        return found.slice(0, MAX_VALUES);
      },
      [thing],
    )
    .map((value) => resolved(value, byId));
}

/** With all that the page says of the thing, which it may name by its `@id` alone. */
function resolved(value: unknown, byId: StructuredData['byId']): unknown {
  const id = isThing(value) ? value['@id'] : undefined;
  const known = typeof id === 'string' ? byId.get(id) : undefined;
  return isThing(value) && known !== undefined ? { ...known, ...value } : value;
}

/** The value as text: of a thing its name, or its address when that is wanted. */
export function textOfValue(value: unknown, wants: 'name' | 'address'): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!isThing(value)) return undefined;
  const names = wants === 'address' ? ['url', 'contentUrl', '@id', '@value'] : ['name', '@value', 'headline'];
  for (const name of names) {
    const [text] = listOf(propertyOf(value, name));
    if (typeof text === 'string' || typeof text === 'number') return String(text).trim();
  }
  return undefined;
}

/** What the names of properties may begin with. */
const VOCABULARIES = ['schema:', 'https://schema.org/', 'http://schema.org/'];

function isThing(value: unknown): value is Thing {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function propertyOf(thing: Thing, name: string): unknown {
  if (Object.hasOwn(thing, name)) return thing[name];
  const known = VOCABULARIES.find((vocabulary) => Object.hasOwn(thing, vocabulary + name));
  return known === undefined ? undefined : thing[known + name];
}

/** The values of a property: one, a list, or a list as JSON-LD writes it when order matters. */
function isLongList(value: unknown): boolean {
  return (elementsOf(value)?.length ?? 0) > MAX_VALUES;
}

/** The elements of an array, or of what JSON-LD calls a list or a set. */
function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (!isThing(value)) return undefined;
  return [value['@list'], value['@set']].find((elements) => Array.isArray(elements));
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  const elements = elementsOf(value);
  if (elements === undefined) return [value];
  return elements.slice(0, MAX_VALUES).flatMap((element) => (Array.isArray(element) ? [] : [element]));
}
