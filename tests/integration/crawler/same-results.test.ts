// One spec, one page, two render modes: the same items, the same links.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { absoluteLinks, createExtraction, planForSource } from '#src/crawler/extraction/extraction.ts';
import { mainText } from '#src/crawler/extraction/main-text.ts';
import { createHttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { Renderer } from '#src/crawler/rendering/renderer.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { REALISTIC_PAGES } from './realistic-pages.ts';
import { browserDefaults, guardAllowing, html, startSite, type TestSite } from './site.ts';

const PAGES: Record<string, string> = {
  ...REALISTIC_PAGES,
  plain:
    '<!doctype html><html><head><title>A &amp; B</title></head><body><h1>One</h1><h1>Two</h1><a href=x>x</a></body></html>',
  'without html, head and body':
    '<title> spaced\n\ttitle </title><h1>He<b>ad</b>ing</h1><p>text<a href="/y?a=1&b=2">y</a>',
  'text of blocks and inlines':
    '<h1>a<span>b</span><br>c<i> d</i></h1><ul><li>one<li>two</ul><p class=f>x<p class=f>y<div class=f>p<div>q</div>r</div>',
  'scripts, styles, comments and templates':
    '<h1>seen<script>var hidden = 1;</script><style>.h{}</style><!-- no --><template>no<a href=t>t</a></template></h1>' +
    '<template><p class=f>no</p></template><p class=f>yes</p>',
  'what is for browsers without scripts':
    '<h1>h<noscript>no <b class=f>no</b></noscript></h1><noscript><a href=n>n</a></noscript>',
  'tables without tbody':
    '<table id=t><tr><td class=f>1</td><td>2</td></tr><tr><td class=f>3</td></tr></table>' +
    '<table id=u><thead><tr><th>h</th></tr></thead><tr><td class=f>4</td></tr></table>',
  'entities and odd characters':
    '<title>&lt;x&gt; &nbsp;&euro; &#128512; \u00a0end</title><h1>&Uuml;&copy;</h1><p class=f>a&nbsp;b</p>',
  attributes:
    '<div class=f data-v=" 1 " title=\'q"q\'>t</div><IMG CLASS=f SRC=/i.png><a class=f HREF="?p=1" NAME=n>l</a>',
  'a base':
    '<base href="/deep/er/"><base href="/other/"><a href=one>1</a><a href="//b.example/two">2</a><a class=f href=three>3</a>',
  'svg and math':
    '<svg><title>icon</title><a href="/svg"><text class=f>s</text></a></svg><title>page</title><h1>x</h1>',
  ...Object.fromEntries(
    [508, 509, 510, 511, 512, 600, 3_000].map((depth) => [
      `${depth} elements around the text`,
      `<title>t</title>${'<div>'.repeat(depth)}<h1>Re<b class=f>a<i class=f>x</i></b>dy</h1><p class=f>y</p><a href=/l>l</a>`,
    ]),
  ),
  forms:
    '<form><input class=f value=1><select><option class=f selected>o</option></select><textarea class=f> ta </textarea></form>',
  'image maps': '<map><area href=/area1><area HREF="/area2"></map><a>no href</a><a href="">empty</a><a href="#f">f</a>',
  'nested items': '<div class=item><p class=f>1</p><div class=item><p class=f>2</p></div></div><div class=item></div>',
  // Inline elements that are closed in the wrong order are repaired by browsers alone: that would take another parser.
  'unclosed elements':
    '<div class=item><p class=f>a<div class=item><span class=f>c</span><h1>d</h1></div>e<dl><dt>f<dd class=f>g',
  'a refresh far away': '<META HTTP-EQUIV=Refresh CONTENT="600; URL=\'/later\'"><a href=/a>a</a>',
  frames: '<iframe src="about:blank"><p class=f>no</p></iframe><p class=f>yes</p>',
};

/** What a source's selector finds to be the next page; the usual signs of it without one. */
const NEXT_PAGES: Record<string, { page: string; selector?: string; next: string | null }> = {
  'of a link element': { page: '<link rel="Prefetch NEXT" href=2><a rel=next href=3>x</a>', next: '2' },
  'of a link': {
    page: '<a href=1>x</a><a rel="nofollow next" HREF="?p=2">x</a><a rel=next href=3>x</a>',
    next: '?p=2',
  },
  'of a link without an address': { page: '<a rel=next>x</a>', next: null },
  'of a page that names none': { page: '<a rel=prev href=1>x</a>', next: null },
  'by a selector': { page: '<link rel=next href=2><a class=next href=3>x</a>', selector: 'a.next', next: '3' },
  'in what a selector finds': {
    page: '<ul><li><a href=1>x</a><li class=next><b><a href=3>x</a></b><li class=next><a href=4>x</a></ul>',
    selector: '.next',
    next: '3',
  },
  'that a selector does not find': { page: '<link rel=next href=2><p class=next>x</p>', selector: '.next', next: null },
};

const PRICES = ['1.299 €', '１，２８０円', '$1.234', '12. März 2024', '٤٩٫٩٩', 'Kostenlos']
  .map((text) => `<p class=f>${text}</p>`)
  .join('');
Object.assign(PAGES, {
  'prices without a language': PRICES,
  'prices in German': `<html lang="de">${PRICES}`,
  'prices in English, by a header in the page': `<meta http-equiv=Content-Language content="en-US">${PRICES}`,
  'times and dates': '<time class=f datetime="2024-03-12T10:15Z">yesterday</time><html lang=de><p class=f>3.4.2024',
});

Object.assign(PAGES, {
  'lazy images': `<div class=item><img class=f src=/blank.gif data-src=/1.png><img srcset="data:x,y 1x, /2.png 2x">
    <picture><source srcset="/3.webp, /4.webp 2x"><img alt=x></picture><img src=/5.png srcset="/6.png 2x"><img src=about:blank></div>`,
  'RDFa and itemref': `<div class=item typeof=schema:Product><b property=name class=f>r</b><i property="schema:price" content=5>6</i></div>
    <div class=item itemscope itemref=far><u itemprop=startDate>x</u></div><p id=far><b itemprop=name>far</b><s itemprop=price>7</s></p>`,
  'JSON-LD with parameters and references': `<script type="application/ld+json; charset=utf-8">{"@graph":[{"@type":"Product",
    "name":"Tom &amp; Jerry","offers":{"@id":"#o"}},{"@id":"#o","price":"9.90","priceCurrency":"EUR"}]}</script>`,
});

const SPECS: Record<string, CrawlRunSpecInput['extract']> = {
  'no extract section': undefined,
  fields: {
    fields: [
      { name: 'first', selector: '.f' },
      { name: 'all', selector: '.f', multiple: true },
      { name: 'number', selector: '.f', type: 'Number', multiple: true },
      { name: 'there', selector: '.f', type: 'Boolean' },
      { name: 'link', selector: 'a, img', type: 'URL', multiple: true },
      { name: 'value', selector: '[data-v]', attribute: 'DATA-V' },
      { name: 'cells', selector: 'table > tbody > tr > td:first-child', multiple: true },
      { name: 'last', selector: 'li:last-child, p:last-of-type, td:nth-child(2)', multiple: true },
      { name: 'has', selector: 'div:has(> p), h1:not(:empty)', multiple: true },
    ],
  },
  types: {
    fields: [
      { name: 'numbers', selector: '.f', type: 'Number', multiple: true },
      { name: 'prices', selector: '.f', type: 'Price', multiple: true },
      { name: 'dates', selector: '.f', type: 'Date', multiple: true },
    ],
  },
  'images, links and text': { images: true, links: true, text: true },
  'images and links of items': {
    itemSelector: '.item',
    fields: [{ name: 'first', selector: '.f' }],
    images: true,
    links: true,
  },
  'fields by name': {
    fields: [
      { name: 'title' },
      { name: 'price', type: 'Number' },
      ...[
        'currency',
        'description',
        'availability',
        'rating',
        'brand',
        'author',
        'datePublished',
        'location',
        'views',
      ].map((name) => ({ name })),
      { name: 'image', multiple: true },
    ],
  },
  'fields of items by name': {
    itemSelector: '.item',
    fields: [
      { name: 'name' },
      { name: 'price', type: 'Number' },
      { name: 'startDate' },
      { name: 'first', selector: '.f' },
    ],
  },
  items: {
    itemSelector: '.item',
    fields: [
      { name: 'first', selector: '.f' },
      { name: 'own', selector: ':scope > .f' },
      { name: 'within', selector: '.item .f', multiple: true },
    ],
  },
};

const never = new AbortController().signal;
let site: TestSite;
let http: Renderer;
let browser: Renderer;
let close: () => Promise<void>;

beforeAll(async () => {
  const paths = Object.values(PAGES).map((page, index) => [`/folder/${index}`, html(page)] as const);
  const pagers = Object.values(NEXT_PAGES).map(({ page }, index) => [`/pager/${index}`, html(page)] as const);
  site = await startSite(Object.fromEntries([...paths, ...pagers]));
  const guard = guardAllowing(`127.0.0.1:${site.port}`);
  const client = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 2 });
  http = createHttpRenderer(client);
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  const log = createLogger('test', 'fatal');
  browser = await createBrowserRenderer({ ...browserDefaults, executablePath, guard, userAgent: 'Tester/1.0', log });
  close = client.close;
});

