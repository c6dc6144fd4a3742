// Dedupe, order, back-off, delays and draining of the work queue, on a clock of the test.

import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KubeError } from '#src/kube/kube-error.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createWorkQueue, type ReconcileResult } from '#src/kube/work-queue.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => vi.useRealTimers());

/** Lets everything happen that waits for no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await settle();
}

const logger = pino({ level: 'silent' });

/** A queue whose reconciles last until the test ends them. */
function heldQueue(workers = 2, drainMs = 20_000) {
  const stop = new AbortController();
  const metrics = createKubeMetrics(createRegistry());
  const started: string[] = [];
  const running = new Map<string, PromiseWithResolvers<ReconcileResult>>();
  const signals = new Map<string, AbortSignal>();
  const reconcile = (key: string, signal: AbortSignal) => {
    if (running.has(key)) throw new Error(`${key} runs twice at once`);
    started.push(key);
    signals.set(key, signal);
    const held = Promise.withResolvers<ReconcileResult>();
    running.set(key, held);
    return held.promise.finally(() => running.delete(key));
  };
  const queue = createWorkQueue({ name: 'test', workers, reconcile, logger, metrics, signal: stop.signal, drainMs });
  return {
    ...{ queue, started, signals, metrics, stop },
    async succeed(key: string, result: ReconcileResult = {}) {
      running.get(key)?.resolve(result);
      await settle();
    },
    async fail(key: string, error: Error = new Error('no luck')) {
      running.get(key)?.reject(error);
      await settle();
    },
  };
}

test('a key added many times runs once', async () => {
  const { queue, started } = heldQueue();
  for (let n = 0; n < 10; n += 1) queue.add('a');
  await settle();
  expect(started).toEqual(['a']);
});

test('a key added while it runs runs once more, afterwards', async () => {
  const { queue, started, succeed } = heldQueue();
  queue.add('a');
  await settle();
  queue.add('a');
  queue.add('a');
  await settle();
  expect(started).toEqual(['a']);
  await succeed('a');
  expect(started).toEqual(['a', 'a']);
  await succeed('a');
  expect(started).toEqual(['a', 'a']);
});

test('no more than the workers run at once; the others follow in order', async () => {
  const { queue, started, succeed } = heldQueue(2);
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
  await settle();
  expect(started).toEqual(['a', 'b']);
  await succeed('b');
  expect(started).toEqual(['a', 'b', 'c']);
  await succeed('a');
  expect(started).toEqual(['a', 'b', 'c', 'd']);
});

test('a failed key comes back, later each time, and at first speed again after a success', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const { queue, started, fail, succeed } = heldQueue();
  queue.add('a');
  await settle();
  const delays: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    await fail('a');
    const before = started.length;
    const failedAt = Date.now();
    while (started.length === before) {
      await vi.advanceTimersToNextTimerAsync();
      await settle();
    }
    delays.push(Date.now() - failedAt);
  }
  expect(delays.slice(0, 5)).toEqual([10, 20, 40, 80, 160]);
  expect(delays.at(-1)).toBe(300_000);
  await succeed('a');
  queue.add('a');
  await settle();
  await fail('a');
  const before = started.length;
  await pass(10);
  expect(started.length).toBe(before + 1);
});

test('the API server may ask for a longer delay', async () => {
  const { queue, started, fail } = heldQueue();
  queue.add('a');
  await settle();
  await fail('a', new KubeError({ status: 429, reason: 'TooManyRequests', message: '', retryAfterMs: 7_000 }));
  await pass(6_999);
  expect(started).toEqual(['a']);
  await pass(1);
  expect(started).toEqual(['a', 'a']);
});

test('a result can ask to run again', async () => {
  const { queue, started, succeed } = heldQueue();
  queue.add('a');
  await settle();
  await succeed('a', { requeueAfterMs: 60_000 });
  await pass(59_999);
  expect(started).toEqual(['a']);
  await pass(1);
  expect(started).toEqual(['a', 'a']);
});

