// What a page says of itself to machines: JSON-LD and microdata, both as things with properties (schema.org).
import type { RawProperty } from '../html/read-page.ts';

/** A node as JSON-LD writes it: `@type`, `@id` and properties. It comes from a page: nothing in it is sure. */
type Thing = Readonly<Record<string, unknown>>;

/** The things that a page is about. */
export type StructuredData = {
  /** What the page is about first, then the page itself; of each type one, since a second would be another thing. */
  readonly subjects: readonly Thing[];
  /** What is around it: the site, its owner, the way there. */
  readonly surroundings: readonly Thing[];
  readonly byId: ReadonlyMap<string, Thing>;
};

/** Bounds on what a hostile page may nest and repeat. */
const MAX_DEPTH = 8;
const MAX_THINGS = 1_000;
const MAX_VALUES = 1_000;

const SURROUNDINGS = new Set([
  ...['WebSite', 'Organization', 'NewsMediaOrganization', 'Corporation', 'OnlineStore', 'Person', 'Brand', 'Review'],
  ...['BreadcrumbList', 'ItemList', 'ListItem', 'ImageObject', 'SiteNavigationElement', 'WPHeader', 'WPFooter'],
  ...['WPSideBar', 'SearchAction', 'ContactPoint', 'PostalAddress', 'Rating', 'AggregateRating', 'Comment'],
]);
const MAIN =
  /^(Product|ProductGroup|ProductModel|IndividualProduct|\w*Article|\w*Posting|Recipe|\w*Event|Book|Movie|Course|Vehicle|Car)$/;

/** The things of the page's JSON-LD scripts. What cannot be parsed is left out. */
export function readJsonLd(scripts: readonly string[]): StructuredData {
  const things: Thing[] = [];
  for (const script of scripts) collect(parseLeniently(script), things, 0);
  return sorted(things);
}

/** Lists, `@graph` and what a page says it is mainly about, all in one list. */
function collect(value: unknown, things: Thing[], depth: number): void {
  if (depth > MAX_DEPTH || things.length >= MAX_THINGS) return;
  if (Array.isArray(value)) {
    for (const element of value.slice(0, MAX_THINGS)) collect(element, things, depth + 1);
    return;
  }
  if (!isThing(value)) return;
  if (value['@type'] !== undefined) things.push(value);
  for (const name of ['@graph', 'mainEntity']) collect(propertyOf(value, name), things, depth + 1);
}

/** Pages break lines within strings, leave commas and wrap scripts in comments; browsers do not tell them. */
function parseLeniently(json: string): unknown {
  for (const mend of [(text: string) => text, withoutControls, withoutWrapping]) {
    try {
      return JSON.parse(mend(json));
    } catch {
      // The next way may do; a script that none can read says nothing.
    }
  }
  return undefined;
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

/** The things of an item's microdata. Properties that stand in no scope are those of the item itself. */
export function readMicrodata(properties: readonly RawProperty[]): StructuredData {
  const root: Record<string, unknown> = Object.create(null);
  const things: Thing[] = [];
  const scopes: (Record<string, unknown> | undefined)[] = [];
  for (const { scope, names, type, value } of properties) {
    const thing = type === null ? undefined : thingOf(type, value);
    scopes.push(thing);
    const owner = scopes[scope] ?? root;
    for (const name of names.split(/\s+/, MAX_DEPTH).filter((word) => word !== '')) {
      const values = owner[name];
      if (Array.isArray(values)) values.push(thing ?? value);
      else owner[name] = [thing ?? value];
    }
    if (thing !== undefined && (names.trim() === '' || /\bmainEntity\b/.test(names))) things.push(thing);
  }
  return sorted(Object.keys(root).length > 0 ? [root, ...things] : things);
}

/** `value` is what the element itself says, such as where it links to. */
function thingOf(type: string, value: string): Record<string, unknown> {
  const thing: Record<string, unknown> = Object.create(null);
  thing['@type'] = type.split(/\s+/, MAX_DEPTH);
  if (value !== '') thing['@value'] = value;
  return thing;
}

function sorted(things: readonly Thing[]): StructuredData {
  const byId = new Map<string, Thing>();
  const ofType = new Map<string, Thing>();
  for (const thing of things) {
    const id = thing['@id'];
    if (typeof id === 'string' && !byId.has(id)) byId.set(id, thing);
    const [type = ''] = typesOf(thing);
    if (!ofType.has(type)) ofType.set(type, thing);
  }
  const ranked = [...ofType]
    .map(([type, thing]) => ({ thing, rank: rankOf(type) }))
    .toSorted((a, b) => a.rank - b.rank);
  return {
    subjects: ranked.filter(({ rank }) => rank < SURROUNDING).map(({ thing }) => thing),
    surroundings: ranked.filter(({ rank }) => rank === SURROUNDING).map(({ thing }) => thing),
    byId,
  };
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

/** What the path of names leads to from the thing, through lists and references by `@id`. */
export function valuesAt(thing: Thing, path: readonly string[], byId: StructuredData['byId']): readonly unknown[] {
  return path
    .reduce<readonly unknown[]>(
      (values, name) =>
        values
          .map((value) => resolved(value, byId))
          .filter(isThing)
          .flatMap((value) => listOf(propertyOf(value, name)))
          .slice(0, MAX_VALUES),
      [thing],
    )
    .map((value) => resolved(value, byId));
}

function resolved(value: unknown, byId: StructuredData['byId']): unknown {
  const id = isThing(value) && Object.keys(value).length === 1 ? value['@id'] : undefined;
  return typeof id === 'string' ? (byId.get(id) ?? value) : value;
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

function isThing(value: unknown): value is Thing {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function propertyOf(thing: Thing, name: string): unknown {
  if (Object.hasOwn(thing, name)) return thing[name];
  return Object.hasOwn(thing, `schema:${name}`) ? thing[`schema:${name}`] : undefined;
}

/** The values of a property: one, a list, or a list as JSON-LD writes it when order matters. */
function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value))
    return value.slice(0, MAX_VALUES).flatMap((element) => (Array.isArray(element) ? [] : [element]));
  if (isThing(value)) {
    for (const name of ['@list', '@set']) if (Array.isArray(value[name])) return listOf(value[name]);
  }
  return [value];
}
