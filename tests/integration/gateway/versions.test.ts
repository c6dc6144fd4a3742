// By real requests: the calls of the first worker at the gateway of today, and the worker of today at a gateway that says more
// than it knows, or knows fewer calls.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { gatewayHeartbeats, gatewayWorkerStore, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  FAST,
  heartbeat,
  type Installation,
  install,
  never,
  SCHEMA,
  urls,
  workUntilFinished,
} from '../store/fixture.ts';

/** See tests/unit/gateway/protocol-versions.test.ts. */
const FIRST = z
  .record(z.string(), z.object({ request: z.unknown() }))
  .parse(JSON.parse(readFileSync(new URL('../../unit/gateway/protocol-v1.json', import.meta.url), 'utf8')));

let postgres: PostgresServer;
let installation: Installation;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres(18);
  installation = await install(postgres);
  gateway = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await postgres?.stop();
});

/** What is wrong with the rest of the frozen request: another server than this one, and a run without an output. */
const REFUSED: Readonly<Record<string, object>> = {
  commit: { status: 409, body: { reason: 'OtherServer' } },
  'lease-output': { status: 422, body: { reason: 'Refused' } },
};

it.each(Object.entries(FIRST))('the gateway serves %s as the first worker asked for it', async (name, { request }) => {
  const run = await installation.createRun(FAST);
  const answer = await fetch(`${gateway.url}/v1/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${run.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  expect({ status: answer.status, body: await answer.json() }).toMatchObject(REFUSED[name] ?? { status: 200 });
});

/** A gateway of a later or an earlier release: what `change` makes of an answer is passed on, what it refuses is not known. */
async function startOther(
  change: (call: string, answer: unknown) => unknown,
): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = await new Response(request as never).text();
      const call = request.url?.split('/').at(-1) ?? '';
      const { authorization = '' } = request.headers;
      const answer = await fetch(gateway.url + request.url, { method: 'POST', headers: { authorization }, body });
      const changed = change(call, await answer.json());
      const status = changed === undefined ? 404 : answer.status;
      const problem = { title: 'SchemaMismatch', status: 404, reason: 'SchemaMismatch' };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(changed ?? problem));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** One more field in each object of an answer, but for those whose names are data. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== 'object' || value === null) return value;
  return { ...Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withMore(one)])), later: ['x'] };
}

it.each<[string, (call: string, answer: unknown) => unknown]>([
  ['says more than it knows', (call, answer) => (call === 'load-run' ? answer : withMore(answer))],
  ['knows only the calls of the first release', (call, answer) => (call in FIRST ? answer : undefined)],
])('the worker of today crawls at a gateway that %s', async (_what, change) => {
  const other = await startOther(change);
  const run = await installation.createRun(FAST);
  const access = { gatewayUrl: other.url, token: run.token, workerId: crypto.randomUUID() };
  const [worker, heartbeats] = [gatewayWorkerStore(access), gatewayHeartbeats(access)];
  try {
    expect(await worker.loadRun(never)).toMatchObject({ runId: run.runId });
    await heartbeats.beat(heartbeat, never);
    await worker.seed(urls(30, { hosts: 3 }), never);
    await workUntilFinished(worker);
  } finally {
    await Promise.all([worker.close(), heartbeats.close()]);
    other.server.closeAllConnections();
    await new Promise((resolve) => other.server.close(resolve));
  }
  const [snapshot] = (await installation.operator.snapshots(never, [run.runId])).values();
  expect(snapshot).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: 30, items: 30 } });
});

it('requests are counted by the namespace of their run', async () => {
  const run = await installation.createRun(FAST, { namespace: 'team-a' });
  const worker = gatewayWorkerStore({ gatewayUrl: gateway.url, token: run.token, workerId: crypto.randomUUID() });
  await worker.loadRun(never);
  await worker.close();
  const metrics = await gateway.registry.metrics();
  expect(metrics).toMatch(/^trawler_gateway_namespace_requests_total\{namespace="team-a"\} 1$/m);
  expect(metrics).toMatch(/^trawler_gateway_namespace_seconds_total\{namespace="team-a"\} 0\.\d+$/m);
});
