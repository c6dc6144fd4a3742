// Pages that are stored without their picture, without what did not answer in time, or cut are counted by what they lack.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, FetchFacts, Outcome } from '#src/gateway/protocol/worker-store.ts';
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

const dead = (claim: Claim): Outcome => ({ type: 'dead', claim, cause: 'Timeout', message: 'too late' });
const retry = (claim: Claim): Outcome => ({ type: 'retry', claim, cause: 'Timeout', message: 'later', delayMs: 0 });
const ENDS: [end: (claim: Claim) => Outcome, facts: unknown, lacks: Record<string, number>][] = [
  [done, {}, {}],
  [done, { status: 200 }, {}],
  [done, { screenshotError: 'not drawn in time' }, { NoScreenshot: 1 }],
  [done, { unfinished: 'no answer from http://site.test/x.js' }, { NotFullyLoaded: 1 }],
  [done, { truncated: ['Body', 'Values'] }, { Truncated: 1 }],
  [done, { truncated: ['Texts'], unfinished: 'x' }, { NotFullyLoaded: 1, Truncated: 1 }],
  [done, { unfinished: 'x', screenshotError: 'y' }, { NoScreenshot: 1, NotFullyLoaded: 1 }],
  // The request itself says so.
  [dead, { unfinished: 'x', screenshotError: 'y', truncated: ['Body'] }, {}],
  [retry, { unfinished: 'x', screenshotError: 'y' }, {}],
  // What a worker should not say breaks nothing.
  [
    done,
    { screenshotError: 7, unfinished: null, truncated: 'all' },
    { NoScreenshot: 1, NotFullyLoaded: 1, Truncated: 1 },
  ],
];

it.each(ENDS)('by %o with facts %j', async (end, facts, lacks) => {
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(2), never);
  const [one, other] = await claimSome(worker, 2);
  if (one === undefined || other === undefined) throw new Error('there is nothing to claim');
  await worker.commit([{ ...end(one), facts: facts as FetchFacts }, done(other)], never);
  const snapshot = (await installation.operator.snapshot(run.runId, never)) ?? expect.fail('the run is unknown');
  expect(snapshot.partialPages).toEqual(lacks);
});

it('adds up over pages, commits and workers', async () => {
  const run = await installation.createRun(FAST);
  const workers = [run.worker(), run.worker()];
  await workers[0]?.seed(urls(12), never);
  for (const worker of workers) {
    for (let round = 0; round < 2; round++) {
      const claims = await claimSome(worker, 3);
      const facts = { screenshotError: 'not drawn in time' };
      await worker.commit(
        claims.map((claim) => ({ ...done(claim), facts })),
        never,
      );
    }
  }
  expect((await installation.operator.snapshot(run.runId, never))?.partialPages).toEqual({ NoScreenshot: 12 });
});
