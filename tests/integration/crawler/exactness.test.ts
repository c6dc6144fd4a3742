// Exact and polite whatever dies: the PostgreSQL manual, served by nginx, crawled by three worker processes of which one
// is killed every five seconds, and then with the gateways and PostgreSQL dying, too. What was stored is compared with the files,
// what was asked for with nginx's log.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GatewayProcesses, startGatewayProcesses } from '../../support/gateway-processes.ts';
import { manualFiles, walkFiles } from '../../support/manual-pages.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { notedSends, notingSends } from '../../support/noted-sends.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';

const never = new AbortController().signal;
const WORKERS = 3;
const GATEWAYS = 2;
const KILLS = 20;
const KILL_EVERY_MS = 5_000;
const CONCURRENCY = 4;
/** 1,169 pages take longer than 20 kills, and not much longer. */
const DELAY_MS = 100;
/** The kills after which PostgreSQL crashes. */
const CRASHES: readonly number[] = [7, 14];

let database: CrawlDatabase;
let root: string;
let folder: string;

beforeAll(async () => {
  root = await manualFiles();
  folder = await mkdtemp(join(tmpdir(), 'trawler-exactness-'));
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

type Deaths = { readonly gateways?: GatewayProcesses; readonly crashes: readonly number[] };

/** Kills one worker after the other, each replaced as the Job would; the codes with which those that lived ended. */
async function crawlWithKills(
  run: TestRun,
  start: () => TestWorker,
  { gateways, crashes }: Deaths,
): Promise<readonly (number | NodeJS.Signals)[]> {
  const workers = Array.from({ length: WORKERS }, start);
  const began = performance.now();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const due = (part: number) => performance.now() - began >= (kill - part) * KILL_EVERY_MS;
    if (gateways !== undefined) {
      await until('the next kill of a gateway', () => due(0.5));
      expect(await gateways.replaceOldest('SIGKILL')).toBe('SIGKILL');
    }
    await until('the next kill', () => due(0));
    const victim = workers.shift();
    if (victim === undefined) throw new Error('no worker left');
    victim.process.kill('SIGKILL');
    expect(await victim.ended, 'the crawl was over before the last kill').toBe('SIGKILL');
    // The operator sees that the pod is gone; every third time it is away, and the leases have to run out.
    if (kill % 3 !== 0) await database.store.releaseWorker(run.runId, victim.workerId, never);
    workers.push(start());
    if (crashes.includes(kill)) await database.server.crashAndRestart();
  }
  return Promise.all(workers.map((worker) => worker.ended));
}

const specFor = ({ origin }: Nginx) => ({
  sources: [{ name: 'manual', urls: [`${origin}/index.html`], scope: { mode: 'Host' as const } }],
  politeness: { requestsPerSecond: 1_000 / DELAY_MS },
  limits: { maxPages: 100_000 },
  concurrency: CONCURRENCY,
  workers: WORKERS,
  heartbeat: { interval: '1s' },
});

it.each([
  { dying: 'workers', gateways: 0, crashes: [] },
  { dying: 'workers, gateways and PostgreSQL', gateways: GATEWAYS, crashes: CRASHES },
])('stores every page once and keeps the spacing while $dying die', { timeout: 600_000 }, async (deaths) => {
  await using site = await startNginx(root);
  await using run = await database.accept(specFor(site));
  await using gateways =
    deaths.gateways === 0
      ? undefined
      : await startGatewayProcesses(deaths.gateways, {
          TRAWLER_DATABASE_URL: await database.store.gatewayDatabaseUrl(never),
        });
  const sendsFile = join(folder, `${run.runId}.sends`);
  const start = () =>
    run.startWorker({
      TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`,
      TRAWLER_LOG_LEVEL: 'info',
      ...notingSends(sendsFile),
      ...(gateways === undefined ? {} : { TRAWLER_GATEWAY_URL: gateways.url }),
    });

  const ends = await crawlWithKills(run, start, {
    crashes: deaths.crashes,
    ...(gateways === undefined ? {} : { gateways }),
  });
  expect(ends).toEqual(Array.from({ length: WORKERS }, () => 0));

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
  expect([...countByPath(accesses)].filter(([, times]) => times > 1 + KILLS * CONCURRENCY)).toEqual([]);
  // At each kill: what was under way, what waited for its commit, and what was being committed; and robots.txt. A gateway or a
  // server that dies costs nothing.
  expect(accesses.length).toBeLessThanOrEqual(reference.length + 1 + KILLS * (3 * CONCURRENCY + 1));

  const sends = await notedSends(sendsFile);
  const sent = countByPath(sends);
  const unnoted = [...countByPath(accesses)].filter(([path, times]) => times > (sent.get(path) ?? 0));
  expect(unnoted, 'what arrived was sent').toEqual([]);
  const gaps = sends.slice(1).map(({ time, path }, index) => ({ path, ms: time - (sends[index]?.time ?? time) }));
  expect(gaps.filter(({ ms }) => ms < 0.8 * DELAY_MS)).toEqual([]);
});

function countByPath(requests: readonly { readonly path: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of requests) counts.set(path, (counts.get(path) ?? 0) + 1);
  return counts;
}
