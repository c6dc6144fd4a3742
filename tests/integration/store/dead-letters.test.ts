// Dead letters of a run that lives are queued again or cleared by a person, with the login of the API server; counters agree
// with what is stored at every moment.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  countersAndTruth,
  done,
  FAST,
  type Installation,
  install,
  never,
  type TestRun,
  urls,
  workUntilFinished,
} from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

async function connect({ operator }: Installation): Promise<ServerStore & AsyncDisposable> {
  const store = createServerStore({
    ...{ databaseUrl: await operator.serverDatabaseUrl(never), schema: 'trawler', poolSize: 4 },
  });
  return { ...store, [Symbol.asyncDispose]: () => store.close() };
}

const dead = (claim: Claim, cause: 'Timeout' | 'HttpError' = 'Timeout'): Outcome => ({
  ...{ type: 'dead', claim, cause, message: 'no answer' },
});

type Worker = ReturnType<TestRun['worker']>;

/** Lets everything die that is queued, and leaves the run alive. */
async function letDie(worker: Worker, count: number, outcome = (claim: Claim) => dead(claim)): Promise<Claim[]> {
  const claims: Claim[] = [];
  while (claims.length < count) {
    const some = await claimSome(worker, Math.min(50, count - claims.length));
    await worker.commit(some.map(outcome), never);
    claims.push(...some);
  }
  return claims;
}

async function expectExact(installation: Installation, { runId }: TestRun): Promise<void> {
  const [counted, stored] = await countersAndTruth(installation, runId);
  expect(counted).toEqual(stored);
}

const causeOfPage = ({ url }: Claim): 'HttpError' | 'Timeout' =>
  Number(url.at(-1)) % 2 === 0 ? 'HttpError' : 'Timeout';

test('what is asked for is queued again with all its tries, and crawled; the end is as if it had never failed', async () => {
  await using installation = await install(server);
  await using store = await connect(installation);
  const run = await installation.createRun({ ...FAST, fetch: { maxRetries: 1 } });
  const worker = run.worker();
  await worker.seed(urls(6, { hosts: 2 }), never);
  const claims = await letDie(worker, 6, (claim) => dead(claim, causeOfPage(claim)));
  await expectExact(installation, run);
  const count = async (filter: Parameters<ServerStore['countDeadLetters']>[1]) =>
    (await store.countDeadLetters(run.runId, filter, undefined, never)).count;
  expect(await count({})).toBe(6);
  expect(await count({ source: 'other' })).toBe(0);
  expect(await count({ url: 'http://host1.test/page' })).toBe(0);

  const requeue = (filter: Parameters<ServerStore['countDeadLetters']>[1]) =>
    store.requeueDeadLetters(run.runId, filter, never);
  expect(await requeue({ cause: 'HttpError', host: 'host1.test' })).toEqual({ state: 'Changed', changed: 0 });
  expect(await requeue({ cause: 'Timeout', host: 'host1.test', source: 'site' })).toMatchObject({ changed: 3 });
  await expectExact(installation, run);
  expect(await requeue({ url: 'http://host0.test/page0' })).toMatchObject({ changed: 1 });
  expect(await requeue({ url: 'http://host0.test/*' })).toMatchObject({ changed: 2 });
  expect(await requeue({})).toMatchObject({ changed: 0 });
  await expectExact(installation, run);
  expect(await worker.finish(never)).toBe(false);

  // One try more than before the first end: its tries are counted anew.
  const again = await claimSome(worker, 1);
  expect(again).toMatchObject([{ attempt: 1 }]);
  await worker.commit(
    again.map((claim): Outcome => ({ claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 0 })),
    never,
  );
  const log = await workUntilFinished(worker);
  expect(log.claims.map(({ url }) => url).sort()).toEqual(claims.map(({ url }) => url).sort());
  await expectExact(installation, run);
  const snapshot = await installation.operator.snapshot(run.runId, never);
  expect(snapshot).toMatchObject({
    ...{ outcome: 'Succeeded', failureCauses: {}, progress: { total: 6, succeeded: 6, failed: 0 } },
    sources: [{ result: 'Succeeded' }],
  });
  expect(snapshot?.sources[0]?.message).toBeUndefined();
  const { rows } = await installation.admin.query('select failed_by, failed::int from execution');
  expect(rows).toEqual([{ failed_by: {}, failed: 0 }]);
});

test('what is cleared is skipped for good, and gives its place in the page limit to another page', async () => {
  await using installation = await install(server);
  await using store = await connect(installation);
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 4 } });
  const worker = run.worker();
  await worker.seed(urls(8), never);
  await letDie(worker, 3);
  const { count, until = '' } = await store.countDeadLetters(run.runId, {}, undefined, never);
  expect(count).toBe(3);
  await letDie(worker, 1);
  expect(await store.clearDeadLetters(run.runId, {}, until, never)).toEqual({ state: 'Changed', changed: 3 });
  await expectExact(installation, run);
  const { claims } = await workUntilFinished(worker);
  expect(claims).toHaveLength(3);
  await expectExact(installation, run);
  const snapshot = await installation.operator.snapshot(run.runId, never);
  expect(snapshot).toMatchObject({
    outcome: 'Partial',
    progress: { total: 8, succeeded: 3, failed: 1, skipped: 4 },
    skipReasons: { Cleared: 3, MaxPages: 1 },
    failureCauses: { Timeout: 1 },
  });
});

