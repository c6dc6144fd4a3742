// What the holder of a run's token can do to others with the functions that it may call: each has its bound.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { urlKey } from '#src/gateway/protocol/url-key.ts';
import type { Claim, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, heartbeat, type Installation, install, never, type TestRun, urls } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

type Scene = {
  readonly installation: Installation;
  readonly run: TestRun;
  readonly worker: WorkerStore & { readonly workerId: string };
  readonly claim: Claim;
  /** A call as the token's holder may make it, past the crawler's own code. */
  call(name: string, ...values: readonly unknown[]): Promise<unknown>;
  count(what: string): Promise<number>;
};

const strangeLinks = (host: string) =>
  JSON.stringify([{ ...{ key: randomUUID(), url: 'http://strange.test/', host, source: 'site', depth: 1 } }]);

const TOO_MUCH = { code: 'TR004' };
const TOO_MUCH_AT_ONCE = { code: '53300' };

test.each<[string, (scene: Scene) => Promise<void>]>([
  [
    'links without an outcome are none',
    async ({ run, worker, call, count }) => {
      const commit = (outcomes: string) =>
        call('commit_outcomes', run.token, worker.workerId, outcomes, strangeLinks('strange.test'), null);
      expect(await commit('[]')).toEqual([]);
      const foreign = [{ key: randomUUID(), token: randomUUID(), type: 'done', items: [] }];
      expect(await commit(JSON.stringify(foreign))).toEqual([]);
      expect(await count(`request where url like '%strange%'`)).toBe(0);
      expect(await count(`host where name like '%strange%'`)).toBe(0);
    },
  ],
  [
    'links found at a request that is not ours go with it',
    async ({ run, worker, claim, call, count }) => {
      const outcomes = [
        { key: claim.requestId, token: claim.leaseToken, type: 'done', items: [] },
        { key: urlKey('http://site.test/page1'), token: randomUUID(), type: 'done', items: [] },
      ];
      const links = [
        {
          key: randomUUID(),
          url: 'http://strange.test/',
          host: 'strange.test',
          source: 'site',
          depth: 1,
          from: [urlKey('http://site.test/page1')],
        },
      ];
      expect(
        await call(
          'commit_outcomes',
          run.token,
          worker.workerId,
          JSON.stringify(outcomes),
          JSON.stringify(links),
          null,
        ),
      ).toEqual([claim.requestId]);
      expect(await count(`request where url like '%strange%'`)).toBe(0);
    },
  ],
  [
    'a run that is over takes no links',
    async ({ installation, run, worker, claim, call, count }) => {
      await installation.admin.query(`update run set finished_at = now(), outcome = 'Stopped'`);
      const outcomes = [{ key: urlKey('http://site.test/page1'), token: randomUUID(), type: 'done', items: [] }];
      const links = strangeLinks('strange.test');
      await call('commit_outcomes', run.token, worker.workerId, JSON.stringify(outcomes), links, null);
      await call('commit_outcomes', run.token, worker.workerId, '[]', links, null);
      await expect(
        call('add_links', run.token, worker.workerId, claim.requestId, claim.leaseToken, links, null),
      ).rejects.toMatchObject({ code: 'TR002' });
      expect(await count(`request where url like '%strange%'`)).toBe(0);
    },
  ],
  [
    'a run of one worker has 1,020 of them at most, one after another, by heartbeats and by claims',
    async ({ installation, run, worker, call, count }) => {
      await installation.admin.query(
        'insert into worker (run_id, worker_id) select $1, gen_random_uuid() from generate_series(1, 1018)',
        [run.runId],
      );
      const beat = (workerId: string) => call('write_heartbeat', run.token, workerId, JSON.stringify(heartbeat));
      await beat(randomUUID());
      await expect(beat(randomUUID())).rejects.toMatchObject(TOO_MUCH);
      await expect(call('claim_requests', run.token, randomUUID(), 1, 0, 0, null, null, null)).rejects.toMatchObject(
        TOO_MUCH,
      );
      await beat(worker.workerId);
      expect(await count('worker')).toBe(1_020);
    },
  ],
  [
    'a run of one worker has 22 of them at once, and others when those are gone',
    async ({ installation, run, worker, call, count }) => {
      const beat = (workerId: string) => call('write_heartbeat', run.token, workerId, JSON.stringify(heartbeat));
      const claim = () => call('claim_requests', run.token, randomUUID(), 1, 0, 0, null, null, null);
      const others = Array.from({ length: 21 }, () => randomUUID());
      for (const other of others) await beat(other);
      await expect(beat(randomUUID())).rejects.toMatchObject(TOO_MUCH_AT_ONCE);
      await expect(claim()).rejects.toMatchObject(TOO_MUCH_AT_ONCE);
      await beat(worker.workerId);
      await installation.operator.releaseWorker(run.runId, others[0] ?? '', never);
      await claim();
      await installation.admin.query('update worker set lease_until = now() where worker_id = $1', [others[1]]);
      await beat(randomUUID());
      expect(await count('worker')).toBe(24);
    },
  ],
  [
    'a host is taken for an hour ahead at most',
    async ({ installation, run, call }) => {
      await installation.admin.query(`update host set crawl_delay_ms = 60000; update run set delay_ms = 60000`);
      for (let place = 0; place < 80; place++) await call('reserve_host', run.token, 'site.test', 0);
      const { rows } = await installation.admin.query<{ minutes: number }>(
        `select extract(epoch from next_at - now())::float8 / 60 as minutes from host where name = 'site.test'`,
      );
      expect(rows[0]?.minutes).toBeGreaterThan(58);
      expect(rows[0]?.minutes).toBeLessThan(62);
    },
  ],
  [
    'a run names 10,000 hosts otherwise than by links',
    async ({ installation, run, call, count }) => {
      await installation.admin.query('update run set hosts_made = 9999');
      await call('reserve_host', run.token, 'new.test', 0);
      await expect(call('reserve_host', run.token, 'newer.test', 0)).rejects.toMatchObject(TOO_MUCH);
      await expect(call('write_robots', run.token, 'newer.test', 'allow', null, 0)).rejects.toMatchObject(TOO_MUCH);
      await call('reserve_host', run.token, 'new.test', 0);
      expect(await count(`host where name like 'new%'`)).toBe(1);
    },
  ],
  [
    'a host has a name of 2,048 characters at most, also by links',
    async ({ run, worker, claim, call, count }) => {
      await call('reserve_host', run.token, 'h'.repeat(2_048), 0);
      await expect(call('reserve_host', run.token, 'h'.repeat(2_049), 0)).rejects.toMatchObject(TOO_MUCH);
      const link = (host: string) =>
        call('add_links', run.token, worker.workerId, claim.requestId, claim.leaseToken, strangeLinks(host), null);
      await expect(link('i'.repeat(2_049))).rejects.toMatchObject(TOO_MUCH);
      await link('i'.repeat(2_048));
      expect(await count('host where length(name) > 2048')).toBe(0);
    },
  ],
  [
    'a number of moves that is none fails no call, its own nor those that follow',
    async ({ run, worker, claim, call, count }) => {
      await call('move_scope', run.token, 'site', 'http://moved.test/');
      const facts = { scopeMoves: 'many' };
      const outcomes = [{ key: claim.requestId, token: claim.leaseToken, type: 'done', items: [], facts }];
      expect(await call('commit_outcomes', run.token, worker.workerId, JSON.stringify(outcomes), '[]', null)).toEqual([
        claim.requestId,
      ]);
      await call('move_scope', run.token, 'site', 'http://moved-again.test/');
      expect(await claimSome(worker, 1)).toHaveLength(1);
      expect(await count(`request where state = 'done'`)).toBe(1);
    },
  ],
  [
    'kinds of what was left out, and of failures, are a hundred at most, and none is lost',
    async ({ installation, run, worker, claim, call }) => {
      const kinds = (from: number, count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_value, kind) => [`Kind${from + kind}`, 2]));
      const commit = ({ requestId, leaseToken }: Claim, leftOut: object) => {
        const outcome = { key: requestId, token: leaseToken, type: 'dead', cause: 'Timeout', leftOut };
        return call('commit_outcomes', run.token, worker.workerId, JSON.stringify([outcome]), '[]', null);
      };
      await commit(claim, kinds(0, 60));
      const [next] = await claimSome(worker, 1);
      if (next) await commit(next, kinds(50, 500));
      const { rows } = await installation.admin.query(
        `select count(*)::int as kinds, sum(value::int)::int as left_out, (
           select value::int from progress cross join lateral jsonb_each_text(skipped_by) where key = 'Kind55') as both,
           (select failed_by from progress where failed > 0) as failed_by
         from progress cross join lateral jsonb_each_text(skipped_by)`,
      );
      expect(rows).toEqual([{ kinds: 101, left_out: 1_120, both: 4, failed_by: { Timeout: 2 } }]);
    },
  ],
])('%s', async (_, check) => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(2), never);
  const [claim] = await claimSome(worker, 1);
  if (!claim) throw new Error('no claim');
  const { admin } = installation;
  await check({
    installation,
    run,
    worker,
    claim,
    async call(name, ...values) {
      const places = values.map((_value, index) => `$${index + 1}`).join(', ');
      return (await admin.query(`select ${name}(${places}) as answer`, [...values])).rows[0]?.answer;
    },
    async count(what) {
      return (await admin.query<{ n: number }>(`select count(*)::int as n from ${what}`)).rows[0]?.n ?? -1;
    },
  });
});
