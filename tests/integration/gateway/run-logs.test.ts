// Logs of runs, from the gateway's call to what a person reads, on real PostgreSQL.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGateway } from '#src/crawler/gateway/gateway-calls.ts';
import { type LogsOptions, logs } from '#src/store/log-lines.ts';
import { startTestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, type Installation, install, never, type TestRun, urls } from '../store/fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

/** Others may be at work on the same cores. */
const PATIENT = { timeout: 30_000 };
const START = Date.parse('2026-03-01T00:00:00Z');
const [A, B] = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'];

/** A line of the second after START, as pino writes it. */
const line = (second: number, msg: string, level = 'info') =>
  JSON.stringify({ level, time: new Date(START + second * 1_000).toISOString(), msg });

type Written = {
  readonly worker: string;
  readonly seq: number;
  readonly lines: readonly string[];
  readonly lost?: number;
};

function partOf({ seq, lines, lost = 0 }: Written) {
  const times = lines.map((one) => Date.parse((JSON.parse(one) as { time: string }).time));
  const data = gzipSync(lines.map((one) => `${one}\n`).join('')).toString('base64');
  return { seq, lost, lines: lines.length, firstAt: Math.min(...times), lastAt: Math.max(...times), data };
}

async function write({ gatewayUrl }: Installation, run: TestRun, parts: readonly Written[]): Promise<boolean[]> {
  const calls = openGateway({ url: gatewayUrl, token: run.token, connections: 1 });
  const answers: boolean[] = [];
  for (const part of parts) {
    answers.push(await calls.call('write-log', { workerId: part.worker, part: partOf(part) }, never));
  }
  await calls.close();
  return answers;
}

async function nameOf({ operator }: Installation, { runId }: TestRun): Promise<string> {
  return (await operator.snapshot(runId, never))?.name ?? '';
}

async function read(
  installation: Installation,
  run: TestRun,
  options: Partial<LogsOptions> = {},
  signal = never,
): Promise<string[]> {
  const name = await nameOf(installation, run);
  const found: string[] = [];
  for await (const one of logs(installation.operator.logs, name, { namespace: 'default', ...options }, signal, 20)) {
    found.push((JSON.parse(one) as { msg: string }).msg);
  }
  return found;
}

it('lines of all workers are read in the order of their times, once each', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const parts = [
    { worker: A, seq: 1, lines: [line(1, 'a1'), line(4, 'a4')] },
    { worker: B, seq: 1, lines: [line(2, 'b2'), line(7, 'b7')] },
    { worker: A, seq: 2, lines: [line(5, 'a5'), line(6, 'a6')] },
  ];
  expect(await write(installation, run, [...parts, ...parts.slice(0, 1)])).toEqual([true, true, true, false]);
  expect(await read(installation, run)).toEqual(['a1', 'b2', 'a4', 'a5', 'a6', 'b7']);
  expect(await read(installation, run, { tail: 2 })).toEqual(['a6', 'b7']);
  expect(await read(installation, run, { tail: 100 })).toHaveLength(6);
});

it('more parts than one question brings are all there, from both ends', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const all = Array.from({ length: 120 }, (_, n) => `${n}`);
  await write(
    installation,
    run,
    all.map((msg, n) => ({ worker: n % 2 ? A : B, seq: n + 1, lines: [line(n * 10, msg)] })),
  );
  expect(await read(installation, run)).toEqual(all);
  expect(await read(installation, run, { tail: 70 })).toEqual(all.slice(-70));
});

it('levels, and what was not kept, are told; lines that tell no level are always there', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const unknown = JSON.stringify({ time: new Date(START).toISOString(), msg: 'no level' });
  await write(installation, run, [
    { worker: A, seq: 1, lines: [unknown, line(1, 'fine'), line(2, 'odd', 'warn'), line(3, 'bad', 'error')] },
    { worker: A, seq: 2, lines: [line(9, 'later', 'fatal')], lost: 7 },
  ]);
  expect(await read(installation, run, { level: 'warn' })).toEqual([
    ...['no level', 'odd', 'bad'],
    `7 lines of worker ${A} were not kept: the gateway was slow`,
    'later',
  ]);
});

