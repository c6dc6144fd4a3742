// Hosts that do not answer: asked more slowly, parked with growing pauses, given up, and resumed when they are back. The
// database's clock is moved on by hand, so that no test waits for a pause.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim, Outcome, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, countersAndTruth, done, FAST, type Installation, install, never, urls } from './fixture.ts';

const retry = (claim: Claim): Outcome => ({
  ...{ claim, type: 'retry', cause: 'ConnectionError', message: 'ECONNREFUSED', delayMs: 0 },
});

/** As if so much time had passed for the host and what waits for it. */
async function pass({ admin }: Installation, ms: number): Promise<void> {
  const past = `- ${ms} * interval '1 ms'`;
  await admin.query(`update host set next_at = next_at ${past}, outage_at = outage_at ${past}`);
  await admin.query(`update lane set next_at = next_at ${past}, retries_from = '-infinity' where next_at is not null`);
  await admin.query(
    `update request set available_at = available_at ${past} where state = 'queued' and available_at > now()`,
  );
}

/** As if all that is queued had become due that becomes so within ten minutes. */
async function passPause(installation: Installation): Promise<void> {
  const { rows } = await installation.admin.query<{ ms: number | null }>(
    `select max(extract(epoch from next_at - clock_timestamp())::float8 * 1000) as ms from lane
     where next_at < now() + interval '10 min'`,
  );
  await pass(installation, Math.max(rows[0]?.ms ?? 0, 0));
}

const outage = (worker: WorkerStore, ageMs = 0) => worker.reportOutage('site.test', ageMs, 'ECONNREFUSED', never);

/** One claim of the host, when its pause is over; undefined when the run is over. */
async function nextProbe(installation: Installation, worker: WorkerStore): Promise<Claim | undefined> {
  for (;;) {
    const result = await worker.claim(50, never);
    if (result.state === 'Claimed') {
      expect(result.claims).toHaveLength(1);
      return result.claims[0];
    }
    if (result.state === 'Finished') return undefined;
    if (result.state === 'Wait' && (await worker.finish(never))) return undefined;
    await passPause(installation);
  }
}

