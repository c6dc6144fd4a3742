// A spec that is edited while its run lives: claims go by it from then on.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  countersAndTruth,
  done,
  FAST,
  install,
  never,
  type TestRun,
  urls,
  workUntilFinished,
} from './fixture.ts';

const edited = ({ runId, spec }: TestRun, edit: Partial<CrawlRunSpecInput>, specGeneration = 2) => ({
  ...{ runId, specGeneration },
  spec: crawlRunSpec.parse({ ...spec, ...edit }),
});

describe.each(POSTGRES_VERSIONS)('live changes on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  it('a higher page limit brings back what waited for room, a lower one skips what is left', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun({ ...FAST, limits: { maxPages: 3 } });
    const [worker, other] = [run.worker(), run.worker()];
    await worker.seed(urls(12), never);
    const held = await claimSome(worker, 10);
    expect(held).toHaveLength(3);
    expect(await other.claim(10, never)).toMatchObject({ state: 'Wait' });

    expect(await operator.changeRun(edited(run, { limits: { maxPages: 6 } }), never)).toEqual([
      'limits.maxPages: 3 -> 6',
    ]);
    const more = [...(await claimSome(other, 10))];
    while (more.length < 3) more.push(...(await claimSome(other, 10)));
    expect(more).toHaveLength(3);

    await operator.changeRun(edited(run, { limits: { maxPages: 2 } }, 3), never);
    await worker.commit(
      held.map((claim) => done(claim)),
      never,
    );
    await other.commit(
      more.map((claim) => done(claim)),
      never,
    );
    expect((await workUntilFinished(worker)).claims).toEqual([]);
    const snapshot = await operator.snapshot(run.runId, never);
    expect(snapshot).toMatchObject({
      state: 'Finished',
      progress: { succeeded: 6, skipped: 6, queued: 0 },
      specGeneration: 3,
    });
    expect(snapshot?.skipReasons).toEqual({ MaxPages: 6 });
    const [counted, truth] = await countersAndTruth(installation, run.runId);
    expect(counted).toEqual(truth);
  });

  it('another pace holds from the next claim on, and workers are told it, also that of reserved places', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun({ politeness: { requestsPerSecond: 4 }, priority: 0 });
    const worker = run.worker();
    await worker.seed(urls(500), never);
    const [first] = await claimSome(worker, 1);
    expect(first?.spacingMs).toBeUndefined();

    const changes = await operator.changeRun(
      edited(run, { politeness: { requestsPerSecond: 1_000 }, priority: 5 }),
      never,
    );
    expect(changes).toEqual(['priority: 0 -> 5', 'politeness.requestsPerSecond: 4 -> 1000']);
    const faster = await claimSome(worker, 10);
    expect(faster).toHaveLength(10);
    expect(new Set(faster.map(({ spacingMs }) => spacingMs))).toEqual(new Set([1]));
    expect(await worker.reserveHost('site.test', never)).toMatchObject({ spacingMs: 1 });

    await operator.changeRun(edited(run, { politeness: { delay: '3s' } }, 3), never);
    await vi.waitFor(async () => {
      const [slower] = await claimSome(worker, 10);
      expect(slower?.spacingMs).toBe(3_000);
    }, 20_000);
  });

  it('an edit that changes nothing of it is noted, and a run that has ended stays as it was', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun(FAST);
    expect(await operator.changeRun(edited(run, { suspend: true } as object, 7), never)).toEqual([]);
    expect(await operator.snapshot(run.runId, never)).toMatchObject({ specGeneration: 7 });
    await operator.finishStopped(run.runId, 'Stopped', 'for the test', never);
    expect(await operator.changeRun(edited(run, { limits: { maxPages: 9 } }, 8), never)).toEqual([]);
    expect(await operator.snapshot(run.runId, never)).toMatchObject({ specGeneration: 7 });
  });
});
