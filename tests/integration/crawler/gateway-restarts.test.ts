// Gateways that are replaced under load, as by a rollout or a drained node: no page is lost, and none is asked for twice.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGatewayProcesses } from '../../support/gateway-processes.ts';
import { manualFiles, walkFiles } from '../../support/manual-pages.ts';
import { startNginx } from '../../support/nginx.ts';
import { type CrawlDatabase, startCrawlDatabase, until } from './fixture.ts';

const never = new AbortController().signal;
const WORKERS = 3;
const GATEWAYS = 2;
/** Each gateway is replaced twice. */
const RESTARTS = 2 * GATEWAYS;
/** Less than a quarter of the pages are done in the time of one restart. */
const PAGES_A_SECOND = 25;

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database?.[Symbol.asyncDispose]());

it('costs no page and no second request', { timeout: 600_000 }, async () => {
  const root = await manualFiles();
  const reference = Object.keys(walkFiles(root));
  await using site = await startNginx(root);
  await using run = await database.accept({
    sources: [{ name: 'manual', urls: [`${site.origin}/index.html`], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: PAGES_A_SECOND },
    limits: { maxPages: 100_000 },
    workers: WORKERS,
  });
  await using gateways = await startGatewayProcesses(GATEWAYS, {
    TRAWLER_DATABASE_URL: await database.store.gatewayDatabaseUrl(never),
  });
  const start = () =>
    run.startWorker({
      TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`,
      TRAWLER_GATEWAY_URL: gateways.url,
    });
  const workers = Array.from({ length: WORKERS }, start);
  for (let restart = 1; restart <= RESTARTS; restart++) {
    const enough = (reference.length * restart) / (RESTARTS + 2);
    await until('the next restart', async () => (await site.accesses()).length >= enough);
    expect(await gateways.replaceOldest('SIGTERM')).toBe(0);
  }
  expect((await site.accesses()).length, 'the crawl was over before the last restart').toBeLessThan(reference.length);
  expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual(workers.map(() => 0));

  expect(await run.snapshot()).toMatchObject({ state: 'Finished', outcome: 'Succeeded', failureCauses: {} });
  expect((await run.items()).map(({ url }) => url).sort()).toEqual(
    reference.map((path) => `${site.origin}/${path}`).sort(),
  );
  const asked = (await site.accesses()).map(({ path }) => path).filter((path) => path !== '/robots.txt');
  expect(asked.sort()).toEqual(reference.map((path) => `/${path}`).sort());
});
