// What the holder of a run's token can do to others: requests that no worker makes, floods, and requests that never end. While
// they come, a worker of another namespace crawls through the same gateway: none of its calls is refused, and its crawl is exact.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim } from '#src/gateway/protocol/worker-store.ts';
import { createCertificate } from '../../support/certificate.ts';
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

/** Small ones, so that a flood is one, also on a machine that sends few requests a second. */
const LIMITS = {
  ...{ connections: 80, bodyMemory: 12 * 1_024 * 1_024, waiting: 40 },
  ...{ requestsPerWorker: 50, headMs: 500, requestMs: 1_000 },
};
/** An address of its own, as each pod has. */
const ATTACKER = '127.0.0.2';
/** Of the one who uses up his connections, which are not free again at once. */
const GREEDY = '127.0.0.3';

let server: PostgresServer;
let installation: Installation;
let gateway: TestGateway;
let stolen: TestRun;
let agent: Agent;
let bystander: Bystander;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
  gateway = await startTestGateway({
    ...{ databaseUrl: installation.workerUrl, schema: SCHEMA, poolSize: 2, limits: LIMITS },
  });
  agent = new Agent({ connections: 50, localAddress: ATTACKER });
  stolen = await installation.createRun(FAST, { namespace: 'stolen' });
  bystander = await startBystander();
});
afterAll(async () => {
  await agent?.destroy();
  await gateway?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

type Bystander = {
  readonly run: TestRun;
  /** One of its claims. */
  readonly claim: Claim;
  /** Resolves when it has crawled some more pages. Rejects when one of its calls was refused. */
  progress(): Promise<void>;
  /** What it has crawled, when it is through. */
  end(): Promise<readonly string[]>;
};

/** A worker of another run that crawls chains of pages. */
async function startBystander(): Promise<Bystander> {
  const run = await installation.createRun({ ...FAST, workers: 100, limits: { maxPages: 1_000_000 } });
  const store = gatewayWorkerStore({
    ...{ gatewayUrl: gateway.url, token: run.token, workerId: crypto.randomUUID() },
  });
  const chains = urls(4, { prefix: 'chain' });
  await store.seed(chains, never);
  const crawled: string[] = [];
  let isEnding = false;
  let hasEnded = false;

  const nextOf = (claim: Claim) => {
    const [path, page = '0'] = claim.url.split('?');
    return isEnding ? [] : urls(1).map((link) => ({ ...link, depth: 1, url: `${path}?${Number(page) + 1}` }));
  };

  async function commit(claims: readonly Claim[]): Promise<void> {
    const ours = await store.commit(
      claims.map((claim) => done(claim, nextOf(claim))),
      never,
    );
    expect(ours.size).toBe(claims.length);
    crawled.push(...claims.map(({ url }) => url));
  }

  async function crawl(): Promise<void> {
    try {
      for (;;) {
        const answer = await store.claim(4, never);
        if (answer.state === 'Claimed') await commit(answer.claims);
        else if (answer.state === 'Finished' || (await store.finish(never))) return;
      }
    } finally {
      hasEnded = true;
      await store.close();
    }
  }

  const [claim] = await claimSome(store, 1);
  if (claim === undefined) throw new Error('no claim');
  await commit([claim]);
  const ended = crawl();
  // Whoever waits for it hears of it.
  ended.catch(() => {});
  return {
    ...{ run, claim },
    async progress() {
      const enough = crawled.length + 20;
      while (crawled.length < enough && !hasEnded) await pause(10);
      if (hasEnded) await ended;
    },
    async end() {
      isEnding = true;
      await ended;
      return crawled;
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Answer = { readonly status: number; readonly retryAfter: string | undefined; readonly body: unknown };

async function call(name: string, body: unknown, { token = stolen.token, headers = {} } = {}): Promise<Answer> {
  const answer = await agent.request({
    ...{ origin: gateway.url, path: `/v1/${name}`, method: 'POST' },
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  });
  const text = await answer.body.text();
  return {
    ...{ status: answer.statusCode, retryAfter: answer.headers['retry-after']?.toString() },
    body: JSON.parse(text),
  };
}

function open(port = gateway.gateway.port, localAddress = ATTACKER): Socket {
  // What the gateway cuts off may be an error here.
  return connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
}

/** Writes this to a connection and reads until the gateway closes it. */
async function raw(...parts: readonly string[]): Promise<string> {
  const socket = open();
  for (const part of parts) socket.write(part);
  return readToEnd(socket);
}

async function readToEnd(socket: Socket): Promise<string> {
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text;
  });
  await closed(socket);
  return answer;
}

/** With an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

/** A request as text; its connection is closed after it. */
function request(
  headers: readonly string[],
  body = '',
  { line = 'POST /v1/finish HTTP/1.1', token = stolen.token } = {},
): string {
  const lines = [line, 'host: gateway', `authorization: Bearer ${token}`, 'connection: close', ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

const claimOf = (more: object = {}) => ({
  ...{ workerId: crypto.randomUUID(), slots: 1, latenessMs: 1, epoch: 0, held: null, server: null, dueFrom: null },
  ...more,
});

const outcomesOf = (...outcomes: readonly object[]) => ({
  ...{ workerId: crypto.randomUUID(), links: null, server: null },
  outcomes: outcomes.map((outcome) => ({ key: crypto.randomUUID(), token: crypto.randomUUID(), ...outcome })),
});

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

async function turnedAway(reason: string): Promise<number> {
  const metric = await gateway.registry.getSingleMetric('trawler_gateway_turned_away_total')?.get();
  return metric?.values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
}

describe('a request that is no HTTP', () => {
  const line = (text: string) => ({ line: text });
  it.each<[string, () => string, number[]]>([
    ['with a Content-Length that is no number', () => request(['content-length: two'], '{}'), [400]],
    ['with a negative Content-Length', () => request(['content-length: -2'], '{}'), [400]],
    ['with two Content-Lengths', () => request(['content-length: 2', 'content-length: 3'], '{}'), [400]],
    [
      'with Content-Length and Transfer-Encoding',
      () => request(['content-length: 2', 'transfer-encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n'),
      [400],
    ],
    ['whose chunks are not the last encoding', () => request(['transfer-encoding: chunked, gzip'], '{}'), [400]],
    ['with a chunk of no size', () => request(['transfer-encoding: chunked'], 'zz\r\n{}\r\n'), [400]],
    ['with a space in the name of a header', () => request(['content length: 2'], '{}'), [400]],
    ['with NUL in a header', () => request(['x: \0', 'content-length: 2'], '{}'), [400]],
    ['without a host', () => 'POST /v1/finish HTTP/1.1\r\nconnection: close\r\n\r\n', [400]],
    ['of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
    ['that is noise', () => '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', [400]],
    ['with thousands of headers', () => request(Array.from({ length: 4_000 }, (_, n) => `x-${n}: 1`)), [431]],
    ['with an endless path', () => request([], '', line(`POST /v1/${'x'.repeat(10_000)} HTTP/1.1`)), [431]],
    ['that asks for a tunnel', () => request([], '', line('CONNECT database:5432 HTTP/1.1')), []],
    ['that expects the unheard-of', () => request(['expect: money', 'content-length: 2'], '{}'), [417]],
    [
      'that expects to be asked for more than is taken',
      () => request(['expect: 100-continue', 'content-length: 999999']),
      [100, 413],
    ],
    [
      'that expects to be asked for a body, of nobody',
      () =>
        request(['expect: 100-continue', 'content-length: 2'], '', { line: 'POST /v1/finish HTTP/1.1', token: 'x' }),
      [100, 401],
    ],
    ['for another server', () => request([], '', line('POST http://database/v1/finish HTTP/1.1')), [404]],
    ['for a path with two slashes', () => request([], '', line('POST //v1/finish HTTP/1.1')), [404]],
    ['for a path with NUL', () => request([], '', line('POST /v1/finish%00 HTTP/1.1')), [404]],
    ['for a path with dots', () => request([], '', line('POST /v1/../v1/finish HTTP/1.1')), [404]],
    ['for a path in capitals', () => request([], '', line('POST /V1/FINISH HTTP/1.1')), [404]],
    ['for another protocol', () => request(['upgrade: websocket'], '', line('GET / HTTP/1.1')), [404]],
    ['that wants to be seen again', () => request([], '', line('TRACE /v1/finish HTTP/1.1')), [405]],
  ])('%s is refused', async (_, text, expected) => {
    expect(statuses(await raw(text()))).toEqual(expected);
    await bystander.progress();
  });

  it('but of the former version is served', async () => {
    expect(
      statuses(
        await raw(request(['content-length: 2'], '{}', { line: 'POST /v1/finish HTTP/1.0', token: stolen.token })),
      ),
    ).toEqual([200]);
  });
});

describe('a body', () => {
  const facts = (value: string) =>
    `{"key":"${crypto.randomUUID()}","token":"${crypto.randomUUID()}","type":"done",${value}}`;
  const commit = (outcome: string) =>
    `{"workerId":"${crypto.randomUUID()}","links":null,"server":null,"outcomes":[${outcome}]}`;
  const host = 'h'.repeat(10_000);

  it.each<[string, string, () => unknown, number]>([
    ['that is encoded', 'finish', () => gzipSync('{}'), 415],
    ['of a nesting without end', 'finish', () => nested(20_000), 400],
    ['whose facts are nested without end', 'commit', () => commit(facts(`"facts":{"x":${nested(100_000)}}`)), 422],
    ['whose items are nested without end', 'commit', () => commit(facts(`"items":[${nested(100_000)}]`)), 422],
    ['with a giant name of a host', 'defer-host', () => ({ host, delayMs: 1 }), 400],
    [
      'with a giant name of a pod',
      'write-heartbeat',
      () => ({ workerId: crypto.randomUUID(), heartbeat: { podName: host } }),
      400,
    ],
    ['with more slots than there are', 'claim', () => claimOf({ slots: 1e10 }), 400],
    ['with a lateness of hours', 'claim', () => claimOf({ latenessMs: 1e8 }), 400],
    ['with a time that no time is', 'defer-host', () => '{"host":"site.test","delayMs":1e999}', 400],
    [
      'with more outcomes than a commit has',
      'commit',
      () => outcomesOf(...Array.from({ length: 501 }, () => ({ type: 'released' }))),
      400,
    ],
    [
      'with facts of other types',
      'commit',
      () => outcomesOf({ type: 'done', items: [], facts: { status: 'good', bytes: [] } }),
      200,
    ],
    [
      'with an object’s own prototype',
      'commit',
      () => commit(facts('"items":[],"facts":{"__proto__":{"isAdmin":true}}')),
      200,
    ],
    [
      'that is SQL',
      'defer-host',
      () => ({ host: "site.test'); alter role current_user password 'x'; --", delayMs: 1 }),
      200,
    ],
    [
      'with characters that PostgreSQL has not',
      'report-block',
      () => ({ host: 'a\0b.test', evidence: '\0\ud800' }),
      200,
    ],
  ])('%s', async (_, name, body, status) => {
    const headers = status === 415 ? { 'content-encoding': 'gzip' } : {};
    expect(await call(name, body(), { headers })).toMatchObject({ status });
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
    await bystander.progress();
  });
});

describe('what belongs to others', () => {
  it('is nothing that a token of another run reaches', async () => {
    const { claim, run } = bystander;
    const { requestId: key, leaseToken: token, requestId, leaseToken } = claim;
    const workerId = crypto.randomUUID();
    const links = [{ key: crypto.randomUUID(), url: 'http://evil.test/', host: 'evil.test', source: 'site', depth: 1 }];
    const calls: readonly (readonly [string, unknown, unknown])[] = [
      ['commit', outcomesOf({ key, token, type: 'dead', cause: 'Timeout', message: 'x' }), []],
      ['add-links', { workerId, requestId, leaseToken, links, server: null }, 'Lost'],
      ['recall-page', { requestId }, null],
      ['settle-output', { fence: crypto.randomUUID(), result: { error: 'x' } }, false],
      ['output-items', { fence: crypto.randomUUID(), after: '0' }, null],
    ];
    for (const [name, body, expected] of calls) expect((await call(name, body)).body, name).toEqual(expected);
    expect((await call('load-run', { runId: run.runId })).body).toMatchObject({ runId: stolen.runId });
    await bystander.progress();
  });

  it('are hosts in another namespace: asking them later is not to be had', async () => {
    await call('defer-host', { host: 'site.test', delayMs: 1e11 });
    await call('set-crawl-delay', { host: 'site.test', delayMs: 2e9 });
    for (let block = 0; block < 20; block++) await call('report-block', { host: 'site.test', evidence: 'x' });
    await bystander.progress();
  });

  it('ends with the run: nothing is taken after it', async () => {
    const over = await installation.createRun(FAST, { namespace: 'over' });
    const worker = over.worker();
    await worker.seed(urls(1), never);
    const claims = await claimSome(worker, 1);
    const outcome = { key: claims[0]?.requestId, token: claims[0]?.leaseToken, type: 'done', items: [] };
    const { token } = over;
    expect((await call('commit', outcomesOf(outcome), { token })).body).toEqual([outcome.key]);
    expect((await call('commit', outcomesOf(outcome), { token })).body).toEqual([]);
    expect((await call('finish', {}, { token })).body).toBe(true);
    expect((await call('commit', outcomesOf(outcome), { token })).body).toEqual([]);
    const seeds = { workerId: worker.workerId, links: [] };
    expect(await call('seed-frontier', seeds, { token })).toMatchObject({ status: 410 });
    expect(await call('defer-host', { host: 'site.test', delayMs: 1 }, { token })).toMatchObject({ status: 410 });
    expect((await call('claim', claimOf(), { token })).body).toMatchObject({ state: 'Finished' });
    await bystander.progress();
  });
});

describe('a request that never ends', () => {
  it.each<[string, () => Socket]>([
    ['that sends nothing', () => open()],
    ['whose head comes in drops', () => drip(request([]).slice(0, -2), '', 'x: 1\r\n')],
    ['whose body comes in drops', () => drip(request(['content-length: 60000']), '', ' ')],
    ['whose chunks go on for ever', () => drip(request(['transfer-encoding: chunked']), '', '1\r\n \r\n')],
  ])('%s is cut off', async (_, start) => {
    const sockets = Array.from({ length: 10 }, start);
    const ended = Promise.all(sockets.map(readToEnd));
    await bystander.progress();
    for (const answer of await ended) expect(statuses(answer).filter((status) => status !== 408)).toEqual([]);
  });

  it('whose chunks exceed its call is refused', async () => {
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    expect(
      statuses(await raw(request(['transfer-encoding: chunked']), ...Array.from({ length: 5 }, () => chunk))),
    ).toEqual([413]);
  });

  /** Goes on with these bytes until the connection is cut. */
  function drip(head: string, rest: string, drop: string): Socket {
    const socket = open();
    socket.write(head + rest);
    const timer = setInterval(() => socket.write(drop), 50);
    return socket.on('close', () => clearInterval(timer));
  }
});

describe('a flood', () => {
  it('of connections costs the one who opens them his own', async () => {
    const sockets = Array.from({ length: LIMITS.connections + 40 }, () => open(undefined, GREEDY));
    await Promise.race(sockets.map(closed));
    await bystander.progress();
    for (const socket of sockets) socket.destroy();
  });

  it('of tokens that nobody knows is refused', async () => {
    const tokens = Array.from({ length: 500 }, () => crypto.randomUUID());
    const answers = await Promise.all(tokens.map((token) => call('finish', {}, { token })));
    await bystander.progress();
    expect(answers.filter(({ status }) => status !== 401 && status !== 503)).toEqual([]);
  });

  it('of requests is slowed down to what the spec allows', async () => {
    const before = await turnedAway('TooManyRequests');
    const requests = Array.from({ length: 1_000 }, () => call('clock', {}));
    await bystander.progress();
    const answers = await Promise.all(requests);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.filter(({ retryAfter }) => retryAfter !== '1')).toEqual([]);
    expect(await turnedAway('TooManyRequests')).toBe(before + refused.length);
  });

  it('of requests down one connection, none of which waits for an answer, is slowed down too', async () => {
    const one = `POST /v1/clock HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${stolen.token}\r\ncontent-length: 2\r\n\r\n{}`;
    const answer = await raw(one.repeat(1_000), request(['content-length: 2'], '{}'));
    await bystander.progress();
    // What is not read any more resets the connection, and the last answers with it.
    expect(statuses(answer).length).toBeLessThan(1_000);
    expect(statuses(answer).filter((status) => ![200, 429, 503].includes(status))).toEqual([]);
  });

  it('of slow calls fills the line with its own, and those are turned away', async () => {
    const busy = await installation.createRun({ ...FAST, workers: 50 }, { namespace: 'busy' });
    const before = await turnedAway('LineFull');
    const lease = await installation.admin.connect();
    try {
      await lease.query('begin');
      await lease.query('select from run where run_id = $1 for update', [busy.runId]);
      const calls = Array.from({ length: 200 }, () =>
        call('seed-frontier', { workerId: crypto.randomUUID(), links: [] }, { token: busy.token }),
      );
      const answers = Promise.all(calls);
      while ((await turnedAway('LineFull')) === before) await pause(10);
      await lease.query('commit');
      await bystander.progress();
      expect((await answers).filter(({ status }) => status === 503).length).toBe(
        (await turnedAway('LineFull')) - before,
      );
    } finally {
      lease.release();
    }
  });

  it('of bodies takes half of the room at most', async () => {
    const before = await turnedAway('BodiesFull');
    const head = request(['content-length: 600000'], '', { line: 'POST /v1/commit HTTP/1.1', token: stolen.token });
    const answers = Promise.all(Array.from({ length: 8 }, () => raw(head, '"', 'x'.repeat(400_000))));
    while ((await turnedAway('BodiesFull')) === before) await pause(10);
    await bystander.progress();
    expect((await answers).flatMap(statuses)).toContain(503);
  });

  it('of small values, which take more memory than their bytes, is never taken', async () => {
    const outcome = { key: crypto.randomUUID(), token: crypto.randomUUID(), type: 'done' };
    const items = [Array(300_000).fill([])];
    const body = { workerId: crypto.randomUUID(), outcomes: [{ ...outcome, items }], links: null, server: null };
    const answers = await Promise.all(Array.from({ length: 8 }, () => call('commit', body)));
    await bystander.progress();
    expect(answers.map(({ status }) => status).filter((status) => status !== 413 && status !== 503)).toEqual([]);
    expect(answers.map(({ status }) => status)).toContain(413);
  });

  it('of workers is as many as the spec allows', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('claim', claimOf())));
    await bystander.progress();
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(30);
    expect(answers.filter(({ status }) => status !== 200 && status !== 503 && status !== 429)).toEqual([]);
  });

  it('of claims that wait leaves others to their own', async () => {
    const waiting = await installation.createRun(FAST, { namespace: 'waiting' });
    const claim = claimOf({ waitMs: 20_000 });
    const asked = Array.from({ length: 60 }, () =>
      call('claim', claim, { token: waiting.token }).catch(() => undefined),
    );
    await Promise.race(asked);
    await bystander.progress();
    await agent.destroy();
    agent = new Agent({ connections: 50, localAddress: ATTACKER });
    await Promise.all(asked);
  });
});

describe('with TLS', () => {
  const { certificate: cert, key } = createCertificate();
  let secure: TestGateway;
  beforeAll(async () => {
    secure = await startTestGateway({
      ...{ databaseUrl: installation.workerUrl, schema: SCHEMA, certificate: { cert, key }, limits: LIMITS },
    });
  });
  afterAll(() => secure?.[Symbol.asyncDispose]());

  it.each(['TLSv1.1', 'TLSv1.2'] as const)('%s is refused', async (version) => {
    for (const _ of ['with the first certificate', 'with the next']) {
      const socket = connectTls({
        port: secure.gateway.port,
        ca: cert,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      await expect(once(socket, 'secureConnect')).rejects.toThrow(/alert|protocol/i);
      secure.gateway.setCertificate({ cert, key });
    }
  });

  it.each<[string, () => string]>([
    ['plain HTTP', () => request(['content-length: 2'], '{}')],
    ['noise', () => '\x16\x03\x01\x7f\xff'.padEnd(2_000, '\0')],
    ['silence', () => ''],
  ])('%s has its connection closed', async (_, text) => {
    const socket = open(secure.gateway.port);
    socket.write(text());
    expect(statuses(await readToEnd(socket))).toEqual([]);
  });
});

it('the other worker had none of its calls refused, and its crawl is exact', async () => {
  const crawled = await bystander.end();
  const urlsOf = async (query: string) => {
    const { rows } = await installation.admin.query<{ url: string }>(query, [bystander.run.runId]);
    return rows.map(({ url }) => url).sort();
  };
  const expected = [...crawled].sort();
  expect(await urlsOf(`select url from request where run_id = $1 and state = 'done'`)).toEqual(expected);
  expect(await urlsOf(`select data->>'url' as url from item where run_id = $1`)).toEqual(expected);
});
