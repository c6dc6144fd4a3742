// A run that tries the dead letters of another again, and functions whose shape has changed, on real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endOf } from '#src/controllers/run/run-status.ts';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import type { RunReason } from '#src/resources/conditions.ts';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  type Installation,
  install,
  never,
  type RunOptions,
  urls,
  workUntilFinished,
} from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18);
});
afterAll(() => server.stop());

it('takes the dead letters of the earlier run as its seeds, and nothing else', async () => {
  await using installation = await install(server);
  const first = await installation.createRun(FAST);
  const worker = first.worker();
  await worker.seed(
    urls(4).map((seed) => ({ ...seed, listingPage: 3 })),
    never,
  );
  const claims = await claimSome(worker, 4);
  const outcomes = claims.map(
    (claim, index): Outcome =>
      index < 2 ? { type: 'dead', claim, cause: 'Timeout', message: 'no answer' } : done(claim),
  );
  await worker.commit(outcomes, never);
  expect(await worker.finish(never)).toBe(true);

  const retry = await installation.createRun(FAST, { deadLettersOf: first.runId });
  const other = retry.worker();
  expect(await other.seed(urls(4), never)).toBe(false);
  const log = await workUntilFinished(other);
  const seen = ({ url, listingPage }: Claim) => `${listingPage} ${url}`;
  expect(log.claims.map(seen).sort()).toEqual(claims.slice(0, 2).map(seen).sort());
  expect(claims.map((claim) => claim.listingPage)).toEqual([3, 3, 3, 3]);
  const snapshot = (await installation.operator.snapshots(never, [retry.runId])).get(retry.runId);
  expect(snapshot).toMatchObject({ outcome: 'Succeeded', progress: { total: 2, succeeded: 2 } });
});

/** A run of three pages of which as many die, crawled to its end; `isLive` leaves it at work. */
async function crawledRun(installation: Installation, dead: number, options: RunOptions = {}, isLive = false) {
  const run = await installation.createRun(FAST, options);
  const worker = run.worker();
  await worker.seed(urls(3), never);
  const outcomes = (await claimSome(worker, 3)).map(
    (claim, place): Outcome =>
      place < dead ? { type: 'dead', claim, cause: 'Timeout', message: 'no answer' } : done(claim),
  );
  await worker.commit(isLive ? outcomes.slice(0, dead) : outcomes, never);
  if (!isLive) expect(await worker.finish(never)).toBe(true);
  return run;
}

it('takes the dead letters of the named causes and active sources alone', async () => {
  await using installation = await install(server);
  const sources = ['site', 'other'].map((name) => ({ name, urls: [`http://${name}.test/`] }));
  const first = await installation.createRun({ ...FAST, sources });
  const worker = first.worker();
  await worker.seed([...urls(3), ...urls(3, { source: 'other', prefix: 'other' })], never);
  const causes = ['Timeout', 'HttpError', 'DnsError'] as const;
  await workUntilFinished(worker, 6, (claim) => {
    const cause = causes[Number(claim.url.at(-1))] ?? 'Timeout';
    return { type: 'dead', claim, cause, message: 'no answer' };
  });
  const retried = async (options: Partial<RunOptions>, active = ['site', 'other']) => {
    const part = sources.map((source) => ({ ...source, active: active.includes(source.name) }));
    const run = await installation.createRun({ ...FAST, sources: part }, { deadLettersOf: first.runId, ...options });
    const { claims } = await workUntilFinished(run.worker());
    return claims.map(({ url }) => new URL(url).pathname).sort();
  };
  expect(await retried({ causes: ['Timeout', 'DnsError'] })).toEqual(['/other0', '/other2', '/page0', '/page2']);
  expect(await retried({ causes: ['HttpError'] }, ['other'])).toEqual(['/other1']);
  const none = await installation.createRun({ ...FAST, sources }, { deadLettersOf: first.runId, causes: ['TlsError'] });
  expect(await installation.operator.snapshot(none.runId, never)).toMatchObject({
    stopReason: 'NothingToRetry',
    message: expect.stringMatching(/no dead letters of the cause TlsError; it has DnsError 2, HttpError 2, Timeout 2$/),
  });
});

type Retry = { readonly spec?: Partial<CrawlRunSpecInput>; readonly of: string };
type NothingToDo = (installation: Installation) => Promise<Retry>;

