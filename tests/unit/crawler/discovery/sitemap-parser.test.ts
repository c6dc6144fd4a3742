// Sitemaps, as they should be and as they are.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSitemapParser } from '#src/crawler/discovery/sitemap-parser.ts';
import { CrawlError } from '#src/crawler/failure.ts';

const NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"';

/** Parsed in pieces of so many characters. */
function parse(text: string, piece = text.length + 1): string[] {
  const parser = createSitemapParser();
  const entries = [];
  for (let start = 0; start < text.length; start += piece)
    entries.push(...parser.write(text.slice(start, start + piece)));
  entries.push(...parser.end());
  return entries.map(({ kind, location }) => `${kind} ${location}`);
}

const GOOD: [string, string, string[]][] = [
  [
    'a list of pages',
    `<?xml version="1.0"?><urlset ${NAMESPACE}><url><loc> http://a/1?x=1&amp;y </loc><lastmod>2026-01-01</lastmod></url>
     <url><priority>0.5</priority><loc><![CDATA[http://a/2?a&b]]></loc></url></urlset>`,
    ['Page http://a/1?x=1&y', 'Page http://a/2?a&b'],
  ],
  [
    'an index',
    `<sitemapindex ${NAMESPACE}><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>`,
    ['Sitemap http://a/s.xml'],
  ],
  [
    'prefixes and extensions',
    `<s:urlset xmlns:s="x" xmlns:image="y"><s:url><s:loc>http://a/1</s:loc><image:image><image:loc>http://a/i.png</image:loc>
     </image:image></s:url></s:urlset>`,
    ['Page http://a/1'],
  ],
  [
    'a byte-order mark, comments and upper case',
    '\ufeff <!-- x --><URLSET><URL><LOC>http://a/1</LOC></URL></URLSET>',
    ['Page http://a/1'],
  ],
  [
    'one URL a line',
    'http://a/1\r\nhttp://a/2\rhttps://a/3\n\n# no URL\n  http://a/4',
    ['Page http://a/1', 'Page http://a/2', 'Page https://a/3', 'Page http://a/4'],
  ],
  [
    'elements that are not closed',
    '<urlset><url><loc>http://a/1<url><loc>http://a/2</url></urlset',
    ['Page http://a/2'],
  ],
  [
    'a file that was cut off',
    '<urlset><url><loc>http://a/1</loc></url><url><loc>http://a/lo',
    ['Page http://a/1', 'Page http://a/lo'],
  ],
  [
    'an RSS feed, whose channel is no entry',
    `<rss version="2.0" xmlns:atom="x"><channel><link>http://a/home</link><atom:link href="http://a/feed" rel="self"/>
     <item><title>x</title><link> http://a/1?x=1&amp;y </link><guid>http://a/guid</guid></item>
     <item><link><![CDATA[http://a/2]]></link></item><item><title>none</title></item></channel></rss>`,
    ['Page http://a/1?x=1&y', 'Page http://a/2'],
  ],
  [
    'an RSS 1.0 feed',
    `<rdf:RDF xmlns:rdf="x"><channel rdf:about="http://a/"><link>http://a/home</link></channel>
     <item rdf:about="http://a/1"><link>http://a/1</link></item></rdf:RDF>`,
    ['Page http://a/1'],
  ],
  [
    'an Atom feed, and of its links those to pages',
    `<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://a/home"/><entry><link href="http://a/1"/></entry>
     <entry><link rel="self" href="http://a/self"/><link rel="alternate" href="http://a/2?x=1&amp;y"></link>
     <link rel="enclosure" href="http://a/a.mp3"/></entry></feed>`,
    ['Page http://a/1', 'Page http://a/2?x=1&y'],
  ],
  [
    'an Atom feed with prefixes',
    '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:link href="http://a/1"/></a:entry></a:feed>',
    ['Page http://a/1'],
  ],
  [
    'an RSS feed whose items have their address as identifier alone',
    `<rss><channel><item><guid> http://a/1?x&amp;y </guid></item><item><guid isPermaLink="true">http://a/2</guid></item>
     <item><guid isPermaLink="false">http://a/id</guid></item><item><guid>urn:x</guid></item>
     <item><guid>http://a/id</guid><link>http://a/3</link></item></channel></rss>`,
    ['Page http://a/1?x&y', 'Page http://a/2', 'Page http://a/3'],
  ],
  [
    'a date behind each line, after a tab',
    'http://a/1\t2026-01-01\nhttp://a/2\t\n',
    ['Page http://a/1', 'Page http://a/2'],
  ],
  [
    'an address over several lines',
    '<urlset><url><loc>\n\thttp://a/1\n</loc></url><url><loc/></url></urlset>',
    ['Page http://a/1'],
  ],
  [
    'pages in an index, and sitemaps among pages',
    '<sitemapindex><url><loc>http://a/1</loc></url><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>',
    ['Page http://a/1', 'Sitemap http://a/s.xml'],
  ],
  [
    'sitemaps among pages, with prefixes',
    '<s:urlset><s:sitemap><s:loc>http://a/s.xml</s:loc></s:sitemap><s:url><s:loc>http://a/1</s:loc></s:url></s:urlset>',
    ['Sitemap http://a/s.xml', 'Page http://a/1'],
  ],
  [
    'images before the location, a stylesheet, and a warning behind',
    `\n\n<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><urlset><url><image:image><image:loc>http://a/i.png</image:loc></image:image>
      <loc><![CDATA[http://a/1?x=1&y=2]]></loc></url></urlset>\n<br />\n<b>Warning</b>: x`,
    ['Page http://a/1?x=1&y=2'],
  ],
  ['bare ampersands', '<urlset><url><loc>http://a/?x=1&y=2</loc></url></urlset>', ['Page http://a/?x=1&y=2']],
  ['no entries', '<urlset/>', []],
];

