// Any document means the same to the parser of render mode HTTP and to Chromium: links, fields, images, structured data.
import fc from 'fast-check';
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { pageScript, parseRawPage } from '#src/crawler/browser/page-script.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import type { PagePlan } from '#src/crawler/html/page-plan.ts';
import type { RawPage } from '#src/crawler/html/raw-page.ts';
import { baseUrlOf } from '#src/crawler/urls/base-url.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const PAGE_URL = 'https://site.example/';

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium() ?? '' });
  page = await browser.newPage();
  await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body: '' }));
  await page.goto(PAGE_URL);
});
afterAll(() => browser.close());

const { plan } = createExtraction(
  crawlRunSpec.parse({
    sources: [{ name: 'site', urls: ['https://site.example/'] }],
    extract: {
      itemSelector: 'body, .item, li',
      fields: [
        { name: 'title' },
        { name: 'price' },
        { name: 'first', selector: '.f' },
        { name: 'children', selector: ':scope > *', multiple: true },
        { name: 'cells', selector: 'table > tbody > tr > td', multiple: true },
        { name: 'last', selector: ':last-child, p + *', multiple: true },
        { name: 'value', selector: '[data-v]', attribute: 'data-v', multiple: true },
      ],
      images: true,
      links: true,
    },
  }).extract,
);

/** Written into the page and read in one go. */
async function inChromium(html: string, wanted: PagePlan): Promise<RawPage> {
  const write = `document.open(); document.write(${JSON.stringify(html)}); document.close();`;
  return parseRawPage(await page.evaluate(`(() => { ${write} return ${pageScript(wanted, 'site.example')} })()`));
}

/** A browser names the whole address that references are relative to, and a text what it says of it. */
function withWholeBase(raw: RawPage): RawPage {
  return { ...raw, base: baseUrlOf(raw.base, new URL(PAGE_URL)) };
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const words = fc.oneof(
  fc.string({ maxLength: 12 }).map(escaped),
  fc.constantFrom('&nbsp;', '&copy;', '&#x20ac;', '&#128512;', ' \n\t ', 'é', '漢字', '<!-- a > b -->'),
);
const text = fc.array(words, { maxLength: 3 }).map((parts) => parts.join(''));

const value = fc.oneof(fc.webUrl().map(escaped), fc.constantFrom('/a', '?b=1&amp;c', '#d', '', 'e f'), text);
const attribute = fc.oneof(
  fc.tuple(fc.constantFrom('class', 'CLASS'), fc.constantFrom('f', 'item', 'f item', 'x')),
  fc.tuple(fc.constantFrom('data-v', 'title', 'id', 'itemtype'), value),
  fc.tuple(fc.constant('itemprop'), fc.constantFrom('name', 'price', 'name price')),
  fc.constant(['itemscope', ''] as const),
);
const attributes = fc
  .uniqueArray(attribute, { maxLength: 3, selector: ([name]) => name.toLowerCase() })
  .map((pairs) => pairs.map(([name, content]) => ` ${name}="${content.replaceAll(/<!--.*?-->/g, '')}"`).join(''));

function element(name: fc.Arbitrary<string>, content: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(name, attributes, content).map(([tag, attrs, inner]) => `<${tag}${attrs}>${inner}</${tag}>`);
}

const several = (content: fc.Arbitrary<string>) => fc.array(content, { maxLength: 3 }).map((parts) => parts.join(''));

/** Content of a document whose every element is closed and stands where HTML allows it. */
const { flow } = fc.letrec<{ phrase: string; plain: string; block: string; flow: string }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.constantFrom(
      '<br>',
      '<img src="/i.png" alt="i">',
      '<IMG data-src=/j.png>',
      '<img><noscript><img src=/k.png?a&amp;b></noscript>',
      '<wbr>',
    ),
    element(fc.constantFrom('b', 'i', 'span', 'em', 'code', 'EM', 'x-y'), several(tie('plain'))),
  ),
  phrase: fc.oneof(
    { maxDepth: 4 },
    tie('plain'),
    fc
      .tuple(value, several(tie('plain')))
      .map(([href, inner]) => `<a href="${href.replaceAll(/<!--.*?-->/g, '')}">${inner}</a>`),
    fc.constant('<a rel="nofollow next" href=/n>n</a>'),
  ),
  block: fc.oneof(
    { maxDepth: 5 },
    element(fc.constantFrom('p', 'h1', 'h2', 'h3'), several(tie('phrase'))),
    element(fc.constantFrom('div', 'section', 'article', 'blockquote'), tie('flow')),
    element(fc.constantFrom('ul', 'ol'), several(element(fc.constant('li'), tie('flow')))),
    element(fc.constant('dl'), several(element(fc.constantFrom('dt', 'dd'), tie('flow')))),
    element(
      fc.constant('table'),
      several(element(fc.constant('tr'), several(element(fc.constantFrom('td', 'th'), tie('flow'))))),
    ),
    element(
      fc.constantFrom('script', 'style', 'template', 'noscript'),
      fc.constantFrom('', 'var a = 1;', '.f { top: 0 }'),
    ),
  ),
  flow: several(fc.oneof(tie('block'), tie('phrase'))),
}));

const head = several(
  fc.constantFrom(
    '<title>A &amp; B</title>',
    '<base href="/deep/">',
    '<meta name="description" content="d">',
    '<meta property="og:title" content="&quot;t&quot;">',
    '<meta name="robots" content="noindex">',
    '<link rel="canonical" href="/c">',
    '<script type="application/ld+json">{"@type":"Product","name":"</b>&amp;"}</script>',
  ),
);
const document = fc
  .tuple(head, flow)
  .map(([inHead, inBody]) => `<!doctype html><html><head>${inHead}</head><body>${inBody}</body></html>`);

it('reads well-formed documents as Chromium does', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(document, async (html) => {
      expect(withWholeBase(readHtml(html, plan))).toEqual(await inChromium(html, plan));
    }),
    { numRuns: 300 },
  );
});

const inBody = (body: string) => `<!doctype html><html><head></head><body>${body}</body></html>`;

it.each([
  ['links in links', '<a href=/1>a<a href=/2><b class=f>b</b></a></a>'],
  ['what is only closed', '<div>a</p><b class=f>b</b></div>'],
  ['inline elements that overlap', '<b>a<i class=f>b</b>c</i>'],
  ['what may not stand in a table', '<table><div class=f>a</div><tr><td>b</td></tr></table>'],
])('reads %s as Chromium does', async (_, body) => {
  expect(withWholeBase(readHtml(inBody(body), plan))).toEqual(await inChromium(inBody(body), plan));
});
