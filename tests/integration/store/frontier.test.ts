// The frontier on real PostgreSQL: exact under concurrent workers, fenced, bounded by the page limits, and finite.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  countersAndTruth,
  done,
  FAST,
  heartbeat,
  install,
  never,
  urls,
  workUntilFinished,
} from './fixture.ts';

describe.each(POSTGRES_VERSIONS)('frontier on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  it('leases and commits each request exactly once with 8 claimers and no delay', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    // No spec says that: with a delay of nothing, not even the host's next time keeps two claimers apart.
    await installation.admin.query('update run set delay_ms = 0');
    const workers = Array.from({ length: 8 }, () => run.worker());
    const [first] = workers;
    await first?.seed(urls(2_000, { hosts: 7 }), never);

    const logs = await Promise.all(workers.map((worker) => workUntilFinished(worker, 5)));

    const claimed = logs.flatMap((log) => log.claims.map((claim) => claim.url));
    expect(claimed).toHaveLength(2_000);
    expect(new Set(claimed).size).toBe(2_000);
    expect(logs.flatMap((log) => log.refused)).toEqual([]);
    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot).toMatchObject({
      state: 'Finished',
      outcome: 'Succeeded',
      progress: { total: 2_000, queued: 0, leased: 0, succeeded: 2_000, failed: 0, skipped: 0, items: 2_000 },
    });
    const { rows } = await installation.admin.query('select count(*), count(distinct url_key) as keys from item');
    expect(rows).toEqual([{ count: '2000', keys: '2000' }]);
  });

  it('takes many seeds part by part: each once, and never finished before the last, whoever gives up or joins in', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    const [first, second, third] = [run.worker(), run.worker(), run.worker()];
    const seeds = urls(5_500, { hosts: 3 });
    const lost = new AbortController();
    // It gives up in the fourth part, when that one is about to be sent.
    const cutShort = seeds.map((seed, index) => ({
      ...seed,
      get host() {
        if (index === 3_500) lost.abort(new Error('the worker is gone'));
        return seed.host;
      },
    }));
    await expect(first.seed(cutShort, lost.signal)).rejects.toThrow('the worker is gone');
    const early: Claim[] = [];
    const waiting = async () => {
      const { progress } = (await installation.operator.snapshots(never)).get(run.runId) ?? {};
      return (progress?.queued ?? 0) + (progress?.leased ?? 0);
    };
    while ((await waiting()) > 0) {
      const claims = await claimSome(second, 500);
      early.push(...claims);
      await second.commit(
        claims.map((claim) => done(claim)),
        never,
      );
    }
    expect(early).toHaveLength(3_000);
    expect(await second.finish(never), 'nothing waits, but not all seeds are in').toBe(false);

    expect((await Promise.all([second.seed(seeds, never), third.seed(seeds, never)])).sort()).toEqual([false, true]);
    const logs = await Promise.all([workUntilFinished(second, 500), workUntilFinished(third, 500)]);
    const claimed = [...early, ...logs.flatMap((log) => log.claims)].map((claim) => claim.url);
    expect(claimed.sort()).toEqual(seeds.map((seed) => seed.url).sort());
    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', progress: { total: 5_500, succeeded: 5_500 } });
  });

  it('commits overlapping links from many workers without deadlock, each URL once', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    const workers = Array.from({ length: 8 }, () => run.worker());
    await workers[0]?.seed(urls(80, { hosts: 11 }), never);
    // Wave by wave, all workers at once find new pages of the same hosts, each in another order: the same pages, and
    // every other time pages of their own.
    const shuffled = (wave: number, worker: number) =>
      urls(400, { hosts: 23, prefix: wave % 2 === 0 ? `wave${wave}-` : `wave${wave}-${worker}-`, depth: 1 })
        .map((link) => [Math.random(), link] as const)
        .sort(([a], [b]) => a - b)
        .map(([, link]) => link);

    for (let wave = 0; wave < 10; wave += 1) {
      const claims = await Promise.all(workers.map(async (worker) => (await claimSome(worker, 1))[0]));
      await Promise.all(
        workers.map((worker, index) => {
          const claim = claims[index];
          return claim && worker.commit([done(claim, shuffled(wave, index))], never);
        }),
      );
    }

    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot?.progress).toMatchObject({ total: 80 + 5 * 400 + 5 * 8 * 400, succeeded: 80 });
    expect(server.log()).not.toContain('deadlock');
  });

  it('writes nothing for a lease that was lost, and finds nothing at it', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const lost = run.worker();
    const heir = run.worker();
    await lost.seed(urls(1), never);
    const [stale] = await claimSome(lost, 1);
    expect(await installation.operator.releaseWorker(run.runId, lost.workerId, never)).toBe(1);
    const [fresh] = await claimSome(heir, 1);
    if (!stale || !fresh) throw new Error('nothing claimed');

    const refused = await lost.commit([done(stale, urls(3, { prefix: 'lost', depth: 1 }))], never);
    expect(refused.size).toBe(0);
    const { rows } = await installation.admin.query('select url, state from request');
    expect(rows).toEqual([{ url: fresh.url, state: 'leased' }]);
    expect(await lost.claim(1, never)).toEqual({ state: 'Stopping', reason: 'Released' });

    expect([...(await heir.commit([done(fresh)], never))]).toEqual([fresh.requestId]);
    expect(await heir.commit([done(fresh)], never)).toEqual(new Set());
    expect(await heir.finish(never)).toBe(true);
    const { rows: items } = await installation.admin.query('select count(*) from item');
    expect(items).toEqual([{ count: '1' }]);
  });

  it('keeps the links of a page that is still ours when another page of the batch is not', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(2), never);
    const [one, two] = await claimSome(worker, 2);
    if (!one || !two) throw new Error('not two claims');
    const link = (name: string) => ({ source: 'site', url: `http://site.test/${name}`, host: 'site.test', depth: 1 });
    const forged: Claim = { ...one, leaseToken: '11111111-1111-4111-8111-111111111111' };

    const ours = await worker.commit([done(forged, [link('a'), link('b')]), done(two, [link('b')])], never);

    expect([...ours]).toEqual([two.requestId]);
    const { rows } = await installation.admin.query('select url from request where depth = 1');
    expect(rows).toEqual([{ url: 'http://site.test/b' }]);
  });

  it.each([
    { slots: 1, workers: 8 },
    { slots: 7, workers: 4 },
    { slots: 40, workers: 8 },
  ])('crawls exactly maxPages with $workers workers of $slots slots', async ({ slots, workers }) => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 120 } });
    const stores = Array.from({ length: workers }, () => run.worker());
    await stores[0]?.seed(urls(400, { hosts: 5 }), never);
    // Every third page is not a page: its place goes to another.
    let turn = 0;
    const skipSome = (claim: Claim): Outcome =>
      turn++ % 3 === 0 ? { claim, type: 'skipped', reason: 'NotHtml' } : done(claim);

    await Promise.all(stores.map((store) => workUntilFinished(store, slots, skipSome)));

    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot?.progress).toMatchObject({ total: 400, queued: 0, leased: 0, succeeded: 120, skipped: 280 });
    expect(snapshot?.skipReasons.MaxPages).toBe(280 - (snapshot?.skipReasons.NotHtml ?? 0));
    expect(snapshot?.outcome).toBe('Succeeded');
  });

  it('holds the limit of each source while the others go on, and lets retries keep their places', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({
      ...FAST,
      sources: [
        { name: 'small', urls: ['http://site.test/'], limits: { maxPages: 10 } },
        { name: 'large', urls: ['http://site.test/'] },
      ],
    });
    const stores = Array.from({ length: 4 }, () => run.worker());
    await stores[0]?.seed(
      [...urls(50, { source: 'small', prefix: 'small' }), ...urls(50, { source: 'large', prefix: 'large' })],
      never,
    );
    const retryOnce = (claim: Claim): Outcome =>
      claim.attempt === 1 ? { claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 20 } : done(claim);

    await Promise.all(stores.map((store) => workUntilFinished(store, 4, retryOnce)));

    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(
      snapshot?.sources.map((source) => [source.name, source.progress.succeeded, source.progress.skipped]),
    ).toEqual([
      ['small', 10, 40],
      ['large', 50, 0],
    ]);
  });

  it('claims what is nearest to the seeds first, whenever it was found, and retries before everything', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(3), never);
    const [first] = await claimSome(worker, 1);
    if (!first) throw new Error('nothing claimed');
    await worker.commit([done(first, urls(2, { prefix: 'deep', depth: 5 }))], never);
    const [second] = await claimSome(worker, 1);
    if (!second) throw new Error('nothing claimed');
    await worker.commit([done(second, urls(2, { prefix: 'near', depth: 1 }))], never);
    const [third] = await claimSome(worker, 1);
    if (!third) throw new Error('nothing claimed');
    const failed: Outcome = { claim: third, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 0 };
    await worker.commit([failed], never);

    const log = await workUntilFinished(worker, 1);

    const paths = log.claims.map((claim) => new URL(claim.url).pathname);
    expect(paths).toEqual(['/page2', '/near0', '/near1', '/deep0', '/deep1']);
  });

  it('offers a retry again when its delay is over, and not before', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const [claim] = await claimSome(worker, 1);
    if (!claim) throw new Error('nothing claimed');
    await worker.commit([{ claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 600_000 }], never);
    const { rows } = await installation.admin.query(
      `select attempts, extract(epoch from available_at - clock_timestamp())::float8 as seconds from request`,
    );
    expect(rows).toEqual([{ attempts: 1, seconds: expect.closeTo(600, -2) }]);
    expect(await worker.claim(1, never)).toEqual({ state: 'Wait', retryInMs: 250 });

    await installation.admin.query(`update request set available_at = clock_timestamp() - interval '1 ms'`);
    await installation.admin.query(
      `update lane set next_at = clock_timestamp() - interval '1 ms', retries_from = '-infinity'`,
    );
    expect(await claimSome(worker, 1)).toMatchObject([{ url: claim.url, attempt: 2 }]);
  });

  it('commits a batch whole or not at all', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(2), never);
    const [one, two] = await claimSome(worker, 2);
    if (!one || !two) throw new Error('not two claims');
    const tooLong = { source: 'site', url: `http://site.test/${'a'.repeat(2_048)}`, host: 'site.test', depth: 1 };
    const before = await countersAndTruth(installation, run.runId);

    const fails = worker.commit([done(one, urls(2, { prefix: 'new', depth: 1 })), done(two, [tooLong])], never);
    await expect(fails).rejects.toMatchObject({ reason: 'Refused' });
    expect(await countersAndTruth(installation, run.runId)).toEqual(before);

    expect((await worker.commit([done(one), done(two)], never)).size).toBe(2);
    expect(await worker.finish(never)).toBe(true);
  });

  it('makes a dead letter of what fails more than maxRetries times, with cause and history', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, fetch: { maxRetries: 2 } });
    const worker = run.worker();
    await worker.seed(urls(3), never);
    const failing = (claim: Claim): Outcome =>
      claim.url.endsWith('page1')
        ? { claim, type: 'retry', cause: 'HttpError', message: `503 at try ${claim.attempt}`, delayMs: 1 }
        : done(claim);

    await workUntilFinished(worker, 2, failing);

    const [letter, ...others] = await installation.operator.deadLetters(run.runId, 10, never);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ url: 'http://site.test/page1', cause: 'HttpError', message: '503 at try 3' });
    expect(letter?.history.map((failure) => failure.message)).toEqual(['503 at try 1', '503 at try 2', '503 at try 3']);
    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot).toMatchObject({ outcome: 'Partial', failureCauses: { HttpError: 1 } });
    expect(snapshot?.sources[0]).toMatchObject({ result: 'Partial' });
    expect(snapshot?.sources[0]?.message).toContain('503 at try 3');
  });

  it('fails a run whose pages all failed', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(3), never);
    await workUntilFinished(worker, 2, (claim) => ({
      claim,
      type: 'dead',
      cause: 'DnsError',
      message: 'no such host',
    }));
    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot).toMatchObject({ outcome: 'Failed', progress: { failed: 3 } });
  });

  it('does not follow links deeper than maxDepth', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxDepth: 1 } });
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const next = (claim: Claim) => [{ ...claim, url: `${claim.url}/deeper`, depth: claim.depth + 1 }];
    const log = await workUntilFinished(worker, 2, (claim) => done(claim, next(claim)));
    expect(log.claims.map((claim) => claim.depth)).toEqual([0, 1]);
  });

  it('seeds once however many workers try, and ends at once when there is nothing to crawl', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const workers = Array.from({ length: 6 }, () => run.worker());
    expect(await workers[0]?.finish(never)).toBe(false);
    const seeded = await Promise.all(workers.map((worker) => worker.seed(urls(20), never)));
    expect(seeded.filter(Boolean)).toHaveLength(1);

    const empty = await installation.createRun(FAST);
    const worker = empty.worker();
    await worker.seed([], never);
    expect(await worker.finish(never)).toBe(true);
    expect(await worker.claim(1, never)).toEqual({ state: 'Finished' });
    await expect(worker.deferHost('site.test', 1, never)).rejects.toMatchObject({ reason: 'RunFinished' });
  });

  it('is not finished while anything is leased or waits for its retry', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    expect(await worker.finish(never)).toBe(false);
    const [claim] = await claimSome(worker, 1);
    if (!claim) throw new Error('nothing claimed');
    expect(await worker.finish(never)).toBe(false);
    await worker.commit([{ claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 60_000 }], never);
    expect(await worker.finish(never)).toBe(false);
    expect(await worker.claim(1, never)).toMatchObject({ state: 'Wait' });
  });

  it('counts exactly what there is, through claims, retries, skips, losses, limits and dead letters', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 70 }, fetch: { maxRetries: 1 } });
    const workers = Array.from({ length: 5 }, () => run.worker());
    await workers[0]?.seed(urls(60, { hosts: 6 }), never);
    const endings: ((claim: Claim) => Outcome)[] = [
      (claim) => done(claim, urls(30, { hosts: 4, prefix: 'more', depth: 1 })),
      (claim) => ({ claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 5 }),
      (claim) => ({ claim, type: 'skipped', reason: 'RobotsDisallowed' }),
      (claim) => ({ claim, type: 'dead', cause: 'DnsError', message: 'no such host' }),
      (claim) => ({ claim, type: 'released' }),
    ];
    let turn = 0;
    const mixed = (claim: Claim): Outcome => endings[turn++ % 9]?.(claim) ?? done(claim);
    const compare = async (when: string) => {
      const [counted, stored] = await countersAndTruth(installation, run.runId);
      expect(counted, when).toEqual(stored);
      return counted;
    };

    for (let round = 0; round < 4; round += 1) {
      await Promise.all(
        workers.map(async (worker) => {
          const claims = await claimSome(worker, 4);
          // The last one stays leased.
          await worker.commit(claims.slice(0, -1).map(mixed), never);
        }),
      );
      await compare(`round ${round}`);
    }
    for (const worker of workers) await installation.operator.releaseWorker(run.runId, worker.workerId, never);
    await compare('after the loss of all workers');
    await Promise.all([run.worker(), run.worker()].map((worker) => workUntilFinished(worker, 4, mixed)));
    expect(await compare('at the end')).toMatchObject({ leased: 0, queued: 0, places: 70 });
  });

  it('stores what pages hold, even what Postgres cannot', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const [claim] = await claimSome(worker, 1);
    if (!claim) throw new Error('nothing claimed');
    const items = [{ title: 'a\0b \ud800 \\u0000 \u{1f600}', list: [1, null] }];
    await worker.commit([{ claim, type: 'done', items, links: [] }], never);
    const stored = await installation.operator.firstItems(run.runId, 100, never);
    expect(stored).toMatchObject([
      { source: 'site', url: claim.url, data: { title: 'a\ufffdb \ufffd \\u0000 \u{1f600}', list: [1, null] } },
    ]);
  });

  describe('leases', () => {
    it('come back when heartbeats stop, and not before', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      const worker = run.worker();
      await worker.seed(urls(5), never);
      await run.heartbeats(worker.workerId).beat(heartbeat, never);
      await claimSome(worker, 3);
      expect(await installation.operator.reapExpired(never)).toBe(0);

      await installation.admin.query(`update worker set lease_until = clock_timestamp() - interval '1 ms'`);
      // The operator has not been in touch with the database for the length of a lease: it may have been away.
      expect(await installation.operator.reapExpired(never)).toBe(0);
      await installation.admin.query('update run set lease_seconds = 1');
      await vi.waitFor(async () => expect(await installation.operator.reapExpired(never)).toBe(3), { timeout: 5_000 });
      expect(await installation.operator.reapExpired(never)).toBe(0);
      const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
      expect(snapshot?.progress).toMatchObject({ total: 5, queued: 5, leased: 0 });
    });

    it('of a dead worker are taken over by another without the operator', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      const dead = run.worker();
      const alive = run.worker();
      await dead.seed(urls(3), never);
      await claimSome(dead, 3);
      await run.heartbeats(alive.workerId).beat(heartbeat, never);
      await installation.admin.query(
        `update worker set lease_until = clock_timestamp() - interval '1 ms' where worker_id = $1`,
        [dead.workerId],
      );
      expect(await alive.claim(2, never)).toMatchObject({ state: 'Wait' });
      await installation.admin.query(`update worker set steady_since = clock_timestamp() - interval '1 hour'`);
      const log = await workUntilFinished(alive, 2);
      expect(log.claims.map((claim) => claim.attempt)).toEqual([1, 1, 1]);
    });

    it('lost ten times with their worker make a dead letter', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      for (let crash = 0; crash < 10; crash += 1) {
        const worker = run.worker();
        await worker.seed(urls(1), never);
        await claimSome(worker, 1);
        await installation.operator.releaseWorker(run.runId, worker.workerId, never);
      }
      const letters = await installation.operator.deadLetters(run.runId, 10, never);
      expect(letters).toMatchObject([{ cause: 'LeaseExpired' }]);
      expect(letters[0]?.history).toHaveLength(10);
      expect(await run.worker().finish(never)).toBe(true);
    });

    it('given back by a stopping worker count as nothing', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      const worker = run.worker();
      await worker.seed(urls(2), never);
      const claims = await claimSome(worker, 2);
      await worker.commit(
        claims.map((claim) => ({ claim, type: 'released' as const })),
        never,
      );
      const again = await claimSome(run.worker(), 2);
      expect(again.map((claim) => claim.attempt)).toEqual([1, 1]);
    });
  });

  describe('stopping', () => {
    it('is what claims and heartbeats answer, with the first reason', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      const worker = run.worker();
      const heartbeats = run.heartbeats(worker.workerId);
      await worker.seed(urls(2), never);
      expect(await heartbeats.beat(heartbeat, never)).toEqual({ finished: false, liveVersion: 0 });
      expect(await installation.operator.requestStop(run.runId, 'Shutdown', never)).toBe(true);
      expect(await installation.operator.requestStop(run.runId, 'TimedOut', never)).toBe(true);
      expect(await worker.claim(1, never)).toEqual({ state: 'Stopping', reason: 'Shutdown' });
      expect(await heartbeats.beat(heartbeat, never)).toEqual({
        finished: false,
        liveVersion: 0,
        stopReason: 'Shutdown',
      });
    });

    it('ends the run without its pods: leases freed, token revoked, nothing written any more', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      const worker = run.worker();
      await worker.seed(urls(3), never);
      const claims = await claimSome(worker, 2);
      const [first] = claims;
      if (!first) throw new Error('nothing claimed');
      await worker.commit([done(first)], never);

      const { operator } = installation;
      expect(await operator.finishStopped(run.runId, 'TimedOut', 'ran too long', never)).toBe(true);
      expect(await operator.finishStopped(run.runId, 'Stopped', 'again', never)).toBe(false);
      const snapshot = (await operator.snapshots(never, [run.runId])).get(run.runId);
      expect(snapshot).toMatchObject({
        state: 'Finished',
        outcome: 'TimedOut',
        progress: { total: 3, succeeded: 1, leased: 0, queued: 2 },
        sources: [{ result: 'Stopped' }],
      });
      expect(snapshot?.message).toBe('ran too long');
      await expect(
        worker.commit(
          claims.map((claim) => done(claim)),
          never,
        ),
      ).rejects.toMatchObject({
        reason: 'TokenRefused',
      });
      await expect(worker.claim(1, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
    });
  });
});
