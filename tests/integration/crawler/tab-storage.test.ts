// Pages that keep in the tab what they have done, and go elsewhere without it: a visit goes on in the tab in which it was redirected.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite } from './site.ts';

const PATIENT = { timeout: 180_000 };
const COUNT = 12;
const numbers = Array.from({ length: COUNT }, (_, number) => String(number));
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** What a page does that comes without its mark; `mark` sets it. */
const GUARDS: Record<string, (number: string, mark: string) => string> = {
  'is loaded again': (_, mark) => `${mark}; location.reload()`,
  'goes to itself': (_, mark) => `${mark}; location.replace(location.href)`,
  'is loaded again later': (_, mark) => `setTimeout(() => { ${mark}; location.reload() }, 30)`,
  'is sent through a page that sets the mark': (number) => `location.replace('/mark/${number}')`,
};

it.each(Object.keys(GUARDS))('a page that %s unless the tab says that it was', PATIENT, async (name) => {
  const page = (number: string): Answer => {
    const mark = `sessionStorage.setItem('seen${number}', 1)`;
    const others = numbers.map((other) => `<a href="/p/${other}">${other}</a>`).join('');
    return html(`<title>t</title><div id=app></div><script>
      if (sessionStorage.getItem('seen${number}') === null) { ${GUARDS[name]?.(number, mark)} }
      else document.querySelector('#app').innerHTML = '<h1>${number}</h1>${others}';
    </script>`);
  };
  const marking = (number: string): Answer =>
    html(`<script>sessionStorage.setItem('seen${number}', 1); location.replace('/p/${number}')</script>`);
  await using site = await startSite({
    '/': html(`<title>t</title>${numbers.map((number) => `<a href="/p/${number}">${number}</a>`).join('')}`),
    ...Object.fromEntries(numbers.map((number) => [`/p/${number}`, page(number)])),
    ...Object.fromEntries(numbers.map((number) => [`/mark/${number}`, marking(number)])),
  });
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    fetch: { render: 'Browser' },
    extract: { fields: [{ name: 'number', selector: 'h1' }] },
    politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
    concurrency: 4,
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(0);
  const found = (await run.items()).map(({ data }) => String(data['number'])).sort();
  expect(found).toEqual([...numbers].sort());
});
