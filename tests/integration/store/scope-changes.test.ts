// Patterns and depth of a run that are edited while it lives: what it knows is held against them part by part, and the counters
// are right at every moment.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim, Discovery, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { type CrawlRunSpec, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createServerStore } from '#src/store/server-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  countersAndTruth,
  done,
  FAST,
  type Installation,
  install,
  never,
  SCHEMA,
  type TestRun,
  urls,
  workUntilFinished,
} from './fixture.ts';

/** The run's spec with other patterns and depth. */
function specWith(
  { spec }: TestRun,
  { exclude, maxDepth }: { exclude?: string[]; maxDepth?: number | null },
): CrawlRunSpec {
  const limits = { ...spec.limits, ...(maxDepth == null ? {} : { maxDepth }) };
  if (maxDepth === null) delete limits.maxDepth;
  const sources = spec.sources.map((source) => ({
    ...source,
    scope: { ...source.scope, exclude: exclude ?? source.scope.exclude },
  }));
  return crawlRunSpec.parse({ ...spec, limits, sources });
}

async function expectExact(installation: Installation, runId: string): Promise<void> {
  const [counted, truth] = await countersAndTruth(installation, runId);
  expect(counted).toEqual(truth);
}

/** All parts that are left, with the counters held against the truth after each. */
async function review(installation: Installation, runId: string): Promise<number> {
  for (let parts = 1; ; parts++) {
    const isLeft = await installation.operator.reviewQueue(runId, never);
    await expectExact(installation, runId);
    if (!isLeft) return parts;
  }
}

async function statesOf({ admin }: Installation, runId: string): Promise<Record<string, number>> {
  const { rows } = await admin.query<{ state: string; n: number }>(
    `select concat_ws(' ', state, case when state = 'skipped' then reason end) as state, count(*)::int as n
     from request where run_id = $1 group by 1`,
    [runId],
  );
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
}

