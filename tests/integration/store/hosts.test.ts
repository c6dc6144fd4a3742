// Politeness as the database's clock saw it: one rate a host, over all workers and all runs of a scope.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim } from '#src/gateway/protocol/worker-store.ts';
import { testClient } from '../../support/database-connections.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, type TestRun, urls } from './fixture.ts';

/** When a claim may be sent, in milliseconds of the database's clock. */
type Send = { readonly host: string; readonly at: number };

describe.each(POSTGRES_VERSIONS)('hosts on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  /** Claims and commits until the run is finished; the turns are taken from the database's own answers. */
  async function crawl(installation: Installation, run: TestRun, slots: number, sends: Send[]): Promise<void> {
    const worker = run.worker();
    const login = testClient(installation.workerUrl);
    await login.connect();
    for (;;) {
      const { rows } = await login.query(`select ${SCHEMA}.claim_requests($1, $2, $3, 25, 0, null) as result`, [
        run.token,
        worker.workerId,
        slots,
      ]);
      const result = rows[0].result;
      if (result.state === 'Finished') break;
      if (result.state === 'Wait') {
        if (await worker.finish(never)) break;
        await new Promise((resolve) => setTimeout(resolve, result.retryInMs));
        continue;
      }
      for (const claim of result.claims) sends.push({ host: claim.host, at: claim.turn });
      await worker.commit(
        result.claims.map((claim: Claim) => done(claim)),
        never,
      );
    }
    await login.end();
  }

  function gaps(sends: readonly Send[], host: string): number[] {
    const times = sends.filter((send) => send.host === host).map((send) => send.at);
    times.sort((a, b) => a - b);
    return times.slice(1).map((time, index) => time - (times[index] ?? time));
  }

  it.each([
    { slots: 1, politeness: { requestsPerSecond: 20 } },
    { slots: 6, politeness: { requestsPerSecond: 20 } },
    { slots: 6, politeness: { requestsPerSecond: 10_000, delay: '50ms' } },
  ])('spaces claims of 8 workers with $slots slots by $politeness', async ({ slots, politeness }) => {
    await using installation = await install(server);
    const delay = 50;
    const run = await installation.createRun({ politeness });
    await run.worker().seed(urls(90, { hosts: 3 }), never);
    const sends: Send[] = [];
    await Promise.all(Array.from({ length: 8 }, () => crawl(installation, run, slots, sends)));

    expect(sends).toHaveLength(90);
    const all = ['host0.test', 'host1.test', 'host2.test'].flatMap((host) => gaps(sends, host));
    expect(Math.min(...all)).toBeGreaterThan(delay - 0.01);
  });

  it('offers a host to a worker however late its answers come', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ politeness: { requestsPerSecond: 10 } });
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const login = testClient(installation.workerUrl);
    await login.connect();
    const claim = `select ${SCHEMA}.claim_requests($1, $2, 1, $3, 0, null) as result`;
    const { rows } = await login.query(claim, [run.token, worker.workerId, 60_000]);
    await login.end();
    expect(rows[0].result).toMatchObject({ state: 'Claimed', claims: [{ host: 'site.test' }] });
  });

  it('lets two runs of a namespace keep one rate, and leaves another namespace alone', async () => {
    await using installation = await install(server);
    const spec = { politeness: { requestsPerSecond: 20 } };
    const runs = [await installation.createRun(spec), await installation.createRun(spec)];
    const apart = await installation.createRun(spec, { namespace: 'apart' });
    for (const run of [...runs, apart]) await run.worker().seed(urls(15), never);
    const sends: Send[] = [];
    const sendsApart: Send[] = [];
    await Promise.all([
      ...[...runs, ...runs].map((run) => crawl(installation, run, 2, sends)),
      crawl(installation, apart, 2, sendsApart),
    ]);

    expect(sends).toHaveLength(30);
    expect(Math.min(...gaps(sends, 'site.test'))).toBeGreaterThan(49.99);
    expect(sendsApart).toHaveLength(15);
    expect(Math.min(...gaps(sendsApart, 'site.test'))).toBeGreaterThan(49.99);
    // Its sends fall between those of the others.
    expect(Math.min(...gaps([...sends, ...sendsApart], 'site.test'))).toBeLessThan(49.99);
  });

  it('reserves places for robots.txt and redirects between the claims', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ politeness: { requestsPerSecond: 5 } });
    const worker = run.worker();
    await worker.seed(urls(3), never);
    const first = await worker.reserveHost('site.test', never);
    const second = await worker.reserveHost('site.test', never);
    expect(second.from - first.from).toBeGreaterThan(150);
    expect(second.from - first.from).toBeLessThan(201);
    // A tenth of the delay, less what is not known of the database's clock.
    expect((second.by ?? 0) - second.from).toBeGreaterThanOrEqual(1);
    expect((second.by ?? 0) - second.from).toBeLessThan(20.1);
    const [claim] = await claimSome(worker, 1);
    expect(claim?.from).toBeGreaterThan(second.from);
  });

  it('defers a host for every run of the scope', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [asked, waiting] = [one.worker(), two.worker()];
    await waiting.seed(urls(2), never);
    await asked.deferHost('site.test', 60_000, never);
    expect(await waiting.claim(2, never)).toMatchObject({ state: 'Wait' });
    await asked.deferHost('site.test', 10, never);
    expect(await waiting.claim(2, never)).toMatchObject({ state: 'Wait' });
    expect((await waiting.reserveHost('site.test', never)).from).toBeGreaterThan(performance.now() + 59_000);
  });

  it('does not let a deferred host keep the others from being claimed', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(40, { hosts: 20 }), never);
    for (let host = 0; host < 19; host += 1) await worker.deferHost(`host${host}.test`, 60_000, never);
    const claims = [...(await claimSome(worker, 1)), ...(await claimSome(worker, 1))];
    expect(claims.map((claim) => claim.host)).toEqual(['host19.test', 'host19.test']);
  });

  it('keeps robots.txt for the scope and spaces by its crawl delay', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [writer, reader] = [one.worker(), two.worker()];
    expect(await reader.readRobots('site.test', never)).toBeUndefined();
    const body = `User-agent: *\nDisallow: /private\n${'#'.repeat(100_000)}`;
    await writer.writeRobots('site.test', { verdict: 'rules', body, crawlDelayMs: 300 }, never);
    const robots = await reader.readRobots('site.test', never);
    expect(robots).toMatchObject({ verdict: 'rules', body, crawlDelayMs: 300 });
    expect(robots?.ageMs).toBeLessThan(5_000);

    await reader.seed(urls(2), never);
    const claims = await claimSome(reader, 2);
    const [first, second] = claims.map((claim) => claim.from);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(200);

    await writer.writeRobots('site.test', { verdict: 'allow' }, never);
    expect(await reader.readRobots('site.test', never)).toEqual({ verdict: 'allow', ageMs: expect.any(Number) });
  });

  it('takes the slowest crawl delay of the runs at work, each by its own user agent', async () => {
    await using installation = await install(server);
    const runs = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [slow, other] = runs.map((run) => run.worker());
    const delay = async () => (await other?.readRobots('site.test', never))?.crawlDelayMs;
    await slow?.seed([], never);
    await slow?.writeRobots('site.test', { verdict: 'rules', body: 'Disallow: /', crawlDelayMs: 5_000 }, never);
    await other?.setCrawlDelay('site.test', 300, never);
    expect(await delay()).toBe(5_000);
    expect(await slow?.finish(never)).toBe(true);
    await other?.setCrawlDelay('site.test', 300, never);
    expect(await delay()).toBe(300);
    await other?.setCrawlDelay('site.test', 0, never);
    expect(await delay()).toBeUndefined();
  });

  it('remembers for the scope whether pages need the browser, as a share that follows the last few', async () => {
    await using installation = await install(server);
    const runs = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const apart = await installation.createRun(FAST, { namespace: 'apart' });
    const [one, two, other] = [...runs, apart].map((run) => run.worker());
    expect(await one?.readHostRendering('site.test', never)).toBeUndefined();
    expect(await one?.learnHostRendering('site.test', true, never)).toBe(0.25);
    expect(await two?.learnHostRendering('site.test', true, never)).toBe(0.4375);
    const known = await two?.readHostRendering('site.test', never);
    expect(known).toEqual({ browserNeed: 0.4375, ageMs: expect.any(Number) });
    expect(known?.ageMs).toBeLessThan(5_000);
    expect(await one?.learnHostRendering('site.test', false, never)).toBeCloseTo(0.328, 3);
    expect(await other?.readHostRendering('site.test', never)).toBeUndefined();
    expect(await other?.learnHostRendering('site.test', false, never)).toBe(0);
  });
});
