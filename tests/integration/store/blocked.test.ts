// Hosts that refuse pages: slowed down for everybody in the scope, told of in the run, and given up when all refuse.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, install, never, urls } from './fixture.ts';

const blocked = (claim: Claim): Outcome => ({ claim, type: 'retry', cause: 'Blocked', message: 'x', delayMs: 0 });
const failed = (claim: Claim): Outcome => ({ claim, type: 'retry', cause: 'Timeout', message: 'x', delayMs: 0 });

describe.each(POSTGRES_VERSIONS)('blocked hosts on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  it('are asked more slowly by every run of the scope, and faster again after pages', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const [refused, other] = [one.worker(), two.worker()];
    await other.seed(urls(40), never);
    const spacing = async () => {
      const { rows } = await installation.admin.query(
        'select host_spacing(0.1, 0, slowdown) as ms from host where name = $1',
        ['site.test'],
      );
      return rows[0].ms;
    };
    expect(await spacing()).toBe(0.1);
    for (let count = 0; count < 2; count++) await refused.reportBlock('site.test', 'a captcha', never);
    expect(await spacing()).toBe(1_000);
    const [first] = await claimSome(other, 1);
    expect(first?.isTroubled).toBe(true);
    expect((await other.reserveHost('site.test', never)).from).toBeGreaterThan(performance.now() + 500);

    for (let count = 0; count < 10; count++) await other.reportAnswer('site.test', never);
    expect(await spacing()).toBe(500);
    for (let count = 0; count < 9; count++) await other.reportAnswer('site.test', never);
    await refused.reportBlock('site.test', 'a captcha', never);
    expect(await spacing()).toBe(1_000);
    for (let count = 0; count < 100; count++) await refused.reportBlock('site.test', 'a captcha', never);
    expect(await spacing()).toBe(4_000);
    for (let count = 0; count < 40; count++) await other.reportAnswer('site.test', never);
    expect(await spacing()).toBe(0.1);
    await other.reportAnswer('unknown.test', never);
  });

  it('cost a page none of its retries, and three of their own', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, fetch: { maxRetries: 1 } });
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const seen: [number, number][] = [];
    const attempt = async (outcome: (claim: Claim) => Outcome) => {
      const [claim] = await claimSome(worker, 1);
      if (claim === undefined) throw new Error('nothing was claimed');
      seen.push([claim.attempt, claim.blocks ?? 0]);
      await worker.commit([outcome(claim)], never);
    };
    for (const outcome of [blocked, failed, blocked, blocked, blocked]) await attempt(outcome);
    expect(seen).toEqual([
      [1, 0],
      [1, 1],
      [2, 1],
      [2, 2],
      [2, 3],
    ]);
    expect(await worker.finish(never)).toBe(true);
    const snapshot = (await installation.operator.snapshots(never, [run.runId])).get(run.runId);
    expect(snapshot).toMatchObject({ outcome: 'Failed', failureCauses: { Blocked: 1 } });
  });

  it('make a run hopeless when every active source is refused, not before', async () => {
    await using installation = await install(server);
    const source = (name: string, active = true) => ({ name, active, urls: [`http://${name}.test/`] });
    const sources = [source('one'), source('two'), source('off', false)];
    const run = await installation.createRun({ ...FAST, sources });
    const worker = run.worker();
    const two = { source: 'two', url: 'http://two.test/', host: 'two.test', depth: 0 };
    await worker.seed([...urls(5, { source: 'one' }), two], never);
    const isHopeless = () => worker.areAllSourcesBlocked(3, never);
    const claims: Claim[] = [];
    while (claims.length < 6) claims.push(...(await claimSome(worker, 6)));
    expect(await isHopeless()).toBe(false);
    for (let count = 0; count < 3; count++) await worker.reportBlock('site.test', 'a captcha', never);
    expect(await isHopeless()).toBe(false);
    const lost = claims.find((claim) => claim.source === 'two') as Claim;
    await worker.commit([{ claim: lost, type: 'dead', cause: 'Blocked', message: 'x' }], never);
    expect(await isHopeless()).toBe(true);
    expect(await worker.areAllSourcesBlocked(4, never)).toBe(false);
    await worker.commit([done(claims.find((claim) => claim.source === 'one') as Claim)], never);
    expect(await isHopeless()).toBe(false);
  });

  it('go by the proxy after enough failures in a row, for a while, for every run of the scope', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, proxy: { urlSecretRef: { name: 'p' }, mode: 'Auto' } });
    const [one, two] = [run.worker(), run.worker()];
    await one.seed(urls(9), never);
    const failure = { failureThreshold: 3, cooldownMs: 60_000, evidence: '3 tries failed' };
    const fail = (worker = one) => worker.reportFailure('site.test', failure, never);
    expect([await fail(), await fail(two)]).toEqual([false, false]);
    expect((await claimSome(one, 1))[0]).toMatchObject({ isTroubled: true });
    await two.reportAnswer('site.test', never);
    expect([await fail(), await fail(), await fail(two)]).toEqual([false, false, true]);
    const [claim] = await claimSome(two, 1);
    expect(claim).toMatchObject({ viaProxy: true });
    expect(claim).not.toHaveProperty('isTroubled');
    expect(await fail()).toBe(false);
    const blockedHosts = async () =>
      (await installation.operator.snapshots(never, [run.runId])).get(run.runId)?.blockedHosts;
    const host = { host: 'site.test', refusals: 0, evidence: '3 tries failed', slowdown: 1 };
    expect(await blockedHosts()).toEqual([{ ...host, viaProxy: true }]);
    await installation.admin.query(`update host set proxy_until = clock_timestamp() where name = 'site.test'`);
    expect((await claimSome(two, 1))[0]).not.toHaveProperty('viaProxy');
    expect(await blockedHosts()).toEqual([{ ...host, viaProxy: false }]);
  });

  it('are kept with what was seen of them', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    await worker.reportBlock('site.test', 'a Cloudflare challenge', never);
    await worker.reportBlock('site.test', 'another', never);
    const { rows } = await installation.admin.query('select blocks, evidence from blocked_host where run_id = $1', [
      run.runId,
    ]);
    expect(rows).toEqual([{ blocks: 2, evidence: 'a Cloudflare challenge' }]);
    await worker.commit([done((await claimSome(worker, 1))[0] as Claim)], never);
    expect(await worker.finish(never)).toBe(true);
    await expect(worker.reportBlock('site.test', 'x', never)).rejects.toMatchObject({ reason: 'RunFinished' });
  });

  it('are kept apart from spider traps, of which a run keeps the first 100 patterns, each once', async () => {
    await using installation = await install(server);
    const [one, two] = [await installation.createRun(FAST), await installation.createRun(FAST)];
    const trap = { kind: 'Calendar', pattern: 'site.test/{date}', url: 'http://site.test/2199' } as const;
    const [first, second] = [one.worker(), one.worker()];
    await first.reportTrap(trap, never);
    await second.reportTrap({ ...trap, url: 'http://site.test/2200' }, never);
    const long = `site.test/${'x'.repeat(3_000)}\0`;
    await second.reportTrap({ kind: 'RepeatingPath', pattern: long, url: `http://${long}` }, never);
    for (let number = 0; number < 120; number++) {
      await first.reportTrap(
        { kind: 'Combinations', pattern: `site.test/${number}?…`, url: 'http://site.test/' },
        never,
      );
    }
    const trapsOf = async (runId: string) =>
      (await installation.operator.snapshots(never, [runId])).get(runId)?.spiderTraps;
    expect((await trapsOf(one.runId))?.slice(0, 3)).toEqual([
      trap,
      { kind: 'RepeatingPath', pattern: long.slice(0, 500), url: `http://${long}`.slice(0, 2_048) },
      { kind: 'Combinations', pattern: 'site.test/0?…', url: 'http://site.test/' },
    ]);
    expect(await trapsOf(one.runId)).toHaveLength(20);
    expect(await trapsOf(two.runId)).toEqual([]);
    const { rows } = await installation.admin.query('select count(*)::int as kept from spider_trap');
    expect(rows).toEqual([{ kept: 100 }]);
    await installation.operator.finishStopped(one.runId, 'Stopped', 'enough', never);
    await expect(first.reportTrap(trap, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
  });
});