describe.each(POSTGRES_VERSIONS)('hosts that do not answer on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  it('are given up after a bounded number of tries, their 10,000 URLs in batches and with one cause', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 200 } });
    const worker = run.worker();
    const other = urls(100, { prefix: 'other' }).map((link) => ({ ...link, host: 'other.test', url: `${link.url}?o` }));
    await worker.seed([...urls(10_000), ...other], never);
    let tries = 0;
    let claims = 0;
    for (;;) {
      const result = await worker.claim(20, never);
      if (result.state === 'Finished') break;
      if (result.state === 'Wait') {
        if (await worker.finish(never)) break;
        await passPause(installation);
        continue;
      }
      if (result.state !== 'Claimed') throw new Error(result.state);
      claims++;
      const outcomes: Outcome[] = [];
      for (const claim of result.claims) {
        if (claim.host === 'other.test') outcomes.push(done(claim));
        else {
          tries++;
          await outage(worker, claim.isProbe ? 0 : 60_000);
          outcomes.push(retry(claim));
        }
      }
      await worker.commit(outcomes, never);
    }
    expect(tries).toBeLessThanOrEqual(20 + 12);
    expect(claims).toBeLessThan(50);
    const snapshot = (await installation.operator.snapshots(never, [run.runId])).get(run.runId);
    expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Partial' });
    expect(snapshot?.progress).toMatchObject({ succeeded: 100, failed: 10_000, skipped: 0, queued: 0, leased: 0 });
    expect(snapshot?.failureCauses).toEqual({ HostUnreachable: 10_000 });
    const [counted, stored] = await countersAndTruth(installation, run.runId);
    expect(counted).toEqual(stored);
    const { rows } = await installation.admin.query(
      `select errors->-1->>'message' as message, count(*)::int as n from request where state = 'dead' group by 1`,
    );
    expect(rows).toEqual([
      { message: 'the host does not answer: 12 tries in a row failed, the last one: ECONNREFUSED', n: 10_000 },
    ]);
  });

  it('are asked by one probe at a time, later each time, by all runs together', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [first, second] = [one.worker(), two.worker()];
    await first.seed(urls(50), never);
    await second.seed(urls(50, { prefix: 'more' }), never);
    const states = [];
    for (let count = 0; count < 5; count++) states.push(await outage(first));
    expect(states).toEqual([
      { state: 'Up', pauseMs: 0 },
      { state: 'Up', pauseMs: 0 },
      { state: 'Slow', pauseMs: 500 },
      { state: 'Slow', pauseMs: 1_000 },
      { state: 'Parked', pauseMs: 2_000 },
    ]);
    // Both runs wait; what was under way when the host was parked makes it no worse.
    expect((await second.claim(50, never)).state).toBe('Wait');
    expect(await outage(second, 5_000)).toEqual({ state: 'Parked', pauseMs: 2_000 });
    const pauses = [];
    for (const worker of [second, first, second, first, second, first]) {
      const probe = await nextProbe(installation, worker);
      expect(probe).toMatchObject({ isProbe: true, isFailing: true });
      // The other run gets none beside it.
      expect((await (worker === first ? second : first).claim(50, never)).state).toBe('Wait');
      pauses.push((await outage(worker)).pauseMs);
    }
    expect(pauses).toEqual([4_000, 8_000, 16_000, 32_000, 64_000, 128_000]);
    await nextProbe(installation, second);
    expect(await outage(second)).toEqual({ state: 'Down', pauseMs: 128_000 });
    // What both have waiting there is given up; their probes are still to be committed.
    for (const worker of [first, second]) {
      for (let calls = 0; calls < 2; calls++) expect((await worker.claim(50, never)).state).toBe('Wait');
    }
    const snapshots = await installation.operator.snapshots(never, [one.runId, two.runId]);
    expect(snapshots.get(one.runId)?.progress).toMatchObject({ queued: 0, leased: 3, failed: 47 });
    expect(snapshots.get(two.runId)?.progress).toMatchObject({ queued: 0, leased: 4, failed: 46 });
  });

  it('are asked no sooner than a try takes', async () => {
    await using installation = await install(server);
    const worker = (await installation.createRun(FAST)).worker();
    await worker.seed(urls(5), never);
    let last = await outage(worker, 60_000);
    for (let count = 1; count < 5; count++) last = await outage(worker, 60_000);
    expect(last).toEqual({ state: 'Parked', pauseMs: 60_000 });
  });

  it('are resumed at once, for all runs, when one of them answers', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [first, second] = [one.worker(), two.worker()];
    await first.seed(urls(50), never);
    await second.seed(urls(50, { prefix: 'more' }), never);
    for (let count = 0; count < 5; count++) await outage(first);
    for (let count = 0; count < 5; count++) {
      await nextProbe(installation, first);
      await outage(first);
    }
    expect((await second.claim(50, never)).state).toBe('Wait');
    const probe = await nextProbe(installation, first);
    await first.reportReachable('site.test', never);
    if (probe !== undefined) await first.commit([done(probe)], never);
    for (const worker of [first, second]) {
      const claims = await claimSome(worker, 20);
      expect(claims.length).toBeGreaterThan(10);
      expect(claims[0]?.isProbe).toBeUndefined();
    }
  });

  it('keep the patience that they asked for when they are back', async () => {
    await using installation = await install(server);
    const worker = (await installation.createRun(FAST)).worker();
    await worker.seed(urls(5), never);
    for (let count = 0; count < 5; count++) await outage(worker);
    await worker.deferHost('site.test', 3_600_000, never);
    await worker.reportReachable('site.test', never);
    expect((await worker.claim(5, never)).state).toBe('Wait');
    const { rows } = await installation.admin.query(`select next_at > now() + interval '59 min' as later from host`);
    expect(rows).toEqual([{ later: true }]);
  });

  it('that were given up are given up for what is found later, too, until another run reaches them', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    const start = { source: 'site', url: 'http://start.test/', host: 'start.test', depth: 0 };
    await worker.seed([...urls(30), start], never);
    const claims = [...(await claimSome(worker, 50)), ...(await claimSome(worker, 50))];
    const open = claims.find(({ host }) => host === 'start.test');
    for (let count = 0; count < 12; count++) {
      await outage(worker);
      await pass(installation, 200_000);
    }
    if (open === undefined) throw new Error('the start was not claimed');
    await worker.commit([done(open, urls(3, { prefix: 'late', depth: 1 }))], never);
    await pass(installation, 200_000);
    for (let calls = 0; calls < 3; calls++) expect((await worker.claim(50, never)).state).toBe('Wait');
    const late = `select count(*)::int as n from request where url like '%late%' and reason = 'HostUnreachable'`;
    expect((await installation.admin.query(late)).rows).toEqual([{ n: 3 }]);

    const other = (await installation.createRun(FAST)).worker();
    await other.seed(urls(1, { prefix: 'again' }), never);
    expect(await nextProbe(installation, other)).toMatchObject({ isProbe: true });
    await other.reportReachable('site.test', never);
    const rows = `select count(*)::int as n from unreachable_host`;
    expect((await installation.admin.query(rows)).rows).toEqual([{ n: 0 }]);
  });

  it('behave as the model says, whatever happens in whatever order', async () => {
    await using installation = await install(server);
    const worker = (await installation.createRun(FAST)).worker();
    await worker.seed(urls(1), never);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ type: fc.constant('fresh' as const) }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('stale' as const) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('answer' as const) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('hour' as const) }) },
    );
    const stateOf = (failures: number) =>
      failures < 3 ? 'Up' : failures < 5 ? 'Slow' : failures < 12 ? 'Parked' : 'Down';
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await worker.reportReachable('site.test', never);
        let failures = 0;
        let isOld = false;
        for (const { type } of steps) {
          if (type === 'answer') {
            await worker.reportReachable('site.test', never);
            failures = 0;
            isOld = false;
          } else if (type === 'hour') {
            await pass(installation, 3_700_000);
            isOld = true;
          } else {
            await pass(installation, 100);
            // A stale try began before the last failure was seen.
            const { state, pauseMs } = await outage(worker, type === 'stale' ? 50_000 : 0);
            if (isOld) failures = 0;
            if (failures < 5 || type === 'fresh' || isOld) {
              failures++;
              isOld = false;
            }
            expect(state).toBe(stateOf(failures));
            expect(pauseMs > 0).toBe(failures >= 3);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});
