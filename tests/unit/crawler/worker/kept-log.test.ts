// How a worker's log lines become parts, and that nothing but lines is ever lost by it.
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createKeptLog } from '#src/crawler/worker/kept-log.ts';
import { CALLS, type CallRequest, MAX_LOG_BYTES, type WorkerCalls } from '#src/gateway/protocol/calls.ts';
import { StoreError, type StoreErrorReason } from '#src/gateway/protocol/store-error.ts';

/** Others may be at work on the same cores. */
const PATIENT = { timeout: 15_000, interval: 5 };
const WORKER = '00000000-0000-4000-8000-000000000001';

type Part = CallRequest<'write-log'>['part'];

/** A gateway that keeps what it is sent, and answers the first calls with these errors; `lost`: it keeps the part all the same. */
function gatewayOf(...failures: readonly (StoreErrorReason | 'lost')[]) {
  const parts: Part[] = [];
  const left = [...failures];
  let calls = 0;
  const gateway: Pick<WorkerCalls, 'call'> = {
    async call(name, request) {
      calls += 1;
      const { part } = CALLS['write-log'].request.parse(request);
      expect(name).toBe('write-log');
      const failure = left.shift();
      if (failure === undefined || failure === 'lost') parts.push(part);
      if (failure !== undefined) throw new StoreError(failure === 'lost' ? 'Unavailable' : failure, 'no');
      return true as never;
    },
  };
  return { gateway, parts, calls: () => calls };
}

function linesOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ data }) =>
    gunzipSync(Buffer.from(data, 'base64')).toString('utf8').split('\n').filter(Boolean),
  );
}

const manyLines = (count: number, text: (n: number) => string) => Array.from({ length: count }, (_, n) => text(n));

test('what was written before it could be sent, and until the end, comes in order', async () => {
  const { gateway, parts } = gatewayOf();
  let at = 1_000;
  const log = createKeptLog({ now: () => at++ });
  log.write('one\n');
  log.begin(gateway, WORKER);
  log.write('two\n');
  await log.end();
  log.write('too late\n');
  expect(linesOf(parts)).toEqual(['one', 'two']);
  expect(parts).toMatchObject([{ seq: 1, lines: 2, lost: 0, firstAt: 1_000, lastAt: 1_001 }]);
});

test('parts are sent while the worker works', async () => {
  const { gateway, parts } = gatewayOf();
  const log = createKeptLog({ leastIntervalMs: 5 });
  log.begin(gateway, WORKER);
  log.write('first\n');
  await expect.poll(() => linesOf(parts), PATIENT).toEqual(['first']);
  log.write('second\n');
  await expect.poll(() => linesOf(parts), PATIENT).toEqual(['first', 'second']);
  await log.end();
  expect(parts.map(({ seq }) => seq)).toEqual([1, 2]);
});

test('no part is larger than a call may be, whatever the lines do not compress to', async () => {
  const { gateway, parts } = gatewayOf();
  const log = createKeptLog();
  const lines = manyLines(60, (n) => `${n} ${randomBytes(7_000).toString('base64')}`);
  for (const line of lines) log.write(`${line}\n`);
  log.begin(gateway, WORKER);
  await log.end();
  expect(linesOf(parts)).toEqual(lines);
  expect(parts.length).toBeGreaterThan(5);
  for (const { data } of parts) expect(Buffer.from(data, 'base64').length).toBeLessThanOrEqual(MAX_LOG_BYTES);
  expect(parts.map(({ seq }) => seq)).toEqual(parts.map((_, place) => place + 1));
});

test('a part whose answer was lost is sent again as it was', async () => {
  const { gateway, parts } = gatewayOf('lost');
  const log = createKeptLog({ leastIntervalMs: 1 });
  log.begin(gateway, WORKER);
  log.write('once\n');
  await expect.poll(() => parts.length, PATIENT).toBe(2);
  await log.end();
  expect(parts[1]).toEqual(parts[0]);
});

test('a gateway that is away costs the oldest lines beyond a megabyte, which are counted', async () => {
  const { gateway, parts } = gatewayOf();
  const log = createKeptLog();
  const lines = manyLines(3_000, (n) => `${n} ${'x'.repeat(990)}`);
  for (const line of lines) log.write(`${line}\n`);
  log.begin(gateway, WORKER);
  await log.end();
  const kept = linesOf(parts);
  expect(kept.length).toBeGreaterThan(900);
  expect(kept).toEqual(lines.slice(-kept.length));
  expect(parts.reduce((sum, { lost }) => sum + lost, 0)).toBe(3_000 - kept.length);
});

test('a part that is refused is not sent for ever: its lines are counted', async () => {
  const { gateway, parts, calls } = gatewayOf('Refused');
  const log = createKeptLog({ leastIntervalMs: 1 });
  log.begin(gateway, WORKER);
  log.write('refused\n');
  await expect.poll(calls, PATIENT).toBe(1);
  log.write('next\n');
  await log.end();
  expect(linesOf(parts)).toEqual(['next']);
  expect(parts).toMatchObject([{ seq: 2, lost: 1 }]);
});

test('a line without end is cut', async () => {
  const { gateway, parts } = gatewayOf();
  const log = createKeptLog();
  log.write(`${'x'.repeat(2_000_000)}\n`);
  log.write('next\n');
  log.begin(gateway, WORKER);
  await log.end();
  expect(linesOf(parts).map((line) => line.length)).toEqual([16_001, 4]);
});

test.each<StoreErrorReason>(['SchemaMismatch', 'TokenRefused', 'RunFinished'])(
  'after %s nothing is sent any more',
  async (reason) => {
    const { gateway, parts, calls } = gatewayOf(reason);
    const log = createKeptLog({ leastIntervalMs: 1 });
    log.begin(gateway, WORKER);
    log.write('one\n');
    await expect.poll(calls, PATIENT).toBe(1);
    log.write('two\n');
    await log.end();
    expect([calls(), parts]).toEqual([1, []]);
  },
);

test('a gateway that never answers does not hold up the end', async () => {
  const log = createKeptLog();
  const asked: AbortSignal[] = [];
  log.begin(
    {
      call: (_name, _request, signal) =>
        new Promise((_resolve, reject) => {
          asked.push(signal);
          queueMicrotask(() => reject(new StoreError('Unavailable', 'no answer')));
        }),
    },
    WORKER,
  );
  log.write('one\n');
  await log.end();
  expect(asked).toHaveLength(1);
});