describe.each(POSTGRES_VERSIONS)('a scope that is changed on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  it('skips what is excluded in the middle, finishes what is held, and queues it again when that is taken back', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    const worker = run.worker();
    await worker.seed(
      [...urls(2_500, { prefix: 'old/', depth: 1 }), ...urls(2_500, { prefix: 'new/', depth: 1 })],
      never,
    );
    const held = await claimSome(worker, 20);
    expect(held.every(({ url }) => url.includes('/old/'))).toBe(true);
    const [failing, ...others] = held;
    await worker.commit(
      [{ type: 'retry', claim: failing as Claim, cause: 'Timeout', message: 'slow', delayMs: 0 }],
      never,
    );

    const exclude = ['**/old/**'];
    expect(
      await operator.changeRun({ runId: run.runId, spec: specWith(run, { exclude }), specGeneration: 2 }, never),
    ).toEqual(['sources[site].scope.exclude: [] -> ["**/old/**"]']);
    expect(await operator.snapshot(run.runId, never)).toMatchObject({ isUnderReview: true });
    expect(await review(installation, run.runId)).toBeGreaterThan(2);
    expect(await statesOf(installation, run.runId)).toEqual({ leased: 19, queued: 2_500, 'skipped Excluded': 2_481 });
    const between = await operator.snapshot(run.runId, never);
    expect(between).toMatchObject({ isUnderReview: false, skipReasons: { Excluded: 2_481 } });
    await worker.commit(
      others.map((claim) => done(claim)),
      never,
    );
    await expectExact(installation, run.runId);

    const spec = specWith(run, { exclude: [] });
    await operator.changeRun({ runId: run.runId, spec, specGeneration: 3 }, never);
    await review(installation, run.runId);
    expect(await statesOf(installation, run.runId)).toEqual({ done: 19, queued: 4_981 });
    const { claims, refused } = await workUntilFinished(worker, 400);
    expect(refused).toEqual([]);
    expect(new Set(claims.map(({ url }) => url)).size).toBe(4_981);
    const end = await operator.snapshot(run.runId, never);
    expect(end).toMatchObject({ state: 'Finished', progress: { succeeded: 5_000, skipped: 0, items: 5_000 } });
    expect(end?.skipReasons).toEqual({});
    await expectExact(installation, run.runId);
  });

  it('goes on where the operator before had come, and the run does not end meanwhile', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    const worker = run.worker();
    await worker.seed(urls(5_000, { prefix: 'old/', depth: 1 }), never);
    const spec = specWith(run, { exclude: ['**/old/**'] });
    await installation.operator.changeRun({ runId: run.runId, spec, specGeneration: 2 }, never);
    expect(await installation.operator.reviewQueue(run.runId, never)).toBe(true);
    const { 'skipped Excluded': first = 0, queued = 0 } = await statesOf(installation, run.runId);
    expect([first > 0, queued > 0]).toEqual([true, true]);

    const next = createOperatorStore({
      databaseUrl: installation.database.ownerUrl,
      schema: SCHEMA,
      logger: createLogger('test', 'fatal'),
    });
    try {
      expect(await next.reviewQueue(run.runId, never)).toBe(true);
      expect(await statesOf(installation, run.runId)).toMatchObject({ 'skipped Excluded': 2 * first });
      // Taken back in the middle: it begins anew, and brings back what the first has skipped.
      const before = specWith(run, {});
      await next.changeRun({ runId: run.runId, spec: before, specGeneration: 3 }, never);
      await installation.admin.query(`update lane set next_at = 'infinity' where run_id = $1`, [run.runId]);
      expect(await worker.finish(never)).toBe(false);
      while (await next.reviewQueue(run.runId, never));
      expect(await statesOf(installation, run.runId)).toEqual({ queued: 5_000 });
      await expectExact(installation, run.runId);
    } finally {
      await next.close();
    }
  });

  it('is previewed by the login of the API server: what the change would do, and nothing is changed', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
    const worker = run.worker();
    await worker.seed(
      [...urls(2_500, { prefix: 'old/', depth: 1 }), ...urls(50, { prefix: 'deep/', depth: 4 })],
      never,
    );
    const databaseUrl = await installation.operator.serverDatabaseUrl(never);
    const api = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
    try {
      const name = `run-${run.runId.slice(0, 8)}`;
      const preview = (change: { exclude?: string[]; maxDepth?: number | null }) =>
        api.previewChange('default', name, specWith(run, change), never);
      const counts = { Excluded: 2_500, MaxDepth: 50, QueueAgain: 0, ReadAgain: 0 };
      const edit = { exclude: ['**/old/**'], maxDepth: 3 };
      expect(await preview(edit)).toMatchObject({ ...counts, skipped: { length: 20 } });
      expect(await statesOf(installation, run.runId)).toEqual({ queued: 2_550 });
      await installation.operator.changeRun({ runId: run.runId, spec: specWith(run, edit), specGeneration: 2 }, never);
      await review(installation, run.runId);
      expect(await preview({})).toMatchObject({ Excluded: 0, MaxDepth: 0, QueueAgain: 2_550, skipped: [] });
      expect(await preview({ exclude: ['**/page1*'], maxDepth: null })).toMatchObject({ QueueAgain: 2_550 });
      expect(await api.previewChange('default', 'another', run.spec, never)).toBeUndefined();
    } finally {
      await api.close();
    }
  });

  it('does not end while something may be queued again', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed([...urls(1), ...urls(3, { prefix: 'old/', depth: 1 })], never);
    const change = async (exclude: string[], specGeneration: number) =>
      installation.operator.changeRun({ runId: run.runId, spec: specWith(run, { exclude }), specGeneration }, never);
    await change(['**/old/**'], 2);
    await review(installation, run.runId);
    await worker.commit(
      (await claimSome(worker, 5)).map((claim) => done(claim)),
      never,
    );
    await change([], 3);
    expect(await worker.finish(never)).toBe(false);
    await review(installation, run.runId);
    expect(await worker.finish(never)).toBe(false);
    expect((await workUntilFinished(worker)).claims).toHaveLength(3);
  });

  it('what was judged by a change before the last one is judged again, and what the last one excludes is kept', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(3), never);
    const change = async (exclude: string[], specGeneration: number) => {
      await installation.operator.changeRun(
        { runId: run.runId, spec: specWith(run, { exclude }), specGeneration },
        never,
      );
      await review(installation, run.runId);
    };
    await change(['**/old/**', '**/page1'], 2);
    await change(['**/old/**'], 3);
    const claims = await claimSome(worker, 3);
    const [first, second, third] = claims;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three were seeded');
    const link = (name: string, excludedBy?: number): Discovery => ({
      ...{ source: 'site', url: `http://site.test/old/${name}`, host: 'site.test', depth: 1 },
      ...(excludedBy === undefined ? {} : { excludedBy }),
    });
    const outcomes: Outcome[] = [
      { type: 'skipped', claim: first, reason: 'Excluded', judgedBy: 1 },
      { type: 'skipped', claim: second, reason: 'Excluded', judgedBy: 2 },
      done(third, [link('judged-before', 1), link('judged-now', 2), link('unjudged')]),
    ];
    expect((await worker.commit(outcomes, never)).size).toBe(3);
    await expectExact(installation, run.runId);
    const { rows } = await installation.admin.query<{ url: string; state: string }>(
      'select url, state from request where run_id = $1 order by url',
      [run.runId],
    );
    expect(Object.fromEntries(rows.map(({ url, state }) => [url, state]))).toEqual({
      [first.url]: 'queued',
      [second.url]: 'skipped',
      [third.url]: 'done',
      'http://site.test/old/judged-before': 'queued',
      'http://site.test/old/judged-now': 'skipped',
      'http://site.test/old/unjudged': 'queued',
    });
    expect(await installation.operator.snapshot(run.runId, never)).toMatchObject({ skipReasons: { Excluded: 2 } });
  });

  it('links found by an earlier, higher depth limit are kept as skipped, and crawled when it is raised again', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(1, { depth: 1 }), never);
    const change = async (maxDepth: number, specGeneration: number) => {
      await installation.operator.changeRun(
        { runId: run.runId, spec: specWith(run, { maxDepth }), specGeneration },
        never,
      );
      await review(installation, run.runId);
    };
    const [claim] = await claimSome(worker, 1);
    if (claim === undefined) throw new Error('one was seeded');
    await change(1, 2);
    const links = [
      ...urls(3, { depth: 2, prefix: 'deep' }),
      { ...(urls(1)[0] as Discovery), url: 'http://site.test/near' },
    ];
    await worker.commit([done(claim, links)], never);
    await expectExact(installation, run.runId);
    expect(await statesOf(installation, run.runId)).toEqual({ done: 1, queued: 1, 'skipped MaxDepth': 3 });
    expect(await installation.operator.snapshot(run.runId, never)).toMatchObject({ skipReasons: { MaxDepth: 3 } });
    await change(2, 3);
    expect((await workUntilFinished(worker)).claims).toHaveLength(4);
    expect(await statesOf(installation, run.runId)).toEqual({ done: 5 });
    await expectExact(installation, run.runId);
  });

  it('what an edit has excluded, and is too deep when that is taken back, is crawled when it turns out to be nearer', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxDepth: 10 } });
    const worker = run.worker();
    const [start, far] = [...urls(1, { prefix: 'start' }), ...urls(1, { prefix: 'old/', depth: 5 })];
    await worker.seed([start, far] as Discovery[], never);
    const [claim] = await claimSome(worker, 1);
    expect(claim).toMatchObject({ url: start?.url });
    const edits = [
      { exclude: ['**/old/**'], maxDepth: 10 },
      { exclude: [], maxDepth: 3 },
    ];
    for (const [index, edit] of edits.entries()) {
      const change = { runId: run.runId, spec: specWith(run, edit), specGeneration: 2 + index };
      await installation.operator.changeRun(change, never);
      await review(installation, run.runId);
      expect(await statesOf(installation, run.runId)).toEqual({ leased: 1, 'skipped Excluded': 1 });
    }
    await worker.commit([done(claim as Claim, [{ ...(far as Discovery), depth: 1 }])], never);
    expect((await workUntilFinished(worker)).claims.map(({ url, depth }) => ({ url, depth }))).toEqual([
      { url: far?.url, depth: 1 },
    ]);
    expect(await statesOf(installation, run.runId)).toEqual({ done: 2 });
    await expectExact(installation, run.runId);
  });

  it('a page that is to be read again, and may not be asked any more, does not keep the run from its end', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxDepth: 1 } });
    const worker = run.worker();
    await worker.seed(urls(1, { depth: 1 }), never);
    const [first] = await claimSome(worker, 1);
    if (first === undefined) throw new Error('one was seeded');
    await worker.commit([{ ...done(first), cutAtDepth: 1 }], never);
    const spec = specWith(run, { maxDepth: 2 });
    await installation.operator.changeRun({ runId: run.runId, spec, specGeneration: 2 }, never);
    await review(installation, run.runId);
    const [again] = await claimSome(worker, 1);
    expect(again).toMatchObject({ url: first.url, isReread: true });
    await worker.commit([{ type: 'skipped', claim: again as Claim, reason: 'RobotsDisallowed' }], never);
    await expectExact(installation, run.runId);
    expect(await worker.finish(never)).toBe(true);
  });

  it('a lower depth skips what is deeper, a higher one brings it back and reads pages again whose links were cut off', async () => {
    await using installation = await install(server);
    const run = await installation.createRun({ ...FAST, limits: { maxDepth: 3 } });
    const worker = run.worker();
    const at = (depth: number) => urls(4, { depth, prefix: `d${depth}-` });
    await worker.seed([0, 1, 2, 3].flatMap(at), never);
    const change = async (maxDepth: number | null, specGeneration: number) => {
      await installation.operator.changeRun(
        { runId: run.runId, spec: specWith(run, { maxDepth }), specGeneration },
        never,
      );
      await review(installation, run.runId);
    };
    await change(1, 2);
    expect(await statesOf(installation, run.runId)).toEqual({ queued: 8, 'skipped MaxDepth': 8 });
    const cut = (claim: Claim): Outcome => ({ ...done(claim), ...(claim.depth === 1 ? { cutAtDepth: 1 } : {}) });
    const nearest = [...(await claimSome(worker, 6))];
    while (nearest.length < 6) nearest.push(...(await claimSome(worker, 6 - nearest.length)));
    await worker.commit(nearest.map(cut), never);
    const late = [...(await claimSome(worker, 2))];
    await change(4, 3);
    await worker.commit(late.map(cut), never);
    await expectExact(installation, run.runId);
    const deeper = (claim: Claim): Outcome =>
      done(claim, claim.isReread ? [{ ...(at(2)[0] as Discovery), url: `${claim.url}/more`, depth: 2 }] : []);
    const { claims } = await workUntilFinished(worker, 5, deeper);
    const reread = claims.filter(({ isReread }) => isReread).map(({ url }) => url);
    expect(reread.sort()).toEqual(at(1).map(({ url }) => url));
    expect(claims.map(({ url }) => url).filter((url) => url.endsWith('/more'))).toHaveLength(4);
    expect(await statesOf(installation, run.runId)).toEqual({ done: 20 });
    const snapshot = await installation.operator.snapshot(run.runId, never);
    expect(snapshot).toMatchObject({ state: 'Finished', progress: { succeeded: 20, skipped: 0, items: 20 } });
    await expectExact(installation, run.runId);
  });
});
