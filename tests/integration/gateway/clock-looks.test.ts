// How often workers ask for the database's time: as often as the places at their hosts need it, and no more.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGateway } from '#src/crawler/gateway/gateway-calls.ts';
import { createWorkerStore } from '#src/crawler/gateway/worker-store.ts';
import type { WorkerCalls } from '#src/gateway/protocol/calls.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, type Installation, install, never, urls } from '../store/fixture.ts';

let server: PostgresServer;
let installation: Installation;

beforeAll(async () => {
  server = await startPostgres(18);
  installation = await install(server);
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

/** Crawls all pages one by one, over a way that takes so long there and as long back. Resolves with the looks. */
async function looksOf(requestsPerSecond: number, wayMs: number, pages = 12): Promise<number> {
  const { token } = await installation.createRun({ politeness: { requestsPerSecond } });
  const calls = openGateway({ url: installation.gatewayUrl, token });
  let looks = 0;
  const slowly: WorkerCalls = {
    async call(name, request, signal) {
      if (name === 'clock') looks++;
      await delay(wayMs);
      const answer = await calls.call(name, request, signal);
      await delay(wayMs);
      return answer;
    },
    close: () => calls.close(),
  };
  const store = createWorkerStore({ workerId: crypto.randomUUID(), calls: slowly });
  // A host of its own: one that others crawl is asked at their pace, too.
  const host = `${token.toLowerCase().replaceAll(/[^a-z]/g, '')}.test`;
  const seeds = urls(pages).map((page) => ({ ...page, host, url: page.url.replace(page.host, host) }));
  await store.seed(seeds, never);
  for (let page = 0; page < pages; page++) {
    const claims = await claimSome(store, 1);
    await store.commit(
      claims.map((claim) => done(claim, [])),
      never,
    );
  }
  await store.close();
  return looks;
}

it('is never, where hosts are asked without delay', async () => {
  expect(await looksOf(10_000, 20)).toBe(0);
});

it('is hardly ever, where answers tell enough for the delay of the host', async () => {
  expect(await looksOf(1, 0, 4)).toBeLessThanOrEqual(3);
});

it('is twenty times and some more a minute, where the clock cannot be known well enough', async () => {
  const looks = await looksOf(10, 20);
  expect(looks).toBeGreaterThanOrEqual(20);
  expect(looks).toBeLessThanOrEqual(25);
});
