// Reads a sitemap as its text arrives: XML (sitemaps.org, protocol 0.9), a feed, or one URL a line. Nothing of it is kept.
import { Parser } from 'htmlparser2';
import { CrawlError } from '../failure.ts';
import { MAX_URL_LENGTH } from '../urls/url.ts';

/** A location is kept so far: enough to be seen as too long. */
const MOST_OF_LOCATION = 2 * MAX_URL_LENGTH;
/** Elements that may be open at once. A sitemap has three levels; broken ones forget to close some. */
const MAX_OPEN_ELEMENTS = 256;
const ADDRESS = /^\s*https?:\/\//i;

export type SitemapEntry = {
  readonly kind: 'Page' | 'Sitemap';
  /** As it was written, unless that is longer than any URL: then the beginning. */
  readonly location: string;
};

/** Both throw a CrawlError with the cause BadSitemap when it turns out that this is no sitemap. */
export type SitemapParser = {
  /** The entries that end within the text. */
  readonly write: (text: string) => readonly SitemapEntry[];
  /** The entry that the end of the file ends. */
  readonly end: () => readonly SitemapEntry[];
};

/** XML that is broken is read as far as it makes sense. */
export function createSitemapParser(): SitemapParser {
  let parser: SitemapParser | undefined;
  return {
    write(text) {
      // Before the first character it is neither.
      const begun = parser === undefined ? text.replace(/^[\s\ufeff]+/, '') : text;
      if (begun === '') return [];
      parser ??= begun.startsWith('<') ? createXmlParser() : createTextParser();
      return parser.write(begun);
    },
    end() {
      if (parser === undefined) throw badSitemap('it is empty');
      return parser.end();
    },
  };
}

/** Where an XML format says what it lists. */
type Format = {
  readonly kind: SitemapEntry['kind'];
  /** Elements that say of what kind the entry in them is, whatever the root is. */
  readonly kinds?: Readonly<Record<string, SitemapEntry['kind']>>;
  /** The element whose text is a location. */
  readonly locationTag?: string;
  /** The element whose `href` is one, unless it is some other relation. */
  readonly linkTag?: string;
  /** The element whose text is the location of an item without another one, unless an attribute says otherwise (RSS 2.0, guid). */
  readonly idTag?: string;
  /** The element that all of them stand in; absent when they stand nowhere else. */
  readonly itemTag?: string;
};

function createXmlParser(): SitemapParser {
  let entries: SitemapEntry[] = [];
  let format: Format | undefined;
  let openElements = 0;
  let openItems = 0;
  let kind: SitemapEntry['kind'] | undefined;
  let location: string | undefined;
  let link: { href?: string; rel?: string } | undefined;
  /** The identifier of the open item, and whether it is still read. */
  let id: { text: string; isOpen: boolean; isAddress: boolean } | undefined;
  let hasLocation = false;

  function found(written: string | undefined): void {
    const text = written?.trim() ?? '';
    if (format === undefined || text === '') return;
    hasLocation = true;
    entries.push({ kind: kind ?? format.kind, location: text.slice(0, MOST_OF_LOCATION) });
  }

  // Without onopentag the parser keeps no attributes, of which a hostile file could have millions.
  const parser = new Parser(
    {
      onopentagname(name) {
        openElements++;
        if (openElements > MAX_OPEN_ELEMENTS) throw badSitemap('its elements are nested too deeply');
        format ??= formatOf(name);
        if (name === format.itemTag) {
          openItems++;
          hasLocation = false;
          id = undefined;
        }
        kind = format.kinds?.[name] ?? kind;
        const isWithin = format.itemTag === undefined || openItems > 0;
        if (isWithin && name === format.locationTag) location = '';
        if (isWithin && name === format.linkTag) link = {};
        if (isWithin && name === format.idTag) id ??= { text: '', isOpen: true, isAddress: true };
      },
      onattribute(name, value) {
        if (id?.isOpen && name.toLowerCase() === 'ispermalink') id.isAddress = value.trim().toLowerCase() !== 'false';
        if (link === undefined) return;
        if (name.toLowerCase() === 'href') link.href ??= value;
        if (name.toLowerCase() === 'rel') link.rel ??= value;
      },
      ontext(text) {
        if (location !== undefined && location.length < MOST_OF_LOCATION) location += text.slice(0, MOST_OF_LOCATION);
        if (id?.isOpen && id.text.length < MOST_OF_LOCATION) id.text += text.slice(0, MOST_OF_LOCATION);
      },
      onclosetag(name) {
        openElements--;
        if (name === format?.itemTag) {
          openItems = Math.max(openItems - 1, 0);
          if (!hasLocation && id?.isAddress && ADDRESS.test(id.text)) found(id.text);
          id = undefined;
        }
        if (name === format?.idTag && id !== undefined) id.isOpen = false;
        if (name === format?.locationTag) {
          found(location);
          location = undefined;
        }
        if (name === format?.linkTag) {
          if (/^(alternate)?$/i.test(link?.rel?.trim() ?? '')) found(link?.href);
          link = undefined;
        }
      },
    },
    { xmlMode: true, lowerCaseTags: true },
  );

  function taken(): readonly SitemapEntry[] {
    const all = entries;
    entries = [];
    return all;
  }

  return {
    write(text) {
      parser.write(text);
      return taken();
    },
    end() {
      parser.end();
      if (format === undefined) throw badSitemap('it has no elements');
      return taken();
    },
  };
}