describe('a retry that has nothing to do has failed at once, and says why', () => {
  it.each<[string, RunReason, RegExp, NothingToDo]>([
    [
      'a run without dead letters',
      'NothingToRetry',
      /^run "run-\w+" has no dead letters: there is nothing/,
      async (all) => ({
        of: (await crawledRun(all, 0)).runId,
      }),
    ],
    [
      'a run at work',
      'NothingToRetry',
      /has no dead letters yet: it has not ended/,
      async (all) => ({
        of: (await crawledRun(all, 0, {}, true)).runId,
      }),
    ],
    [
      'a retry that has succeeded',
      'NothingToRetry',
      /has no dead letters: there is nothing/,
      async (all) => {
        const retry = await all.createRun(FAST, { deadLettersOf: (await crawledRun(all, 1)).runId });
        await workUntilFinished(retry.worker());
        return { of: retry.runId };
      },
    ],
    [
      'sources that are switched off',
      'NothingToRetry',
      /none of the 2 dead letters .* active source/,
      async (all) => ({
        of: (await crawledRun(all, 2)).runId,
        spec: {
          sources: [
            { name: 'site', active: false, urls: ['http://site.test/'] },
            { name: 'other', urls: ['http://other.test/'] },
          ],
        },
      }),
    ],
    [
      'a run that PostgreSQL has never known',
      'DeadLettersGone',
      /no dead letters of run "shop-1" any more/,
      async () => ({
        of: randomUUID(),
        spec: { trigger: { type: 'Retry', retryOf: 'shop-1', only: 'Dead' } },
      }),
    ],
    [
      'a day that was dropped',
      'DeadLettersGone',
      /keeps no dead letters of run/,
      async (all) => {
        const { runId } = await crawledRun(all, 1, { runDay: '2026-01-01' });
        await all.operator.dropDaysBefore('2026-02-01', [], never);
        return { of: runId };
      },
    ],
    [
      'a day that was dropped and made again, whose runs are not forgotten yet',
      'DeadLettersGone',
      /keeps no dead letters of run/,
      async (all) => {
        const { runId } = await crawledRun(all, 1, { runDay: '2026-01-01' });
        // As its day is between the drop and the end of the runs' own rows.
        await all.admin.query('delete from item where run_id = $1', [runId]);
        await all.admin.query('delete from request where run_id = $1', [runId]);
        return { of: runId };
      },
    ],
    [
      'a retry that had failed for that',
      'NothingToRetry',
      /has no dead letters/,
      async (all) => ({
        of: (await all.createRun(FAST, { deadLettersOf: randomUUID() })).runId,
      }),
    ],
  ])('%s', async (_what, reason, words, prepare) => {
    await using installation = await install(server);
    const { of, spec = {} } = await prepare(installation);
    const retry = await installation.createRun({ ...FAST, ...spec }, { deadLettersOf: of });
    expect(retry.acceptance).toBe('Finished');
    await expect(retry.worker().claim(1, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
    const snapshot = await installation.operator.snapshot(retry.runId, never);
    expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Failed', stopReason: reason });
    expect(snapshot && endOf({ snapshot })).toMatchObject({ reason, message: expect.stringMatching(words) });
    const { rows } = await installation.admin.query(
      'select outcome, reason, message from execution where execution_id = $1',
      [retry.runId],
    );
    expect(rows).toEqual([{ outcome: 'Failed', reason, message: snapshot?.message }]);
  });
});

it('replaces a function whose result has another type than before', async () => {
  await using installation = await install(server);
  await installation.admin.query('drop function finish_run(text)');
  await installation.admin.query('create function finish_run(token text) returns int language sql as $$ select 1 $$');
  const label = 'trawler: made and dropped by its migrations';
  await installation.admin.query(`comment on function finish_run(text) is '${label}'`);
  const owner = new URL(installation.database.ownerUrl).username;
  await installation.admin.query(`alter function finish_run(text) owner to "${owner}"`);
  await installation.admin.query(`update function_set set checksum = 'older'`);
  await installation.operator.migrate(never);
  const { rows } = await installation.admin.query(
    `select prorettype::regtype::text as type from pg_proc where oid = 'finish_run(text)'::regprocedure`,
  );
  expect(rows).toEqual([{ type: 'boolean' }]);
});
