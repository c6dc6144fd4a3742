// Pages that load themselves again by a script: what they show in the end is the page, as in a browser.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const READY = '<title>t</title><h1>Ready</h1>';
const scripted = (script: string): Answer => html(`${READY}<script>${script}</script>`);
/** Tabs are used for several pages, and keep what each has stored. */
const untilTimes = (times: number, go: string) =>
  html(`<title>t</title><div></div><script>
    const name = location.pathname, n = Number(sessionStorage.getItem(name) ?? 0);
    if (n === ${times}) document.querySelector('div').innerHTML = '<h1>Ready</h1>';
    else { sessionStorage.setItem(name, n + 1); ${go} }
  </script>`);

/** The second answer is another one: the first sets a cookie and is loaded again. */
const then =
  (second: Answer, first = '<h1>First</h1>', waitMs = 0): Answer =>
  (request, response) => {
    if (request.headers.cookie?.includes('again=1')) return second(request, response);
    const again = waitMs === 0 ? 'location.reload()' : `setTimeout(() => location.reload(), ${waitMs})`;
    html(`<title>t</title>${first}<script>document.cookie = 'again=1; path=${request.url}'; ${again}</script>`)(
      request,
      response,
    );
  };
const file: Answer = (_, response) =>
  void response
    .writeHead(200, { 'content-type': 'application/pdf', 'content-disposition': 'attachment' })
    .end('%PDF-1.7');
const nothing: Answer = (_, response) => void response.writeHead(204).end();
const xhtml: Answer = (_, response) =>
  void response
    .writeHead(200, { 'content-type': 'application/foo+xml' })
    .end(`<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body><h1>Ready</h1></body></html>`);
const unmodified: Answer = (request, response) => {
  const headers = { 'content-type': 'text/html', etag: '"1"' };
  if (request.headers['if-none-match'] !== undefined) return void response.writeHead(304, headers).end();
  const once = `if (!sessionStorage.same) { sessionStorage.same = 1; location.reload() }`;
  response.writeHead(200, headers).end(`${READY}<script>${once}</script>`);
};

/** `times`: how often the page is asked for. */
const PAGES: Record<string, { readonly answer: Answer; readonly times: number; readonly end?: string }> = {
  once: { answer: untilTimes(1, 'location.reload()'), times: 2 },
  'twice while it loads': { answer: untilTimes(2, 'location.reload()'), times: 3 },
  'twice after it has loaded': { answer: untilTimes(2, 'setTimeout(() => location.reload(), 100)'), times: 3 },
  'twice by its address': { answer: untilTimes(2, 'location.href = location.href'), times: 3 },
  'by its history': { answer: untilTimes(1, 'history.go(0)'), times: 2 },
  'by a form': {
    answer: untilTimes(
      1,
      'document.documentElement.append(document.createElement("form")); document.forms[0].submit()',
    ),
    times: 2,
  },
  'for ever': { answer: scripted('location.reload()'), times: 6 },
  'for ever after a while': { answer: scripted('setTimeout(() => location.reload(), 200)'), times: 6 },
  'by <meta>, for ever': { answer: html(`<meta http-equiv=refresh content=0>${READY}`), times: 1 },
  'by a script and by <meta>': {
    answer: then(html(`<meta http-equiv=refresh content=1>${READY}`), '<meta http-equiv=refresh content=1>'),
    times: 2,
  },
  'for a file': { answer: then(file, '<h1>Ready</h1>', 100), times: 2 },
  'for nothing': { answer: then(nothing, '<h1>Ready</h1>', 100), times: 2 },
  'for XHTML of an odd type': { answer: then(xhtml), times: 2 },
  'for the same version': { answer: unmodified, times: 2 },
  'for a page that goes on': {
    answer: then(html(`<script>location.replace('/elsewhere')</script>`)),
    times: 2,
    end: 'Redirected',
  },
  'for a redirect': {
    answer: then((_, response) => void response.writeHead(302, { location: '/elsewhere' }).end()),
    times: 2,
    end: 'Redirected',
  },
  'for a failure': { answer: then(html('broken', {}, 500)), times: 2, end: 'HttpError' },
};
const pathOf = (what: string) => `/${what.replace(/[^a-z]+/gi, '-')}`;

let site: TestSite;
let database: CrawlDatabase;
beforeAll(async () => {
  const answers = Object.entries(PAGES).map(([what, { answer }]) => [pathOf(what), answer] as const);
  site = await startSite({ ...Object.fromEntries(answers), '/elsewhere': html(READY) });
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

it('a page that loads itself again is what it shows in the end', { timeout: 180_000 }, async () => {
  const urls = Object.keys(PAGES).map((what) => site.url(pathOf(what)).href);
  await using run = await database.accept({
    sources: [{ name: 's', urls, scope: { mode: 'Page' } }],
    fetch: { render: 'Browser', maxRetries: 0 },
    politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
    extract: { fields: [{ name: 'heading', selector: 'h1' }] },
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(EXIT_CODE.finished);
  const items = new Map((await run.items()).map(({ url, data }) => [new URL(url).pathname, data['heading']]));
  const ends = new Map(worker.lines.map(({ url, reason, cause }) => [String(url), reason ?? cause]));
  const seen = Object.keys(PAGES).map((what) => {
    const times = site.requests.filter((path) => path.replace(/\?.*/, '') === pathOf(what)).length;
    return [what, items.get(pathOf(what)) ?? ends.get(site.url(pathOf(what)).href), times];
  });
  expect(seen).toEqual(Object.entries(PAGES).map(([what, { times, end = 'Ready' }]) => [what, end, times]));
});
