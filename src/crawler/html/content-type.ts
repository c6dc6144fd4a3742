// What a response holds: its Content-Type as browsers understand it, and what its first bytes look like without one.
import QuickLRU from 'quick-lru';
import { computedMIMEType, MIMEType } from 'whatwg-mimetype';

export type ContentType = {
  /** Lower-case `type/subtype`. */
  readonly essence: string;
  /** As the server wrote it, without quotes. */
  readonly charset?: string;
};

/** How a document is read. `Unknown` is decided by its first bytes. */
export type DocumentKind = 'Html' | 'Xml' | 'Other' | 'Unknown';

/**
 * The type that a Content-Type header names; undefined when it names none that browsers would act on. Repeated headers
 * may be joined by commas or line breaks: the last one that can be read counts, and takes the charset of those before
 * it that name the same type (Fetch standard, "extract a MIME type").
 */
export function contentTypeOf(header: string | undefined): ContentType | undefined {
  if (header === undefined) return undefined;
  const known = readBefore.get(header);
  if (known !== undefined) return known;
  const type = typeOf(header);
  if (type !== undefined && header.length <= MAX_KEPT_LENGTH) readBefore.set(header, type);
  return type;
}

/** Of a header in characters: longer ones are read anew each time. */
const MAX_KEPT_LENGTH = 100;
/** Servers send one or two for all of their pages. */
const readBefore = new QuickLRU<string, ContentType>({ maxSize: 100 });

function typeOf(header: string): ContentType | undefined {
  let found: ContentType | undefined;
  for (const part of splitOutsideQuotes(header)) {
    const type = parseLeniently(part);
    if (type === undefined || type.essence === '*/*') continue;
    found = type.charset === undefined && found?.essence === type.essence ? found : type;
  }
  return found;
}

/** Commas and line breaks separate values, but not within quotes. */
function splitOutsideQuotes(header: string): readonly string[] {
  return header.match(/(?:"(?:[^"\\]|\\.)*"|[^,\n])+/g) ?? [];
}

/** Chromium takes the type up to the first blank, semicolon or parenthesis, where the standard finds no type at all. */
function parseLeniently(value: string): ContentType | undefined {
  const type = MIMEType.parse(value) ?? MIMEType.parse(/^\s*[^\s;(]+/.exec(value)?.[0] ?? '');
  if (type === null) return undefined;
  const charset = type.parameters.get('charset') ?? /;\s*charset\s*=\s*([^\s;]+)/i.exec(value)?.[1];
  const label = charset?.replaceAll(/^['"]+|['"]+$/g, '');
  return { essence: type.essence, ...(label === undefined || label === '' ? {} : { charset: label }) };
}

/** Types that Chromium shows as a document or, where they say nothing, decides by the first bytes. */
const SHOWN_TYPES = new Set([
  ...['text/html', 'application/xhtml+xml', 'application/xml', 'text/xml', 'image/svg+xml'],
  ...['unknown/unknown', 'application/unknown', undefined],
]);

/**
 * Whether Chromium takes the header for what `contentTypeOf` does. It cuts each value at the first blank, semicolon or
 * parenthesis, takes anything with a slash for a type, and shows few of the XML types.
 */
export function isUnderstoodByChromium(header: string | undefined): boolean {
  const essence = contentTypeOf(header)?.essence;
  const names = splitOutsideQuotes(header ?? '').map((value) => (/[^ \t;(]+/.exec(value)?.[0] ?? '').toLowerCase());
  const counting = names.findLast((name) => name.includes('/') && name !== '*/*');
  return counting === essence && SHOWN_TYPES.has(essence) && !hasStrayQuotes(header ?? '');
}

/** Quotes that are a part of the charset's name in Chromium. */
function hasStrayQuotes(header: string): boolean {
  return /charset\s*=\s*('|[^\s;,"']+["'])/i.test(header);
}

/** What the header alone tells. */
export function kindByHeader(header: string | undefined): DocumentKind {
  const essence = contentTypeOf(header)?.essence;
  if (essence === undefined || essence === 'unknown/unknown' || essence === 'application/unknown') return 'Unknown';
  if (essence === 'text/html') return 'Html';
  return isXml(essence) ? 'Xml' : 'Other';
}

/** Also of what is no document, such as SVG: whether it holds a page, its root element tells. */
function isXml(essence: string): boolean {
  return essence === 'text/xml' || essence === 'application/xml' || essence.endsWith('+xml');
}

/**
 * What the header tells, else what the first bytes look like (MIME Sniffing standard, 7).
 * @param noSniff whether the server forbids to look (X-Content-Type-Options: nosniff)
 */
export function kindOfDocument(header: string | undefined, body: Uint8Array, noSniff: boolean): DocumentKind {
  const kind = kindByHeader(header);
  if (kind !== 'Unknown') return kind;
  return kindByHeader(computedMIMEType(body, { noSniff }).essence);
}