it('--since takes lines of that time, by their own', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const secondsAgo = (Date.now() - START) / 1_000;
  await write(installation, run, [
    { worker: A, seq: 1, lines: [line(1, 'long ago')] },
    { worker: A, seq: 2, lines: [line(secondsAgo - 7_000, 'two hours ago'), line(secondsAgo - 60, 'a minute ago')] },
  ]);
  expect(await read(installation, run, { since: 3_600_000 })).toEqual(['a minute ago']);
});

it('follows a run until its end, and what comes just after it', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  await run.worker().seed(urls(1), never);
  await write(installation, run, [{ worker: A, seq: 1, lines: [line(1, 'one')] }]);
  const seen: string[] = [];
  const following = (async () => {
    const name = await nameOf(installation, run);
    const options = { namespace: 'default', follow: true };
    for await (const one of logs(installation.operator.logs, name, options, never, 500)) seen.push(JSON.parse(one).msg);
  })();
  await expect.poll(() => seen, PATIENT).toEqual(['one']);
  await write(installation, run, [{ worker: A, seq: 2, lines: [line(2, 'two')] }]);
  await expect.poll(() => seen, PATIENT).toEqual(['one', 'two']);
  const last = JSON.stringify(partOf({ worker: A, seq: 3, lines: [line(3, 'run finished')] }));
  await installation.admin.query(`select end_run(run, 'Stopped', null) from run`);
  // By the shortest way: after two and a half seconds nothing is waited for any more.
  await installation.admin.query('select write_log($1, $2, $3)', [run.token, A, last]);
  await following;
  expect(seen).toEqual(['one', 'two', 'run finished']);
});

it('stays when the run and its results have gone, and goes in its own time', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const run = await installation.createRun(FAST, { runDay: '2026-01-01' });
  await write(installation, run, [{ worker: A, seq: 1, lines: [line(1, 'kept')] }]);
  await operator.finishStopped(run.runId, 'Stopped', 'enough', never);
  const name = await nameOf(installation, run);
  await admin.query(`update run set finished_at = '2026-01-01'`);
  await operator.dropDaysBefore('2026-02-01', [], never);
  expect((await admin.query('select from run')).rowCount).toBe(0);
  const found: string[] = [];
  for await (const one of logs(operator.logs, name, { namespace: 'default', follow: true }, never, 20)) found.push(one);
  expect(found).toEqual([line(1, 'kept')]);
  await admin.query(`update run_log set stored_at = '2026-01-01'; update run_log_total set stored_at = '2026-01-01'`);
  expect(await operator.logs.forget('2026-01-01', never)).toBe(0);
  expect(await operator.logs.forget('2026-01-02', never)).toBe(1);
  expect((await admin.query('select from run_log_total')).rowCount).toBe(0);
  await expect(logs(operator.logs, 'nobody', { namespace: 'default' }, never).next()).rejects.toThrow(
    'there is no run "nobody" in namespace default, and nothing is kept of one',
  );
});

