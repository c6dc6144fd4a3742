// A run that tries the dead letters of another again, and functions whose shape has changed, on real PostgreSQL.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, install, never, urls, workUntilFinished } from './fixture.ts';

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

it('a retry of a run without dead letters finishes at once', async () => {
  await using installation = await install(server);
  const first = await installation.createRun(FAST);
  const retry = await installation.createRun(FAST, { deadLettersOf: first.runId });
  expect(await retry.worker().finish(never)).toBe(true);
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
