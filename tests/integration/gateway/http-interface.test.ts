// What the gateway answers to requests that no worker in good faith makes, and that tokens stay out of PostgreSQL's log.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayWorkerStore, startTestGateway, type TestGateway } from '../../support/gateway.ts';
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

let server: PostgresServer;
let installation: Installation;
let gateway: TestGateway;
let run: TestRun;

beforeAll(async () => {
  // Everything that a careful administrator could want to see, bind values included.
  server = await startPostgres(18, {
    settings: { log_statement: 'all', log_min_duration_statement: '0', log_parameter_max_length: '-1' },
  });
  installation = await install(server);
  gateway = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
  run = await installation.createRun(FAST);
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

type Request = { readonly path?: string; readonly token?: string; readonly body?: string; readonly method?: string };

async function ask({ path = '/v1/finish', token = run.token, body = '{}', method = 'POST' }: Request) {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(gateway.url + path, { method, headers, ...(method === 'POST' ? { body } : {}) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const claimBody = (more: object) =>
  JSON.stringify({
    ...{ workerId: crypto.randomUUID(), slots: 1, latenessMs: 1, epoch: 0, held: null, server: null, dueFrom: null },
    ...more,
  });

describe('a request', () => {
  const hash = 'sha256:'.padEnd(71, 'a');
  it.each<[string, Request, number, string]>([
    ['without a token', { token: '' }, 401, 'TokenRefused'],
    ['with a token that nobody knows', { token: 'unknown' }, 401, 'TokenRefused'],
    ["with a token's hash, as the database is given it", { token: hash }, 401, 'TokenRefused'],
    ['with a token that is SQL', { token: "x' or '1'='1" }, 401, 'TokenRefused'],
    ['for a call that is not there', { path: '/v1/drop-everything' }, 404, 'SchemaMismatch'],
    ['for a property of every object', { path: '/v1/constructor' }, 404, 'SchemaMismatch'],
    ['for another version', { path: '/v2/finish' }, 404, 'SchemaMismatch'],
    ['for a path that climbs', { path: '/v1/..%2ffinish' }, 404, 'SchemaMismatch'],
    ['with a query', { path: '/v1/finish?x=1' }, 404, 'SchemaMismatch'],
    ['by another method', { method: 'GET' }, 405, 'Refused'],
    ['that is no JSON', { body: '{' }, 400, 'Refused'],
    ['that is no object', { body: '[]' }, 400, 'Refused'],
    ['with a worker that is no UUID', { path: '/v1/claim', body: claimBody({ workerId: 'me' }) }, 400, 'Refused'],
    ['with slots below none', { path: '/v1/claim', body: claimBody({ slots: -1 }) }, 400, 'Refused'],
    ['that waits for a day', { path: '/v1/claim', body: claimBody({ waitMs: 86_400_000 }) }, 400, 'Refused'],
    ['larger than its call may be', { body: `"${'x'.repeat(100_000)}"` }, 413, 'Refused'],
  ])('%s is refused', async (_, request, status, reason) => {
    const answer = await ask(request);
    expect(answer).toMatchObject({ status, body: { status, reason } });
    expect(JSON.stringify(answer.body)).not.toContain(run.token);
  });

  it('with fields that this version does not know is served', async () => {
    expect(await ask({ body: '{"since":"a later version"}' })).toEqual({ status: 200, body: false });
    const claim = await ask({ path: '/v1/claim', body: claimBody({ mood: 'good' }) });
    expect(claim).toMatchObject({ status: 200, body: { state: 'Wait' } });
  });

  it('whose token was revoked is refused, also where the gateway has just seen it good', async () => {
    const revoked = await installation.createRun(FAST);
    expect(await ask({ token: revoked.token })).toMatchObject({ status: 200 });
    await installation.operator.revokeToken(revoked.runId, never);
    expect(await ask({ token: revoked.token })).toMatchObject({ status: 401 });
  });

  it('with a huge header is cut off', async () => {
    const socket = connect(gateway.gateway.port, '127.0.0.1');
    socket.write(`POST /v1/finish HTTP/1.1\r\nhost: gateway\r\nx: ${'x'.repeat(9_000)}\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });
});

it('never lets a token into the log of PostgreSQL', async () => {
  const crawled = await installation.createRun(FAST);
  const worker = gatewayWorkerStore({ gatewayUrl: gateway.url, token: crawled.token, workerId: crypto.randomUUID() });
  await worker.loadRun(never);
  await worker.seed(urls(2), never);
  await worker.commit(
    (await claimSome(worker, 2)).map((claim) => done(claim)),
    never,
  );
  await worker.close();
  expect(server.log()).toContain('commit_outcomes');
  expect(server.log()).not.toContain(crawled.token);
});