test('of several delays the shortest counts, and it runs once', async () => {
  const { queue, started } = heldQueue();
  queue.addAfter('a', 5_000);
  queue.addAfter('a', 1_000);
  queue.addAfter('a', 9_000);
  await pass(1_000);
  expect(started).toEqual(['a']);
});

test('a delay of months does not fire at once', async () => {
  const { queue, started } = heldQueue();
  const months = 2 ** 31 + 60_000;
  queue.addAfter('a', months);
  await settle();
  await pass(1_000);
  expect(started).toEqual([]);
  vi.setSystemTime(Date.now() + months - 12_000);
  await pass(10_000);
  expect(started).toEqual([]);
  await pass(10_000);
  expect(started).toEqual(['a']);
});

test('a clock that is set forward is noticed', async () => {
  const { queue, started } = heldQueue();
  queue.addAfter('a', 3_600_000);
  vi.setSystemTime(Date.now() + 3_600_000);
  await pass(10_000);
  expect(started).toEqual(['a']);
});

test.each<[string, (work: ReturnType<typeof heldQueue>) => Promise<void>]>([
  ['a delay', async ({ queue }) => queue.addAfter('a', 5_000)],
  ['one that is asked for by a result', (work) => runOnce(work, { requeueAfterMs: 5_000 })],
  ['one after a failure', async (work) => runOnce(work, new KubeError(BUSY))],
])('%s takes as long as was asked for, though the clock is set back', async (_what, begin) => {
  const work = heldQueue();
  await begin(work);
  const before = work.started.length;
  vi.setSystemTime(Date.now() - 3_600_000);
  await pass(4_000);
  expect(work.started.length).toBe(before);
  await pass(11_000);
  expect(work.started.length).toBe(before + 1);
});

test('an appointment is a time by the clock: it comes later where that is set back', async () => {
  const work = heldQueue();
  await runOnce(work, { requeueAfterMs: 5_000, urgent: true });
  vi.setSystemTime(Date.now() - 60_000);
  await pass(55_000);
  expect(work.started).toEqual(['a']);
  await pass(10_000);
  expect(work.started).toEqual(['a', 'a']);
});

const BUSY = { status: 429, reason: 'TooManyRequests', message: '', retryAfterMs: 5_000 };

async function runOnce(
  { queue, succeed, fail }: ReturnType<typeof heldQueue>,
  end: ReconcileResult | Error,
): Promise<void> {
  queue.add('a');
  await settle();
  if (end instanceof Error) await fail('a', end);
  else await succeed('a', end);
}

test('stopping lets what runs come to its end, and starts nothing', async () => {
  const { queue, started, succeed, fail, stop, signals } = heldQueue(2);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.addAfter('d', 10);
  await settle();
  stop.abort();
  queue.add('e');
  let done = false;
  void queue.done.then(() => {
    done = true;
  });
  await succeed('a', { requeueAfterMs: 1 });
  await pass(1_000);
  expect([started, done, signals.get('b')?.aborted]).toEqual([['a', 'b'], false, false]);
  await fail('b');
  expect(done).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('a reconcile that does not end in time is told to', async () => {
  const { queue, stop, signals } = heldQueue(1, 5_000);
  queue.add('a');
  await settle();
  stop.abort();
  await pass(4_999);
  expect(signals.get('a')?.aborted).toBe(false);
  await pass(1);
  expect(signals.get('a')?.aborted).toBe(true);
});

test('a queue where nothing runs is done at once, and starts nothing that waited', async () => {
  const { queue, stop, started } = heldQueue();
  queue.add('a');
  stop.abort();
  await queue.done;
  await settle();
  expect(started).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('the metrics tell what happens', async () => {
  const { queue, metrics, succeed, fail } = heldQueue(1);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await settle();
  expect((await metrics.queueDepth.get()).values[0]?.value).toBe(2);
  expect((await metrics.activeWorkers.get()).values[0]?.value).toBe(1);
  await succeed('a');
  await fail('b');
  await succeed('c', { requeueAfterMs: 1_000 });
  const results = (await metrics.reconciles.get()).values.map(({ labels, value }) => [labels.result, value]);
  expect(results).toEqual([
    ['success', 1],
    ['error', 1],
    ['requeue_after', 1],
  ]);
});
