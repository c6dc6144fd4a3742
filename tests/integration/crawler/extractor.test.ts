// The extractor process: modules that work, and every way in which one can misbehave.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Extractor, startExtractor } from '#src/crawler/extraction/extractor.ts';
import type { ExtractorJob } from '#src/crawler/extraction/extractor-messages.ts';
import { CrawlError } from '#src/crawler/failure.ts';
import { createLogger } from '#src/telemetry/logger.ts';

const log = createLogger('test', 'fatal');
const never = new AbortController().signal;
const HTML = '<!doctype html><title>Net</title><article><p>Nets are made for calm water.</p></article>';

let directory: string;
let extractor: Extractor;

/** What it does depends on the page, so that one process sees it all. */
const MODULE = `
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
let pages = 0;
const tried = (what) => { try { what(); return 'done'; } catch (error) { return error.code; } };
const cases = {
  '/item': ({ url, html, document, items, response }) =>
    [{ url, length: html.length, title: document.querySelector('title').textContent, items, response }],
  '/links': async () => ({ items: [{ a: 1 }], links: ['/next'] }),
  '/pages': () => [{ pages: ++pages }],
  '/throw': () => { throw new RangeError('no such net'); },
  '/throw-nothing': () => { throw undefined; },
  '/reject': async () => { await undefined; throw new Error('later'); },
  '/loop': () => { for (;;); },
  '/wait': () => new Promise(() => {}),
  '/exit': () => process.exit(0),
  '/memory': () => { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); },
  '/nothing': () => undefined,
  '/text': () => 'text',
  '/numbers': () => [1, 2],
  '/cycle': () => { const item = {}; item.item = item; return [item]; },
  '/bigint': () => [{ value: 1n }],
  '/many': () => Array.from({ length: 1_001 }, () => ({})),
  '/large': () => [{ text: 'x'.repeat(5_000_000) }],
  '/environment': () => [{ names: Object.keys(process.env), arguments: process.argv.slice(3) }],
  '/harm': () => [{
    read: tried(() => readFileSync(SECRET)),
    environment: tried(() => readFileSync('/proc/' + process.ppid + '/environ')),
    write: tried(() => writeFileSync(SECRET + '.new', '')),
    spawn: tried(() => spawnSync('id')),
    thread: tried(() => new Worker('', { eval: true })),
  }],
};
export default (page) => cases[new URL(page.url).pathname](page);
`;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'trawler-extractor-'));
  const secret = path.join(directory, 'token');
  await writeFile(secret, 'secret');
  extractor = await startExtractor(
    { modulePath: await moduleOf(`const SECRET = ${JSON.stringify(secret)};${MODULE}`) },
    log,
  );
});

afterAll(async () => {
  await extractor?.close();
  await rm(directory, { recursive: true });
});

/** Each in a folder of its own: a module may read what lies beside it. */
async function moduleOf(text: string): Promise<string> {
  const file = path.join(await mkdtemp(path.join(directory, 'module-')), 'module.mjs');
  await writeFile(file, text);
  return file;
}

function extract(pathname: string, timeoutMs = 20_000, more: Partial<ExtractorJob> = {}, signal = never) {
  const job = { url: `http://shop.example${pathname}`, html: HTML, items: [], wantsText: false, response: {}, ...more };
  return extractor.extract(job, timeoutMs, signal);
}

async function failureOf(result: Promise<unknown>) {
  const error: unknown = await result.then(
    () => undefined,
    (error: unknown) => error,
  );
  return error instanceof CrawlError ? error.failure : error;
}