/**
 * By the root element: a sitemap, an index of them, or a feed, which sitemaps.org allows in place of one (RSS 2.0, RSS 1.0, Atom).
 * Elements of extensions, such as <image:loc>, have another prefix than the root.
 */
function formatOf(name: string): Format {
  const [, prefix = '', root] = /^(.*:)?(urlset|sitemapindex|rss|feed|rdf)$/.exec(name) ?? [];
  switch (root) {
    case 'urlset':
      return { kind: 'Page', kinds: kindsWith(prefix), locationTag: `${prefix}loc` };
    case 'sitemapindex':
      return { kind: 'Sitemap', kinds: kindsWith(prefix), locationTag: `${prefix}loc` };
    case 'rss':
    case 'rdf':
      return { kind: 'Page', itemTag: 'item', locationTag: 'link', idTag: 'guid' };
    case 'feed':
      return { kind: 'Page', itemTag: `${prefix}entry`, linkTag: `${prefix}link` };
    default:
      throw badSitemap(`it begins with <${name.slice(0, 100)}>`);
  }
}

/** Some sites list pages in an index, and sitemaps among pages. */
function kindsWith(prefix: string): NonNullable<Format['kinds']> {
  return { [`${prefix}url`]: 'Page', [`${prefix}sitemap`]: 'Sitemap' };
}

function createTextParser(): SitemapParser {
  let line = '';
  let hasUrls = false;

  function entriesOf(lines: readonly string[]): SitemapEntry[] {
    // Behind a tab stands something else, such as a date; URL parsers would take both for one.
    const locations = lines.map((text) => text.trim().split('\t', 1)[0] ?? '').filter((text) => ADDRESS.test(text));
    hasUrls ||= locations.length > 0;
    return locations.map((location) => ({ kind: 'Page', location: location.slice(0, MOST_OF_LOCATION) }));
  }

  return {
    write(text) {
      const lines = text.split(/\r\n|\r|\n/);
      lines[0] = line + lines[0];
      line = (lines.pop() ?? '').slice(0, MOST_OF_LOCATION);
      return entriesOf(lines);
    },
    end() {
      const last = entriesOf([line]);
      if (!hasUrls) throw badSitemap('it is neither XML nor a list of URLs');
      return last;
    },
  };
}

function badSitemap(why: string): CrawlError {
  return new CrawlError({ cause: 'BadSitemap', message: `this is no sitemap: ${why}`, retryable: false });
}