afterAll(async () => {
  await browser.close();
  await close();
  await site[Symbol.asyncDispose]();
});

async function resultOf(renderer: Renderer, url: URL, extract: CrawlRunSpecInput['extract']) {
  const spec = crawlRunSpec.parse({
    sources: [{ name: 'site', urls: [url.href] }],
    ...(extract === undefined ? {} : { extract }),
  });
  const extraction = createExtraction(spec.extract);
  const result = await renderer.render(url, extraction.plan, 20_000, never);
  if (result.type !== 'page') throw new Error(`${url.href}: ${JSON.stringify(result)}`);
  return {
    ...extraction.itemsOf(result.page, url),
    text: mainText(result.page.html, url.href).text,
    links: absoluteLinks(result.page, url, 100).map((link) => link.href),
  };
}

describe.each(Object.keys(SPECS))('%s', (name) => {
  it.each(Object.keys(PAGES))('of %s', async (page) => {
    const url = site.url(`/folder/${Object.keys(PAGES).indexOf(page)}`);
    const [byHttp, byBrowser] = [await resultOf(http, url, SPECS[name]), await resultOf(browser, url, SPECS[name])];
    expect(byHttp).toEqual(byBrowser);
  });
});

it.each(Object.keys(NEXT_PAGES))('the next page %s', async (name) => {
  const { selector, next } = NEXT_PAGES[name] ?? {};
  const url = site.url(`/pager/${Object.keys(NEXT_PAGES).indexOf(name)}`);
  const followNext = selector === undefined ? {} : { selector };
  const [source] = crawlRunSpec.parse({
    sources: [{ name: 'site', urls: [url.href], limits: { followNext } }],
  }).sources;
  if (source === undefined) throw new Error('no source');
  const plan = planForSource(createExtraction(undefined).plan, source);
  const results = await Promise.all([http, browser].map((renderer) => renderer.render(url, plan, 20_000, never)));
  expect(results.map((result) => result.type === 'page' && result.page.next)).toEqual([next, next]);
});
