// A gateway that is asked to end: what waits in it is answered, and whoever comes late is served and sent elsewhere.
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-processes.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, type Installation, install, never, SCHEMA, type TestRun, urls } from '../store/fixture.ts';

let server: PostgresServer;
let installation: Installation;
let gateway: GatewayProcess;
let run: TestRun;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

beforeEach(async () => {
  gateway = startGatewayProcess({ TRAWLER_DATABASE_URL: installation.workerUrl, TRAWLER_DATABASE_SCHEMA: SCHEMA });
  run = await installation.createRun(FAST);
});
afterEach(async () => {
  gateway.child.kill('SIGKILL');
  await gateway.ended;
});

type Answer = {
  readonly status: number;
  readonly connection: string | null;
  readonly body: { readonly state?: string };
};

async function call(name: string, body: object): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${await gateway.port}/v1/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${run.token}` },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    connection: response.headers.get('connection'),
    body: (await response.json()) as Answer['body'],
  };
}

/** As each worker asks for work; waits where there is none. */
const claim = () => {
  const [workerId, assumed] = [crypto.randomUUID(), { epoch: 0, held: null, server: null, dueFrom: null }];
  return call('claim', { workerId, slots: 1, latenessMs: 0, ...assumed, waitMs: 20_000 });
};

it('answers the claims that wait, and serves who comes late without waiting, on a connection that ends', async () => {
  const worker = run.worker();
  await worker.seed(urls(1), never);
  expect(await claim()).toMatchObject({ status: 200, connection: 'keep-alive' });
  const waiting = [claim(), claim(), claim()];
  let isAnswered = false;
  void Promise.race(waiting).then(() => {
    isAnswered = true;
  });
  // It is asked to end once the last of them has been heard.
  expect(await call('clock', {})).toMatchObject({ status: 200, connection: 'keep-alive' });
  expect(isAnswered).toBe(false);
  gateway.child.kill('SIGTERM');
  const answers = await Promise.all(waiting);
  expect(answers).toEqual(
    Array.from(waiting, () => ({ status: 200, connection: 'close', body: expect.objectContaining({ state: 'Wait' }) })),
  );
  expect(await claim()).toMatchObject({ status: 200, connection: 'close', body: { state: 'Wait' } });
  expect(await gateway.ended).toBe(0);
});
