// Pages with more than is read or stored: what is cut is named by the facts of the request, and counted by the run.
import { randomUUID } from 'node:crypto';
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

type Page = { readonly answer: Answer; readonly http: readonly string[]; readonly browser: readonly string[] };

const HEAD = '<!doctype html><title>t</title><h1>Ready</h1>';
const times = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => part(i)).join('');
const sentence = 'Nets are made for calm water, and floats keep them up, as everybody knows. ';
const jsonLd = (value: unknown) => `<script type="application/ld+json">${JSON.stringify(value)}</script>`;
const things = (count: number) => Array.from({ length: count }, (_, i) => ({ '@type': 'Product', name: `p${i}` }));
const page = (body: string, cut: readonly string[], browser = cut): Page => ({
  answer: html(HEAD + body),
  http: cut,
  browser,
});

const shadow = (content: string) => `<div><template shadowrootmode=open>${content}</template></div>`;
/** With a hundred bytes behind it that do not belong to it, which are cut off. */
const unfinished = (html: string) =>
  Buffer.concat([gzipSync(html, { finishFlush: constants.Z_SYNC_FLUSH }), Buffer.alloc(100)]);

const broken =
  (coding: string, pack: (page: string) => Buffer): Answer =>
  (_, response) => {
    const whole = pack(`${HEAD}${times(10_000, (i) => `<i data-n="${i * 7919} ${i * 104_729}"></i>`)}`);
    const body = whole.subarray(0, whole.length - 100);
    response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': coding }).end(body);
  };

const PAGES: Record<string, Page> = {
  nothing: page(
    times(1_000, (i) => `<p class=f>${i}`),
    [],
  ),
  'a value too many': page(
    times(1_001, (i) => `<p class=f>${i}`),
    ['Values'],
  ),
  'a long attribute': page(`<b class=v data-v="${'x'.repeat(100_001)}"></b>`, ['Texts']),
  'a long text': page(`<select><option class=f>${'x '.repeat(50_001)}</select>`, ['Texts']),
  'a long text of blanks': page(`<select><option class=f>${'x    '.repeat(25_000)}y</select>`, []),
  'an image too many': page(
    times(1_001, (i) => `<img src="/${i}.png">`),
    ['Images'],
  ),
  'a long description of an image': page(`<img src="/i.png" alt="${'x'.repeat(1_001)}">`, ['Texts']),
  'a link too many': page(
    times(1_001, (i) => `<a href="/other/${i}">${i}</a> `),
    ['ItemLinks'],
  ),
  'a long JSON-LD': page(jsonLd({ '@type': 'Product', name: 'x'.repeat(1_000_000) }), ['StructuredData', 'MainText']),
  'a thing too many': page(jsonLd(things(1_001)), ['StructuredData']),
  'deep JSON-LD': page(
    jsonLd(JSON.parse(`${'['.repeat(200)}{"@type":"Product","brand":"deep"}${']'.repeat(200)}`)),
    [],
  ),
  'a long list': page(jsonLd({ '@type': 'ItemList', itemListElement: things(1_001) }), ['StructuredData']),
  'many values of a thing': page(jsonLd({ '@type': 'Product', brand: things(1_000) }), []),
  'a value of a thing too many': page(jsonLd({ '@type': 'Product', brand: things(1_001) }), ['StructuredData']),
  'a set with a value too many': page(jsonLd({ '@type': 'Product', brand: { '@set': things(1_001) } }), [
    'StructuredData',
  ]),
  'values in several lists': page(
    jsonLd({ '@type': 'ProductGroup', hasVariant: [1, 2].map(() => ({ '@type': 'Product', brand: things(600) })) }),
    ['StructuredData'],
  ),
  'a property too many': page(
    times(1_001, () => '<i itemprop=name>x</i>'),
    ['StructuredData'],
  ),
  'many parts of a thing': page(`<p itemscope itemref="${times(21, (i) => `i${i} `)}">x</p>`, ['StructuredData']),
  'a meta tag too many': page(
    times(1_001, (i) => `<meta name=m${i} content=x>`),
    ['MetaTags'],
  ),
  'shadow trees': page(
    times(1_000, () => shadow('<p class=s>x</p>')),
    [],
  ),
  // By HTTP, shadow trees are parts of one document.
  'shadow trees in many others': page(
    times(1_000, () => shadow(shadow('<p>x</p>'))),
    [],
    ['Frames'],
  ),
  'a form that posts itself for ever': page(
    `<form id=f method=post action="/posts"></form><script>document.querySelector('#f').submit()</script>`,
    [],
    ['FormPosts'],
  ),
  'a long main text': page(`<article>${times(400, () => `<p>${sentence.repeat(4)}</p>`)}</article>`, ['MainText']),
  'a long document': page(`<article><p>${sentence.repeat(9)}</article><!--${'x'.repeat(500_000)}-->`, ['MainText']),
  'a very long document': page(`<article><p>${sentence.repeat(9)}</article><!--${'x'.repeat(4_000_000)}-->`, [
    'MainText',
    'Html',
  ]),
  'many elements': page(`<article>${'<p>x</p>'.repeat(21_000)}</article>`, ['MainText']),
  // Some servers flush the last of it, and leave it at that.
  'a gzip body without its end': {
    answer: broken('gzip', (html) => unfinished(`${html}</html>\n<!-- cached -->\n`)),
    http: [],
    browser: [],
  },
  // Chromium shows what has come of it, and does not tell that there is more.
  'a gzip body that breaks off': { answer: broken('gzip', gzipSync), http: ['Body'], browser: [] },
  'a Brotli body that breaks off': { answer: broken('br', brotliCompressSync), http: ['Body'], browser: [] },
  'a zstd body that breaks off': { answer: broken('zstd', zstdCompressSync), http: ['Body'], browser: [] },
};