describe('a module', () => {
  it('is given the page and what was found, and gives items', async () => {
    const more = { items: [{ price: 1 }], response: { status: 200, contentType: 'text/html' } };
    expect(await extract('/item', 20_000, more)).toEqual({
      items: [{ url: 'http://shop.example/item', length: HTML.length, title: 'Net', ...more }],
      links: [],
    });
  });

  it('may give links', async () => {
    expect(await extract('/links')).toEqual({ items: [{ a: 1 }], links: ['/next'] });
  });

  it('keeps its state from page to page, and sees the main text among the items', async () => {
    const [first, second] = await Promise.all([extract('/pages'), extract('/pages')]);
    expect([first, second]).toEqual([
      { items: [{ pages: 1 }], links: [] },
      { items: [{ pages: 2 }], links: [] },
    ]);
    expect(await extract('/item', 20_000, { items: [{}], wantsText: true })).toMatchObject({
      items: [{ items: [{ text: 'Nets are made for calm water.' }] }],
    });
  });
});

describe('a module that fails', () => {
  it.each([
    ['/throw', 'the extractor failed: RangeError: no such net'],
    ['/throw-nothing', 'the extractor failed: undefined'],
    ['/reject', 'the extractor failed: Error: later'],
    ['/unknown', 'the extractor failed: TypeError: cases'],
    ['/nothing', 'the extractor failed: TypeError: the extractor returned nothing'],
    ['/text', 'the extractor must return a list of items, or { items, links }'],
    ['/numbers', 'the extractor must return a list of items, or { items, links }'],
    ['/cycle', 'the extractor failed: TypeError: Converting circular structure'],
    ['/bigint', 'the extractor failed: TypeError: Do not know how to serialize a BigInt'],
    ['/many', 'the extractor must return a list of items, or { items, links }'],
    ['/large', 'characters of JSON, and 4000000 are allowed'],
    ['/exit', 'the extractor process ended'],
    ['/memory', 'the extractor process ended'],
  ])('at %s fails its page with the reason', async (pathname, message) => {
    expect(await failureOf(extract(pathname))).toMatchObject({
      cause: 'ExtractionError',
      message: expect.stringContaining(message),
      retryable: false,
    });
    expect(await extract('/links')).toEqual({ items: [{ a: 1 }], links: ['/next'] });
  });

  it.each(['/loop', '/wait'])(
    'at %s is ended with the time of its page, and the next page is read',
    async (pathname) => {
      const [late, next] = await Promise.all([failureOf(extract(pathname, 300)), extract('/links')]);
      expect(late).toEqual({ cause: 'Timeout', message: 'the extractor took more than 300 ms', retryable: true });
      expect(next).toEqual({ items: [{ a: 1 }], links: ['/next'] });
    },
  );

  it('is ended when the crawl is', async () => {
    const stop = new AbortController();
    const [first, waiting] = [extract('/loop', 60_000, {}, stop.signal), extract('/loop', 60_000, {}, stop.signal)];
    const both = Promise.all([failureOf(first), failureOf(waiting)]);
    stop.abort(new Error('stop'));
    expect(await both).toEqual([new Error('stop'), new Error('stop')]);
  });
});

describe('a module cannot', () => {
  it('read the environment of the worker', async () => {
    expect(await extract('/environment')).toEqual({ items: [{ names: [], arguments: [] }], links: [] });
  });

  it('read other files, write, or start anything', async () => {
    const refused = 'ERR_ACCESS_DENIED';
    expect(await extract('/harm')).toEqual({
      items: [{ read: refused, environment: refused, write: refused, spawn: refused, thread: refused }],
      links: [],
    });
  });
});

describe('a module that cannot be loaded', () => {
  it.each([
    ['is missing', '/nowhere/x.mjs', 'there is no /nowhere/x.mjs'],
    ['is no JavaScript', 'export default (', 'SyntaxError'],
    ['exports nothing', 'export const extract = () => [];', 'no function as its default export'],
    ['throws', 'throw new Error("at once");', 'Error: at once'],
    ['ends the process', 'process.exit(0);', 'it ended, or took too long'],
  ])('because it %s is refused', async (_what, text, message) => {
    const modulePath = text.startsWith('/') ? text : await moduleOf(text);
    await expect(startExtractor({ modulePath }, log)).rejects.toThrow(message);
  });
});
