// Pages that only the fragment of their URL tells apart, as those of single-page applications.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { html, startSite } from './site.ts';

let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Each route shows its name and links to the next ones; `#part` is a place on the page. */
const APPLICATION = html(`<title>app</title><div id=app></div><script>
  const route = location.hash || '#/start';
  document.title = 'route ' + route;
  const routes = { '#/start': ['#/a', '#!b', '#part'], '#/a': ['#/a/1', '#/start'], '#!b': ['#/a'] };
  document.querySelector('#app').innerHTML = (routes[route] ?? []).map((to) => '<a href="' + to + '">x</a>').join('');
</script>`);

it.each([
  [
    'Auto',
    'Browser',
    [
      '/app: route #/start',
      '/app#!b: route #!b',
      '/app#/a/1: route #/a/1',
      '/app#/a: route #/a',
      '/app#/start: route #/start',
    ],
  ],
  ['Drop', 'Browser', ['/app: route #/start']],
  ['Auto', 'HTTP', ['/app: app']],
] as const)('are crawled as fragments: %s says, by %s', { timeout: 120_000 }, async (fragments, render, expected) => {
  await using site = await startSite({ '/app': APPLICATION });
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [`${site.origin}/app`], scope: { mode: 'Host', fragments } }],
    fetch: { render },
    politeness: { requestsPerSecond: 10_000 },
    concurrency: 1,
    heartbeat: { interval: '1s' },
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(0);
  const seen = (await run.items()).map(({ url, data }) => `${url.replace(site.origin, '')}: ${data['title']}`);
  expect(seen.sort()).toEqual([...expected].sort());
  expect(await run.snapshot()).toMatchObject({ outcome: 'Succeeded' });
});