const paths = new Map(
  Object.keys(PAGES).map((what, index) => [what, what.startsWith('a form') ? '/posts' : `/${index}`]),
);
/** The first answer breaks off; the page has the same ETag when it is whole. */
let isBroken = true;
const taggedPage: Answer = (request, response) => {
  if (request.headers['if-none-match'] !== undefined) return void response.writeHead(304).end();
  const body = gzipSync(
    `${HEAD}${times(10_000, (i) => `<i data-n="${i * 7919} ${i * 104_729}"></i>`)}<p class=f>the end`,
  );
  const headers = { 'content-type': 'text/html', 'content-encoding': 'gzip', etag: '"1"' };
  response.writeHead(200, headers).end(isBroken ? body.subarray(0, -100) : body);
};

let site: TestSite;
let database: CrawlDatabase;

beforeAll(async () => {
  const answers = Object.entries(PAGES).map(([what, { answer }]) => [paths.get(what) ?? '', answer] as const);
  site = await startSite({ ...Object.fromEntries(answers), '/tagged': taggedPage });
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const spec = (render: 'HTTP' | 'Browser', pages: Iterable<string> = paths.values()): CrawlRunSpecInput => ({
  sources: [{ name: 's', urls: Array.from(pages, (path) => site.url(path).href), scope: { mode: 'Page' } }],
  fetch: { render, maxRetries: 0 },
  politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
  extract: {
    fields: [
      { name: 'heading', selector: 'h1' },
      { name: 'all', selector: '.f', multiple: true },
      { name: 'shadowed', selector: '.s', multiple: true },
      { name: 'attribute', selector: '.v', attribute: 'data-v' },
      { name: 'brand' },
    ],
    images: true,
    links: true,
    text: true,
  },
});

describe.each(['HTTP', 'Browser'] as const)('in render mode %s', (render) => {
  it('what is cut of a page is told', { timeout: 120_000 }, async () => {
    await using run = await database.accept(spec(render));
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    expect(await worker.ended).toBe(EXIT_CODE.finished);
    const cut = new Map(
      worker.lines.filter(({ msg }) => msg.startsWith('page ')).map(({ url, truncated }) => [String(url), truncated]),
    );
    const wanted = Object.entries(PAGES).map(([what, { http, browser }]) => [what, render === 'HTTP' ? http : browser]);
    const seen = Object.keys(PAGES).map((what) => [what, cut.get(site.url(paths.get(what) ?? '').href) ?? []]);
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(wanted));
    const { partialPages, progress } = await run.snapshot();
    expect(progress).toMatchObject({ succeeded: Object.keys(PAGES).length });
    expect(partialPages).toEqual({ Truncated: wanted.filter(([, names]) => names?.length !== 0).length });
  });
});

it('a page that broke off is read anew by the next run of its schedule', { timeout: 120_000 }, async () => {
  const scheduleUid = randomUUID();
  const counts: unknown[] = [];
  for (isBroken of [true, false]) {
    await using run = await database.accept(spec('HTTP', ['/tagged']), { scheduleUid });
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    expect(await worker.ended).toBe(EXIT_CODE.finished);
    const [item] = await run.items();
    counts.push([(await run.snapshot()).partialPages, item?.data['all']]);
  }
  expect(counts).toEqual([
    [{ Truncated: 1 }, []],
    [{}, ['the end']],
  ]);
});
