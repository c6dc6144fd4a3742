// Twenty workers send the largest body that a gateway takes, all at once: it keeps within its memory, takes all of them one after
// another, and serves small calls of others meanwhile.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { gatewayWorkerStore } from '../../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-processes.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  type Installation,
  install,
  never,
  SCHEMA,
  type TestRun,
  urls,
} from '../store/fixture.ts';

const RUNS = 4;
const WORKERS_OF_RUN = 5;
/** A page may give 12 MB: a little less, for what is around it. */
const PAYLOAD = randomBytes(3 * 1_024 * 1_024 * 2.99).toString('base64');
/** Nine of ten small calls take less. The gateway reads and writes a large body in some steps of a tenth of a second or two. */
const SMALL_CALL_MS = 1_000;
/** What the chart gives the pod of a gateway. */
const MEMORY_LIMIT_MB = 512;

let server: PostgresServer;
let installation: Installation;
let gateway: GatewayProcess;
let gatewayUrl: string;
let agent: Agent;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
  gateway = startGatewayProcess({ TRAWLER_DATABASE_URL: installation.workerUrl, TRAWLER_DATABASE_SCHEMA: SCHEMA });
  agent = new Agent();
  gatewayUrl = `http://127.0.0.1:${await gateway.port}`;
});
afterAll(async () => {
  await agent?.destroy();
  gateway?.child.kill('SIGTERM');
  await gateway?.ended;
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

const workerOf = ({ token }: TestRun, workerId = crypto.randomUUID()): WorkerStore =>
  gatewayWorkerStore({ gatewayUrl, token, workerId });

/** The most memory that the gateway has had, in megabytes. */
async function mostMemory(): Promise<number> {
  const status = await readFile(`/proc/${gateway.child.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}

/**
 * Sends the largest commit until it is taken, as a worker does; written once, so that this process has time for the small calls.
 */
async function commitLarge({ token }: TestRun, workerId: string, { requestId: key, leaseToken }: Claim): Promise<void> {
  const outcome = { key, token: leaseToken, type: 'done', items: [{ payload: PAYLOAD }], facts: { status: 200 } };
  const body = Buffer.from(JSON.stringify({ workerId, outcomes: [outcome], links: null, server: null }));
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (;;) {
    const answer = await agent
      .request({ origin: gatewayUrl, path: '/v1/commit', method: 'POST', headers, body })
      .then(async ({ statusCode, body }) => ({ statusCode, body: await body.text() }))
      // It may close the connection while the rest is still on its way.
      .catch(() => undefined);
    if (answer?.statusCode === 200) {
      expect(JSON.parse(answer.body)).toEqual([key]);
      return;
    }
    if (answer !== undefined) expect(answer.statusCode, answer.body).toBe(503);
    await delay(500 + 1_000 * Math.random());
  }
}

/** A worker with small pages, until the others are through. Resolves with how long its calls took, in milliseconds. */
async function crawlSmall(run: TestRun, hasEnded: () => boolean): Promise<number[]> {
  const store = workerOf(run);
  await store.seed(urls(1), never);
  const times: number[] = [];
  const timed = async <T>(call: Promise<T>): Promise<T> => {
    const began = performance.now();
    const answer = await call;
    times.push(performance.now() - began);
    return answer;
  };
  for (let page = 0; !hasEnded(); page++) {
    const claims = await timed(claimSome(store, 1));
    const next = urls(1, { prefix: `next${page}-`, depth: 1 });
    await timed(
      store.commit(
        claims.map((claim) => done(claim, next)),
        never,
      ),
    );
    await delay(20);
  }
  await store.close();
  return times;
}

it('keeps within its memory, takes them all in the end, and serves small calls of others meanwhile', async () => {
  const runs = await Promise.all(Array.from({ length: RUNS }, () => installation.createRun(FAST)));
  const large = await Promise.all(
    runs.flatMap((run) =>
      Array.from({ length: WORKERS_OF_RUN }, async (_, index) => {
        const workerId = crypto.randomUUID();
        const store = workerOf(run, workerId);
        if (index === 0) await store.seed(urls(WORKERS_OF_RUN), never);
        const [claim] = await claimSome(store, 1);
        await store.close();
        if (claim === undefined) throw new Error('nothing was claimed');
        return { run, workerId, claim };
      }),
    ),
  );
  let hasEnded = false;
  const small = crawlSmall(await installation.createRun(FAST, { namespace: 'small' }), () => hasEnded);
  await delay(1_000);
  await Promise.all(large.map(({ run, workerId, claim }) => commitLarge(run, workerId, claim)));
  hasEnded = true;
  const times = (await small).sort((a, b) => a - b);
  expect(times[Math.floor(0.9 * times.length)]).toBeLessThan(SMALL_CALL_MS);
  for (const run of runs)
    expect(await installation.operator.snapshot(run.runId, never)).toMatchObject({
      progress: { succeeded: WORKERS_OF_RUN, items: WORKERS_OF_RUN },
    });
  expect(await mostMemory()).toBeLessThan(MEMORY_LIMIT_MB);
}, 120_000);
