// Exact and polite whatever dies: the PostgreSQL manual, served by nginx, crawled by three worker processes of which one
// is killed every five seconds. What was stored is compared with the files, what was asked for with nginx's log.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { manualFiles, walkFiles } from '../../support/manual-pages.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, until } from './fixture.ts';

const never = new AbortController().signal;
const WORKERS = 3;
const KILLS = 20;
const KILL_EVERY_MS = 5_000;
const CONCURRENCY = 4;
/** 1,169 pages take longer than 20 kills, and not much longer. */
const DELAY_MS = 100;

let database: CrawlDatabase;
let root: string;
let site: Nginx;

beforeAll(async () => {
  root = await manualFiles();
  [database, site] = await Promise.all([startCrawlDatabase(), startNginx(root)]);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** Kills one worker after the other, each replaced as the Job would; the codes with which those that lived ended. */
async function crawlWithKills(run: TestRun): Promise<readonly (number | NodeJS.Signals)[]> {
  const start = () =>
    run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`, TRAWLER_LOG_LEVEL: 'info' });
  const workers = Array.from({ length: WORKERS }, start);
  const began = performance.now();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await until('the next kill', () => performance.now() - began >= kill * KILL_EVERY_MS);
    const victim = workers.shift();
    if (victim === undefined) throw new Error('no worker left');
    victim.process.kill('SIGKILL');
    expect(await victim.ended, 'the crawl was over before the last kill').toBe('SIGKILL');
    // The operator sees that the pod is gone; every third time it is away, and the leases have to run out.
    if (kill % 3 !== 0) await database.store.releaseWorker(run.runId, victim.workerId, never);
    workers.push(start());
  }
  return Promise.all(workers.map((worker) => worker.ended));
}

it('stores every page once and keeps the spacing while workers are killed', { timeout: 400_000 }, async () => {
  await using run = await database.accept({
    sources: [{ name: 'manual', urls: [`${site.origin}/index.html`], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 1_000 / DELAY_MS },
    limits: { maxPages: 100_000 },
    concurrency: CONCURRENCY,
    workers: WORKERS,
    heartbeat: { interval: '1s' },
  });

  expect(await crawlWithKills(run)).toEqual(Array.from({ length: WORKERS }, () => 0));

  const reference = Object.entries(walkFiles(root));
  const snapshot = await run.snapshot();
  expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Succeeded', failureCauses: {} });
  expect(snapshot.progress).toMatchObject({
    queued: 0,
    leased: 0,
    failed: 0,
    succeeded: reference.length,
    items: reference.length,
  });
  const stored = (await run.items()).map(({ url, data }) => [url, data['title'], data['heading'] || null]);
  expect(stored.sort()).toEqual(
    reference.map(([path, [title, heading]]) => [`${site.origin}/${path}`, title, heading]).sort(),
  );

  const accesses = await site.accesses();
  const timesAsked = [...Map.groupBy(accesses, ({ path }) => path)].map(
    ([path, times]) => [path, times.length] as const,
  );
  expect(timesAsked.filter(([, times]) => times > 1 + KILLS * CONCURRENCY)).toEqual([]);
  // At each kill: what was under way, what waited for its commit, and what was being committed; and robots.txt.
  expect(accesses.length).toBeLessThanOrEqual(reference.length + 1 + KILLS * (3 * CONCURRENCY + 1));
  const gaps = accesses.slice(1).map(({ time, path }, index) => ({ path, ms: time - (accesses[index]?.time ?? time) }));
  expect(gaps.filter(({ ms }) => ms < 0.8 * DELAY_MS)).toEqual([]);
});