test('pages of a host that was given up, and sitemaps, are queued again with what they hold of the limit', async () => {
  await using installation = await install(server);
  await using store = await connect(installation);
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 20 } });
  const worker = run.worker();
  const sitemap = {
    source: 'site',
    url: 'http://site.test/sitemap.xml',
    host: 'site.test',
    depth: 0,
    kind: 'Sitemap' as const,
  };
  await worker.seed([sitemap, ...urls(10)], never);
  const first = await claimSome(worker, 2);
  await worker.commit(
    first.map((claim) => dead(claim)),
    never,
  );
  for (let failure = 0; failure < 12; failure++) await worker.reportOutage('site.test', 0, 'ECONNREFUSED', never);
  const snapshot = () => installation.operator.snapshot(run.runId, never);
  const failedAfterClaim = async () => {
    await worker.claim(1, never);
    return (await snapshot())?.progress.failed;
  };
  await expect.poll(failedAfterClaim).toBe(11);
  await expectExact(installation, run);
  expect(await store.requeueDeadLetters(run.runId, {}, never)).toEqual({ state: 'Changed', changed: 11 });
  await expectExact(installation, run);
  const complete = (claim: Claim): Outcome =>
    claim.kind === 'Sitemap' ? { claim, type: 'skipped', reason: 'Sitemap' } : done(claim);
  // The run does not give the host up again at once: one page tells whether it answers.
  const probe = await worker.claim(1, never);
  const probed = probe.state === 'Claimed' ? probe.claims : [];
  expect((await snapshot())?.progress.failed).toBe(0);
  await worker.commit(probed.map(complete), never);
  await worker.reportReachable('site.test', never);
  const { claims } = await workUntilFinished(worker, 5, complete);
  expect(probed.length + claims.length).toBe(11);
  await expectExact(installation, run);
  expect(await snapshot()).toMatchObject({ outcome: 'Succeeded', progress: { total: 11, succeeded: 10, skipped: 1 } });
});

test('a run that stops, writes its file or has ended changes no more, and says which it is', async () => {
  await using installation = await install(server);
  await using store = await connect(installation);
  const withDead = async (spec = {}) => {
    const run = await installation.createRun({ ...FAST, ...spec });
    const worker = run.worker();
    await worker.seed(urls(2), never);
    await letDie(worker, 2);
    return { run, worker };
  };
  const [stopping, ended, writing] = [
    await withDead(),
    await withDead(),
    await withDead({ output: { volumeClaim: 'results' } }),
  ];
  await installation.operator.requestStop(stopping.run.runId, 'Shutdown', never);
  expect(await ended.worker.finish(never)).toBe(true);
  expect(await writing.worker.finish(never)).toBe(true);
  for (const [{ run }, state] of [
    [stopping, 'Stopping'],
    [ended, 'Ended'],
    [writing, 'WritingOutput'],
  ] as const) {
    expect(await store.requeueDeadLetters(run.runId, {}, never)).toEqual({ state, changed: 0 });
    expect(await store.clearDeadLetters(run.runId, {}, 'infinity', never)).toEqual({ state, changed: 0 });
    await expectExact(installation, run);
  }
});

test('while workers claim and commit, all of 3,000 dead letters come to an end, each counted once', async () => {
  await using installation = await install(server);
  await using store = await connect(installation);
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 10_000 } });
  const worker = run.worker();
  await worker.seed(urls(3_000, { hosts: 10 }), never);
  await letDie(worker, 3_000);
  const others = [run.worker(), run.worker()];
  let isOver = false;
  const work = others.map(async (one) => {
    while (!isOver) {
      const result = await one.claim(20, never);
      // A third of them dies again.
      if (result.state === 'Claimed')
        await one.commit(
          result.claims.map((claim) => (Number(claim.url.at(-1)) % 3 === 0 ? dead(claim) : done(claim))),
          never,
        );
    }
  });
  try {
    const changes = await Promise.all([1, 2].map(() => store.requeueDeadLetters(run.runId, {}, never)));
    expect(changes.map(({ state }) => state)).toEqual(['Changed', 'Changed']);
    expect(changes.reduce((total, { changed }) => total + changed, 0)).toBeGreaterThanOrEqual(3_000);
    await expect.poll(() => worker.finish(never), { timeout: 30_000 }).toBe(true);
  } finally {
    isOver = true;
    await Promise.all(work);
  }
  await expectExact(installation, run);
  const { rows } = await installation.admin.query(
    'select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
  expect((await installation.operator.snapshot(run.runId, never))?.progress).toMatchObject({ total: 3_000 });
});