describe('a sitemap', () => {
  it.each(GOOD)('with %s', (_, text, expected) => {
    expect(parse(text)).toEqual(expected);
    expect(parse(text, 1)).toEqual(expected);
  });

  it.each([
    ['a page', '<!doctype html><html><body>not found</body></html>'],
    ['a page', '<html><body><a href="http://a/1">x</a></body></html>'],
    ['nothing at all', ''],
    ['blank lines', ' \n'],
    ['text without URLs', 'nothing to be found here\n'],
    ['elements in elements without end', `<urlset>${'<a>'.repeat(300)}`],
    ['a comment alone', '<!-- x -->'],
  ])('is not %s', (_, text) => {
    for (const piece of [undefined, 1]) {
      expect(() => parse(text, piece)).toThrow(
        expect.objectContaining({ failure: expect.objectContaining({ cause: 'BadSitemap' }) }),
      );
    }
  });

  it('gives no location that is longer than it has to be known', () => {
    const long = `http://a/${'x'.repeat(100_000)}`;
    for (const text of [long, `<urlset><url><loc>${long}</loc></url></urlset>`]) {
      const [entry] = parse(text, 1_000);
      expect(entry?.length).toBeLessThan(10_000);
    }
  });

  const fragment = fc.oneof(
    fc.constantFrom('<urlset>', '</urlset>', '<url>', '</url>', '<loc>', '</loc>', '<sitemapindex>', '<sitemap>'),
    fc.constantFrom(
      'http://a/b',
      '&amp;',
      '&#x110000;',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '<?x',
      '<!DOCTYPE x [',
      '\0',
      '\n',
    ),
    fc.string(),
    fc.webUrl(),
  );

  it('of anything at all is read or refused, the same in whatever pieces it comes', () => {
    const read = (text: string, piece: number): string[] | string => {
      try {
        return parse(text, piece);
      } catch (error) {
        if (error instanceof CrawlError) return error.message;
        throw error;
      }
    };
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (fragments, piece) => {
        const text = fragments.join('');
        expect(read(text, piece)).toEqual(read(text, text.length + 1));
      }),
      { numRuns: 500 },
    );
  });
});
