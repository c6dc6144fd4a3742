// What gets into the frontier: whole workers against real sites and a real PostgreSQL, and what the status says.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestWorker } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 180_000 };

type Source = CrawlRunSpecInput['sources'][number];
type Crawled = {
  readonly snapshot: RunSnapshot;
  /** Of the pages that items came from, in order. */
  readonly paths: readonly string[];
  readonly worker: TestWorker;
};

/** Crawls the site with one worker to its end. */
async function crawl(site: TestSite, source: Partial<Source>, more: Partial<CrawlRunSpecInput> = {}): Promise<Crawled> {
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' }, ...source }],
    politeness: { requestsPerSecond: 10_000, ...more.politeness },
    concurrency: 4,
    heartbeat: { interval: '1s' },
    ...more,
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(0);
  const paths = (await run.items()).map((item) => String(item.data['url']).replace(site.origin, ''));
  return { snapshot: await run.snapshot(), paths: paths.sort(), worker };
}

const links = (...paths: string[]) => html(paths.map((path) => `<a href="${path}">x</a>`).join(''));

describe('links', PATIENT, () => {
  it('are followed as deep as the source says; what lies beyond is counted', async () => {
    await using site = await startSite({
      '/': links('/a', '/b'),
      '/a': links('/', '/a/1', '/a/2'),
      '/b': links('/a', '/a/1', '/b/1'),
    });
    const { snapshot, paths } = await crawl(site, { limits: { maxDepth: 1 } });
    expect(paths).toEqual(['/', '/a', '/b']);
    expect(site.requests).toHaveLength(4);
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', skipReasons: { MaxDepth: 3 } });
    expect(snapshot.progress).toMatchObject({ total: 3, succeeded: 3, skipped: 0 });
  });

  it('that no URL may be as long as, or beyond the bound of a page, are counted', async () => {
    const many = Array.from({ length: 10_005 }, (_, number) => `<a href="#${number}">x</a>`).join('');
    await using site = await startSite({ '/': html(`<a href="/${'x'.repeat(3_000)}">x</a>${many}`) });
    const { snapshot } = await crawl(site, {});
    expect(snapshot.skipReasons).toEqual({ UrlTooLong: 1, TooManyLinks: 6 });
  });
});

describe('items', PATIENT, () => {
  it('are taken up to the most of a page', async () => {
    await using site = await startSite({ '/': html('<p><b>1</b><p><b>2</b><p><b>3</b><p><b>4</b>') });
    const extract = { itemSelector: 'p', fields: [{ name: 'text', selector: 'b' }] };
    const { snapshot } = await crawl(site, { limits: { maxItemsPerPage: 3 } }, { extract });
    expect(snapshot.progress).toMatchObject({ succeeded: 1, items: 3 });
  });
});
