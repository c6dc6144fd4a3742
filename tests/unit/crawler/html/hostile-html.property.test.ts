// HTML of all kinds: whatever a page holds, reading it ends, throws nothing, and gives no more than its bounds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRawPage } from '#src/crawler/browser/page-script.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { storableJson } from '#src/store/storable-json.ts';

const url = new URL('https://shop.example/a/b');

const EXTRACTS: NonNullable<CrawlRunSpecInput['extract']>[] = [
  {
    fields: [
      ...['title', 'price', 'image', 'author', 'other'].map((name) => ({ name })),
      { name: 'rating', type: 'Number' },
      { name: 'first', selector: 'p, .f, [itemprop]' },
      { name: 'all', selector: 'div > *', multiple: true },
    ],
    images: true,
    links: true,
  },
  {
    itemSelector: 'div, li, [itemscope]',
    fields: [
      { name: 'name' },
      { name: 'last', selector: ':scope > :last-child' },
      { name: 'link', selector: 'a', type: 'URL' },
    ],
    images: true,
    links: true,
  },
];
const extractions = EXTRACTS.map((extract) =>
  createExtraction(crawlRunSpec.parse({ sources: [{ name: 'a', urls: [url.href] }], extract }).extract),
);

/** Reads and converts as a worker does, with the way through JSON that a browser's answer takes. */
function expectBoundedReading(html: string): void {
  for (const { plan, itemsOf } of extractions) {
    const page = parseRawPage(JSON.stringify(readHtml(html, plan)));
    const { limits } = plan;
    expect(page.links.length).toBeLessThanOrEqual(limits.links + 1);
    expect(page.items.length).toBeLessThanOrEqual(limits.items);
    for (const text of page.items.flat(2)) expect(text.length).toBeLessThanOrEqual(limits.characters);
    for (const entries of page.microdata) expect(entries.length).toBeLessThanOrEqual(limits.values);
    expect(page.jsonLd.join('').length).toBeLessThanOrEqual(limits.jsonLd);
    const result = itemsOf(page, url);
    expect(JSON.parse(storableJson(result))).toHaveProperty('items');
  }
}

const tag = fc.constantFrom(
  ...['html', 'head', 'body', 'base', 'title', 'meta', 'div', 'p', 'a', 'b', 'li', 'ul', 'table', 'tr', 'td', 'tbody'],
  ...['select', 'option', 'template', 'noscript', 'iframe', 'script', 'style', 'textarea', 'svg', 'math', 'img', 'x-y'],
);
const name = fc.constantFrom(
  ...[
    'href',
    'src',
    'srcset',
    'class',
    'id',
    'itemprop',
    'itemscope',
    'itemtype',
    'content',
    'name',
    'property',
    'HREF',
  ],
  ...['data-src', 'alt', 'type', '__proto__', 'constructor', '=', '"', "'"],
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom('<', '>', '/', '&', '"', "'", '=', '!', '-', ']', '\0', '\ud800', '\udc00', '&#', ';'),
  }),
  fc.constantFrom(
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '&#x110000;',
    '&#0;',
    '&nosuch;',
    'f',
    'name price',
    '\ufeff',
  ),
);
const attribute = fc
  .tuple(name, text, fc.constantFrom('"', "'", ''))
  .map(([key, value, quote]) => `${key}=${quote}${value}${quote}`);
const opening = fc
  .tuple(tag, fc.array(attribute, { maxLength: 4 }), fc.constantFrom('>', '/>', ' ', ''))
  .map(([element, attributes, end]) => `<${element} ${attributes.join(' ')}${end}`);
const script = fc
  .oneof(fc.json({ maxDepth: 6 }), text)
  .map((json) => `<script type="application/ld+json">${json}</script>`);
const thing = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(fc.string(), fc.double(), fc.constant(null), fc.boolean()),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        '@type',
        '@id',
        '@graph',
        '@list',
        'name',
        'offers',
        'price',
        'image',
        'author',
        'mainEntity',
        '__proto__',
      ),
      tie('value'),
      { maxKeys: 5 },
    ),
  ),
})).value;
const linkedData = thing.map((value) => `<script type="application/ld+json">${JSON.stringify(value)}</script>`);
const page = fc
  .array(
    fc.oneof(
      opening,
      tag.map((element) => `</${element}>`),
      text,
      script,
      linkedData,
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

describe('reading a page', () => {
  it('takes whatever stands in it', () => {
    fc.assert(fc.property(page, expectBoundedReading), { numRuns: 400 });
  });

  it('takes any characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), expectBoundedReading), { numRuns: 150 });
  });

  it.each([
    ['deep nesting', '<div class=f>'.repeat(2_000)],
    ['deep inline nesting', '<b>'.repeat(20_000)],
    ['deep tables', '<table><tr><td>'.repeat(3_000)],
    ['deep scopes', '<div itemscope itemprop=a>'.repeat(2_000)],
    ['a huge attribute', `<a href="${'x'.repeat(2_000_000)}" class=f>`],
    ['many attributes', `<p ${Array.from({ length: 20_000 }, (_, index) => `a${index}=1`).join(' ')}>`],
    ['an endless comment', `<p>a<!--${'-'.repeat(1_000_000)}`],
    ['an endless tag', `<p class=f ${'x '.repeat(200_000)}`],
    ['a long text', `<p>${'word '.repeat(400_000)}</p>`],
    ['many spaces', `<title>${' \n\t'.repeat(300_000)}</title>`],
    ['many links', '<a href=x>x</a>'.repeat(20_000)],
    ['many meta tags', '<meta name=author content=x>'.repeat(20_000)],
    ['many scripts', '<script type="application/ld+json">{"@type":"Product"}</script>'.repeat(5_000)],
    ['a large script', `<script type="application/ld+json">[${'{"@type":"Product"},'.repeat(40_000)}{}]</script>`],
    ['unclosed entities', '&amp'.repeat(100_000)],
    ['angle brackets alone', '<'.repeat(200_000)],
    ['NUL and halves of pairs', '<p class=f>\0\ud800\udfff\udbff'.repeat(1_000)],
  ])('takes %s', (_what, html) => {
    expectBoundedReading(html);
  });
});
