// Pages whose links were judged before a start URL moved are read again, whatever else a worker may say in their facts.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FetchFacts } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, urls } from './fixture.ts';

let server: PostgresServer;
let installation: Installation;
beforeAll(async () => {
  server = await startPostgres(18);
  installation = await install(server);
});
afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  await server.stop();
});

const FACTS: [facts: unknown, isReadAgain: boolean][] = [
  [{ scopeMoves: 0 }, true],
  [{ scopeMoves: 0.5 }, true],
  [{ scopeMoves: -1e300 }, true],
  [{ scopeMoves: 1 }, false],
  [{ scopeMoves: 1e300 }, false],
  [{ scopeMoves: '0' }, false],
  [{ scopeMoves: 'many' }, false],
  [{ scopeMoves: '99999999999999999999' }, false],
  [{ scopeMoves: null }, false],
  [{ scopeMoves: true }, false],
  [{ scopeMoves: [0] }, false],
  [{ scopeMoves: { scopeMoves: 0 } }, false],
  [{}, false],
];

it.each(['before', 'after'])('reads again what was committed %s the move and misses it', async (when) => {
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(FACTS.length), never);
  const claims = await claimSome(worker, FACTS.length);
  expect(claims).toHaveLength(FACTS.length);
  const outcomes = claims.map((claim) => ({
    ...done(claim),
    facts: FACTS[Number(/\d+$/.exec(claim.url)?.[0])]?.[0] as FetchFacts,
  }));
  const move = () => worker.moveScope('site', 'http://site.test/moved/', never);
  if (when === 'after') {
    expect(await move()).toBe(true);
    // What is leased is noted with the move itself: only the commit's own note is left.
    await installation.admin.query('delete from shorter_path where run_id = $1', [run.runId]);
  }
  await worker.commit(outcomes, never);
  if (when === 'before') expect(await move()).toBe(true);

  const again = await claimSome(worker, FACTS.length);
  expect(again.map(({ url }) => url).sort()).toEqual(
    urls(FACTS.length)
      .map(({ url }) => url)
      .filter((_, index) => FACTS[index]?.[1])
      .sort(),
  );
  await worker.commit(
    again.map((claim) => done(claim)),
    never,
  );
  expect(await worker.finish(never)).toBe(true);
});