it('a run that logs without end keeps its beginning and its end, within its bound, and says so', async () => {
  await using installation = await install(server);
  const { admin } = installation;
  const run = await installation.createRun(FAST);
  const noise = randomBytes(40_000).toString('base64');
  await admin.query(
    `select write_log($1, $2, json_build_object('seq', n, 'firstAt', n, 'lastAt', n, 'lines', 10, 'lost', 0, 'data', $3::text))
     from generate_series(1, 1000) n`,
    [run.token, A, noise],
  );
  const { rows } = await admin.query<Record<string, number>>(
    `select count(*)::int as parts, sum(length(data))::int as bytes, min(seq) as first, max(seq) as last,
       (select min(seq) from run_log where seq > 8) as "secondPart",
       (select dropped_lines::int from run_log_total) as dropped, (select t.bytes::int from run_log_total t) as counted
     from run_log`,
  );
  const [found] = rows;
  expect(found).toMatchObject({ first: 1, last: 1_000, counted: found?.['bytes'] });
  expect(found?.['bytes']).toBeLessThanOrEqual(32_000_000);
  expect(found?.['bytes']).toBeGreaterThan(25_000_000);
  expect(found?.['secondPart']).toBeGreaterThan(200);
  expect(found?.['dropped']).toBe((1_000 - (found?.['parts'] ?? 0)) * 10);
  const [note] = await read(installation, run, { tail: 1 });
  expect(note).toBe(`${found?.['dropped']} lines were too much to be kept, after the first ones`);
});

it('whatever a pod that was taken over sends, a terminal and a reader come to no harm', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const calls = openGateway({ url: installation.gatewayUrl, token: run.token, connections: 1 });
  const part = { lines: 1, lost: 0, firstAt: START, lastAt: START + 1e11 };
  const send = (seq: number, content: Buffer) =>
    calls.call('write-log', { workerId: A, part: { ...part, seq, data: content.toString('base64') } }, never);
  await send(1, Buffer.from('no gzip'));
  await send(2, gzipSync(Buffer.alloc(30_000_000, 'x')));
  await send(3, gzipSync('\u001b[2J{"msg":"cleared"}\u009b31m\r\n'));
  await expect(send(4, randomBytes(60_000))).rejects.toMatchObject({ reason: 'Refused' });
  await expect(send(0, gzipSync('x'))).rejects.toMatchObject({ reason: 'Refused' });
  const other = openGateway({ url: installation.gatewayUrl, token: 'of nobody', connections: 1 });
  await expect(
    other.call('write-log', { workerId: A, part: { ...part, seq: 1, data: '' } }, never),
  ).rejects.toMatchObject({ reason: 'TokenRefused' });
  await Promise.all([calls.close(), other.close()]);
  const found: string[] = [];
  const name = await nameOf(installation, run);
  for await (const one of logs(installation.operator.logs, name, { namespace: 'default' }, never)) found.push(one);
  expect(found.map((text) => text.replace(A, 'A'))).toEqual([
    ...Array(2).fill('{"level":"warn","service":"logs","msg":"a part of worker A cannot be read"}'),
    '\ufffd[2J{"msg":"cleared"}\ufffd31m\ufffd',
  ]);
});

it('waits behind calls of crawls: with one that waits for a connection, it is turned away', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  await using narrow = await startTestGateway({ databaseUrl: installation.workerUrl, schema: 'trawler', poolSize: 1 });
  const calls = openGateway({ url: narrow.url, token: run.token });
  const lock = await installation.admin.connect();
  try {
    await lock.query('begin');
    await lock.query('select from run where run_id = $1 for update', [run.runId]);
    const waiting = [1, 2].map(() => calls.call('seed-frontier', { workerId: A, links: [] }, never));
    const all = Promise.all(waiting);
    const part = partOf({ worker: A, seq: 1, lines: [line(1, 'later')] });
    const waitingFor = narrow.registry.getSingleMetric('trawler_gateway_connections_waited_for');
    await expect.poll(async () => (await waitingFor?.get())?.values[0]?.value, PATIENT).toBe(1);
    await expect(calls.call('write-log', { workerId: A, part }, never)).rejects.toMatchObject({
      reason: 'Unavailable',
      message: expect.stringContaining('calls of crawls go first'),
    });
    await lock.query('rollback');
    await all;
    expect(await calls.call('write-log', { workerId: A, part: { ...part, seq: 2 } }, never)).toBe(true);
  } finally {
    lock.release();
    await calls.close();
  }
});
