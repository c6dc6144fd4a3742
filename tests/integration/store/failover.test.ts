// What a crawl makes of a database that comes back without its last commits: a standby that lags behind is promoted, or a
// backup is restored to an earlier time, in the middle of a crawl by three workers behind two gateways.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createPatientStore } from '#src/crawler/worker/patient-store.ts';
import { runWorker, type WorkerEnd } from '#src/crawler/worker/worker.ts';
import { MAX_WAIT_MS } from '#src/gateway/protocol/calls.ts';
import type { Claim, Discovery, Outcome, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { testClient, testPool } from '../../support/database-connections.ts';
import { gatewayHeartbeats, gatewayWorkerStore, startTestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { takeBaseBackup } from '../../support/postgres-copy.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { claimSome, FAST, heartbeat, type Installation, install, never, SCHEMA, type TestRun } from './fixture.ts';

const TIMES = 10;
const PAGES = 500;
const ENTRIES = 60;
/** Pages that are done when the copy stops to follow, and those that are committed after it and lost. */
const [KEPT, LOST] = [60, 40];
const WORKERS = 3;
const quiet = pino({ level: 'silent' });

/** A tree of pages, each linked from one other alone, and a sitemap whose entries nothing else leads to. */
const pageUrl = (number: number) => `http://site.test/p/${number}`;
const entryUrl = (number: number) => `http://site.test/e/${number}`;
const link = (url: string): Discovery => ({ source: 'site', url, host: 'site.test', depth: 1 });
const seeds: Discovery[] = [
  { ...link(pageUrl(0)), depth: 0 },
  { ...link('http://site.test/sitemap.xml'), depth: 0, kind: 'Sitemap' },
];
const allUrls = [
  ...Array.from({ length: PAGES }, (_, number) => pageUrl(number)),
  ...Array.from({ length: ENTRIES }, (_, number) => entryUrl(number)),
].sort();

/** Reads a page of that site; the sitemap is read part by part, as long as its claim is not lost. */
async function read(claim: Claim, store: Pick<WorkerStore, 'addLinks'>): Promise<Outcome> {
  await pause(5);
  if (claim.kind === 'Sitemap') {
    for (let entry = 0; entry < ENTRIES; entry += 2) {
      const added = await store.addLinks(claim, [link(entryUrl(entry)), link(entryUrl(entry + 1))], never);
      if (added === 'Lost') break;
      await pause(20);
    }
    return { claim, type: 'skipped', reason: 'Sitemap' };
  }
  const number = Number(/p\/(\d+)/.exec(claim.url)?.[1] ?? PAGES);
  const links = [2 * number + 1, 2 * number + 2].filter((next) => next < PAGES).map((next) => link(pageUrl(next)));
  return { claim, type: 'done', items: [{ url: claim.url }], links };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A worker as the crawler runs it, but for the pages: its loop, its patience, its heartbeats. */
async function work(run: TestRun, gatewayUrl: string): Promise<WorkerEnd> {
  const access = { gatewayUrl, token: run.token, workerId: randomUUID() };
  const patience = { log: quiet, onRetry: () => {} };
  const store = createPatientStore(gatewayWorkerStore({ ...access, waitMs: MAX_WAIT_MS }), patience);
  const beats = gatewayHeartbeats(access);
  const timer = setInterval(() => beats.beat(heartbeat, never).catch(() => {}), 200);
  const seed = async () => void (await store.seed(seeds, never));
  try {
    await seed();
    return await runWorker({
      store,
      pages: { crawl: (claim) => read(claim, store) },
      followSpec: async () => {},
      reseed: seed,
      slots: { open: () => 4, taken: () => {} },
      enoughRefusals: 1_000,
      signals: { stopping: never, abort: never, quit: never },
      activity: {
        progress: () => {},
        pageBegan: () => {},
        pageEntered: () => {},
        pageEnded: () => {},
        exception: () => {},
      },
      log: quiet,
    });
  } finally {
    clearInterval(timer);
    await beats.close();
    await store.close();
  }
}

type Scene = { readonly server: PostgresServer; readonly installation: Installation; readonly run: TestRun };

/** One crawl; `fail` puts another server in the place of the first when it is time. Resolves with what that one has. */
async function crawlThrough(
  scene: Scene,
  fail: (reached: (pages: number) => Promise<void>, route: Route, proxy: TcpProxy) => Promise<void>,
): Promise<{ readonly outcome: string | null; readonly done: string[]; readonly items: string[] }> {
  const { server, installation, run } = scene;
  const route: Route = { host: server.host, port: server.port };
  await using proxy = await startTcpProxy(route);
  const url = new URL(installation.workerUrl);
  url.port = String(proxy.port);
  await using one = await startTestGateway({ databaseUrl: url.href, schema: SCHEMA });
  await using other = await startTestGateway({ databaseUrl: url.href, schema: SCHEMA });
  const workers = Array.from({ length: WORKERS }, (_, index) => work(run, (index % 2 === 0 ? one : other).url));
  const reached = async (pages: number) => {
    for (;;) {
      const { rows } = await installation.admin.query<{ done: number }>(
        'select coalesce(sum(succeeded), 0)::int as done from progress where run_id = $1',
        [run.runId],
      );
      if ((rows[0]?.done ?? 0) >= pages) return;
      await pause(5);
    }
  };
  await fail(reached, route, proxy);
  expect((await Promise.all(workers)).map(({ finished }) => finished)).toEqual(workers.map(() => true));
  const superuser = new URL(installation.database.superuserUrl);
  superuser.port = String(route.port);
  const admin = testPool(superuser.href, { schema: SCHEMA });
  try {
    const ofRun = (text: string) => admin.query(text, [run.runId]).then(({ rows }) => rows);
    const [end] = await ofRun('select outcome from run where run_id = $1');
    const done = await ofRun("select url from request where run_id = $1 and state = 'done' order by 1");
    const items = await ofRun("select data->>'url' as url from item where run_id = $1 order by 1");
    return { outcome: end.outcome, done: done.map(({ url }) => url), items: items.map(({ url }) => url) };
  } finally {
    await admin.end();
  }
}

/** Where workers are led to. */
type Route = { host: string; port: number };

const EXACT = { outcome: 'Succeeded', done: allUrls, items: allUrls };
const rounds = Array.from({ length: TIMES }, (_, round) => round + 1);

test.each(rounds)(
  'a standby that lacks the last commits is promoted: the crawl is exact (%i)',
  { timeout: 180_000 },
  async () => {
    await using server = await startPostgres(15, { fsync: false });
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    await using backup = await takeBaseBackup(server);
    await using wire = await startTcpProxy(server);
    const standby = await backup.startStandby(wire.port);
    const end = await crawlThrough({ server, installation, run }, async (reached, route, proxy) => {
      await reached(KEPT);
      await wire[Symbol.asyncDispose]();
      await reached(KEPT + LOST);
      await server.crash();
      await promote(server, standby);
      Object.assign(route, standby);
      proxy.cutAll();
    });
    expect(end).toEqual(EXACT);
  },
);

async function promote({ superuser }: PostgresServer, { host, port }: Route): Promise<void> {
  const client = testClient(`postgresql://${superuser.user}:${superuser.password}@${host}:${port}/postgres`);
  await client.connect();
  await client.query('select pg_promote(true)');
  await client.end();
}

test.each(rounds)(
  'a backup is restored to an earlier time: the crawl is exact (%i)',
  { timeout: 180_000 },
  async () => {
    const archive = await mkdtemp(path.join(tmpdir(), 'trawler-wal-'));
    await chmod(archive, 0o777);
    try {
      await using server = await startPostgres(15, {
        fsync: false,
        settings: { archive_mode: 'on', archive_command: `cp "%p" "${archive}/%f"` },
      });
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      await using backup = await takeBaseBackup(server);
      const end = await crawlThrough({ server, installation, run }, async (reached, route, proxy) => {
        await reached(KEPT);
        const lsn = await text(installation, 'select pg_current_wal_insert_lsn()::text as text');
        await reached(KEPT + LOST);
        const file = await text(installation, 'select pg_walfile_name(pg_switch_wal()) as text');
        while ((await text(installation, 'select last_archived_wal as text from pg_stat_archiver')) < file)
          await pause(20);
        await server.crash();
        Object.assign(route, await backup.startRestored(archive, lsn));
        proxy.cutAll();
      });
      expect(end).toEqual(EXACT);
    } finally {
      await rm(archive, { recursive: true });
    }
  },
);

test('a server that is not promoted yet is a database that is away', async () => {
  await using server = await startPostgres(15, { fsync: false });
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const first = run.worker();
  await first.seed(seeds, never);
  const [claim] = await claimSome(first, 1);
  if (!claim) throw new Error('no claim');
  await first.close();
  await using backup = await takeBaseBackup(server);
  const standby = await backup.startStandby(server.port);
  const url = new URL(installation.workerUrl);
  url.port = String(standby.port);
  await using gateway = await startTestGateway({ databaseUrl: url.href, schema: SCHEMA });
  const access = { gatewayUrl: gateway.url, token: run.token, workerId: first.workerId };
  const store = gatewayWorkerStore(access);
  const beats = gatewayHeartbeats(access);
  try {
    const outcome: Outcome = { claim, type: 'done', items: [], links: [] };
    const calls: Record<string, () => Promise<unknown>> = {
      claim: () => store.claim(1, never),
      commit: () => store.commit([outcome], never),
      addLinks: () => store.addLinks(claim, [link(pageUrl(1))], never),
      seed: () => store.seed(seeds, never),
      finish: () => store.finish(never),
      reserveHost: () => store.reserveHost('site.test', never),
      deferHost: () => store.deferHost('site.test', 1_000, never),
      writeRobots: () => store.writeRobots('site.test', { verdict: 'allow' }, never),
      heartbeat: () => beats.beat(heartbeat, never),
    };
    for (const [name, call] of Object.entries(calls)) {
      await expect(call(), name).rejects.toMatchObject({ reason: 'Unavailable' });
    }
    expect(await store.loadRun(never)).toMatchObject({ runId: run.runId });
  } finally {
    await beats.close();
    await store.close();
  }
});

async function text(installation: Installation, query: string): Promise<string> {
  const { rows } = await installation.admin.query<{ text: string | null }>(query);
  return rows[0]?.text ?? '';
}
