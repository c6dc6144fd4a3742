// Who may write the file of a run, and how the run ends with it: leases with a fence, and one result.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  heartbeat,
  type Installation,
  install,
  never,
  type TestRun,
  urls,
  workUntilFinished,
} from './fixture.ts';

const OUTPUT = { ...FAST, output: { volumeClaim: 'results' } } as const;
const FILE = { path: 'shop.jsonl', bytes: 12, items: 3, sha256: 'abc' };

describe.each(POSTGRES_VERSIONS)('the output of a run on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  let installation: Installation;

  beforeAll(async () => {
    server = await startPostgres(version);
    installation = await install(server);
  });
  afterAll(async () => {
    await installation[Symbol.asyncDispose]();
    await server.stop();
  });

  const snapshotOf = async (run: TestRun) => (await installation.operator.snapshots(never, [run.runId])).get(run.runId);

  /** A run whose three pages are crawled, and two of its workers. */
  async function crawled() {
    const run = await installation.createRun(OUTPUT);
    const [one, two] = [run.worker(), run.worker()];
    await one.seed(urls(3), never);
    await workUntilFinished(one);
    return { run, one, two };
  }

  async function fenceOf(worker: ReturnType<TestRun['worker']>): Promise<string> {
    const lease = await worker.leaseOutput(never);
    if (lease.state !== 'Leased') throw new Error(`not leased: ${lease.state}`);
    return lease.fence;
  }

  it('keeps the run from ending until it is settled', async () => {
    const { run, one, two } = await crawled();
    expect(await two.finish(never)).toBe(true);
    expect(await snapshotOf(run)).toMatchObject({ state: 'Accepted', output: { due: true, settled: false } });
    expect(await one.settleOutput(await fenceOf(one), FILE, never)).toBe(true);
    expect(await snapshotOf(run)).toMatchObject({
      state: 'Finished',
      outcome: 'Succeeded',
      output: { due: true, settled: true, ...FILE },
    });
    expect(await two.leaseOutput(never)).toEqual({ state: 'Finished' });
  });

  it('is for nobody before the crawl is over', async () => {
    const run = await installation.createRun(OUTPUT);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    await expect(worker.leaseOutput(never)).rejects.toMatchObject({ message: expect.stringContaining('not due') });
  });

  it('is one worker at a time for, as long as that gives heartbeats', async () => {
    const { run, one, two } = await crawled();
    const held = await fenceOf(one);
    expect(await two.leaseOutput(never)).toMatchObject({ state: 'Wait' });
    await installation.admin.query(
      `update worker set lease_until = clock_timestamp() - interval '1 s' where worker_id = $1`,
      [one.workerId],
    );
    const taken = await fenceOf(two);
    expect(await one.outputItems(held, undefined, never)).toBeUndefined();
    expect(await one.outputFields(held, never)).toBeUndefined();
    expect(await one.settleOutput(held, { error: 'too late' }, never)).toBe(false);
    expect((await two.outputItems(taken, undefined, never))?.length).toBe(3);
    expect(await two.settleOutput(taken, FILE, never)).toBe(true);
    expect(await one.settleOutput(held, { error: 'too late' }, never)).toBe(true);
    expect((await snapshotOf(run))?.output).toMatchObject(FILE);
  });

  it('goes to the next worker at once when it is handed back, or its pod is gone', async () => {
    const { run, one, two } = await crawled();
    await one.releaseOutput(await fenceOf(one), never);
    await fenceOf(two);
    await installation.operator.releaseWorker(run.runId, two.workerId, never);
    expect(await two.leaseOutput(never)).toEqual({ state: 'Stopping' });
    await fenceOf(one);
  });

  it('gives the items of its own run, in their order, page by page', async () => {
    const { one } = await crawled();
    await crawled();
    const fence = await fenceOf(one);
    const first = await one.outputItems(fence, undefined, never);
    expect(first?.every(({ source, url, data }) => source === 'site' && data['url'] === url)).toBe(true);
    expect(first?.map(({ url }) => url).toSorted()).toEqual([0, 1, 2].map((page) => `http://site.test/page${page}`));
    expect((await one.outputItems(fence, first?.[1]?.id, never))?.length).toBe(1);
    expect(await one.outputItems(fence, first?.[2]?.id, never)).toEqual([]);
    expect(await one.outputFields(fence, never)).toEqual(['url']);
  });

  it('gives huge items a few at a time', async () => {
    const run = await installation.createRun(OUTPUT);
    const worker = run.worker();
    await worker.seed(urls(8), never);
    const text = Array.from({ length: 1_000_000 }, () => String.fromCharCode(33 + Math.random() * 90)).join('');
    await workUntilFinished(worker, 1, (claim) => ({ ...done(claim), items: [{ text }] }) as ReturnType<typeof done>);
    const items = await worker.outputItems(await fenceOf(worker), undefined, never);
    expect(items?.length).toBeGreaterThan(0);
    expect(items?.length).toBeLessThan(8);
  });

  it('ends the run as failed when it could not be written, with the reason', async () => {
    const { run, one } = await crawled();
    await one.settleOutput(await fenceOf(one), { error: 'the volume is full' }, never);
    const snapshot = await snapshotOf(run);
    expect(snapshot).toMatchObject({ outcome: 'Failed', output: { error: 'the volume is full' } });
    expect(snapshot?.message).toContain('the output was not written: the volume is full');
    expect(snapshot?.sources).toMatchObject([{ result: 'Succeeded' }]);
  });

  it.each(['Stopped', 'TimedOut'] as const)('is written of a run that was ended early: %s', async (outcome) => {
    const run = await installation.createRun(OUTPUT);
    const worker = run.worker();
    await worker.seed(urls(5), never);
    const [claim, held] = await claimSome(worker, 2);
    if (!claim || !held) throw new Error('two claims');
    await worker.commit([done(claim)], never);
    await installation.operator.requestStop(run.runId, 'Shutdown', never);
    const beats = run.heartbeats(worker.workerId);
    expect(await beats.beat(heartbeat, never)).toMatchObject({ stopReason: 'Shutdown' });
    expect(await installation.operator.closeCrawl(run.runId, outcome, 'as asked', never)).toBe(true);

    const writer = run.worker();
    expect(await run.heartbeats(writer.workerId).beat(heartbeat, never)).toEqual({ finished: false, liveVersion: 0 });
    expect(await writer.finish(never)).toBe(true);
    expect(await worker.commit([done(held)], never)).toEqual(new Set());
    expect(await writer.claim(1, never)).toMatchObject({ state: 'Stopping' });
    const fence = await fenceOf(writer);
    expect((await writer.outputItems(fence, undefined, never))?.length).toBe(1);
    await writer.settleOutput(fence, FILE, never);
    const snapshot = await snapshotOf(run);
    expect(snapshot).toMatchObject({ outcome, output: FILE, progress: { items: 1, leased: 0 } });
    expect(snapshot?.message).toContain('as asked');
  });

  it('does not keep the operator from ending the run without it', async () => {
    const { run, one } = await crawled();
    const fence = await fenceOf(one);
    expect(await installation.operator.finishStopped(run.runId, 'Failed', 'no pod gets it done', never)).toBe(true);
    expect(await snapshotOf(run)).toMatchObject({
      outcome: 'Failed',
      output: { settled: true, error: 'no pod gets it done' },
    });
    await expect(one.settleOutput(fence, FILE, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
  });

  it('is not there for a run that asks for none', async () => {
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1), never);
    expect(await installation.operator.closeCrawl(run.runId, 'Stopped', '', never)).toBe(false);
    await workUntilFinished(worker);
    const snapshot = await snapshotOf(run);
    expect(snapshot?.outcome).toBe('Succeeded');
    expect(snapshot?.output).toBeUndefined();
  });
});
