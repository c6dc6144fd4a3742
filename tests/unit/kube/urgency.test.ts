// Urgent keys of several queues go first, in the order of the queues; what can wait does, but not for ever.

import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createUrgency, PATIENCE_MS } from '#src/kube/urgency.ts';
import { createWorkQueue, type ReconcileResult } from '#src/kube/work-queue.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => vi.useRealTimers());

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

/** Two queues with as many workers each; reconciles end when the test says so. */
function twoQueues(workers = 1) {
  const urgency = createUrgency();
  const started: string[] = [];
  const running = new Map<string, (result: ReconcileResult) => void>();
  const queue = (name: string) =>
    createWorkQueue({
      ...{ name, workers, urgency, logger: pino({ level: 'silent' }), signal: new AbortController().signal },
      metrics: createKubeMetrics(createRegistry()),
      reconcile: (key) => {
        started.push(key);
        return new Promise((resolve) => running.set(key, resolve));
      },
    });
  const [first, second] = [queue('first'), queue('second')];
  return {
    ...{ urgency, first, second, started },
    async end(key: string, result: ReconcileResult = {}) {
      running.get(key)?.(result);
      await settle();
    },
  };
}

test('urgent keys go first, those of the first queue before those of the second, the rest when none waits', async () => {
  const { first, second, started, end } = twoQueues();
  first.add('later');
  second.add('status');
  second.add('job', { urgent: true });
  first.add('run-1', { urgent: true });
  first.add('run-2', { urgent: true });
  await settle();
  expect(started).toEqual(['run-1']);
  await end('run-1');
  expect(started).toEqual(['run-1', 'run-2', 'job']);
  await end('job');
  await end('run-2');
  expect(started.slice(3).sort()).toEqual(['later', 'status']);
});

test('a key that was added twice is urgent when it was so once', async () => {
  const { first, started } = twoQueues();
  first.add('a');
  first.add('b');
  first.add('b', { urgent: true });
  first.add('b');
  await settle();
  expect(started).toEqual(['b']);
});

test('the rest of a key comes later, after what is urgent', async () => {
  const { first, started, end } = twoQueues();
  first.add('a', { urgent: true });
  first.add('b', { urgent: true });
  await settle();
  await end('a', { later: true });
  await end('b');
  expect(started).toEqual(['a', 'b', 'a']);
});

test('an appointment is urgent when its time has come', async () => {
  const { first, started, end } = twoQueues();
  first.add('a');
  await settle();
  await end('a', { requeueAfterMs: 1_000, urgent: true });
  first.add('busy');
  await settle();
  first.add('waits');
  await vi.advanceTimersByTimeAsync(1_000);
  await settle();
  await end('busy');
  expect(started).toEqual(['a', 'busy', 'a']);
});

test('what can wait is done after a while though urgent keys never end', async () => {
  const { first, second, started, end } = twoQueues();
  first.add('urgent-0', { urgent: true });
  first.add('urgent-1', { urgent: true });
  second.add('patient');
  await settle();
  expect(started).toEqual(['urgent-0']);
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  await settle();
  expect(started).toEqual(['urgent-0', 'patient']);
  await end('patient');
});

test('the longer it has waited, the more workers do what can wait, up to a quarter', async () => {
  const { first, second, started } = twoQueues(8);
  for (let n = 0; n < 9; n += 1) first.add(`urgent-${n}`, { urgent: true });
  for (let n = 0; n < 9; n += 1) second.add(`patient-${n}`);
  const patient = async (afterMs: number) => {
    await vi.advanceTimersByTimeAsync(afterMs);
    await settle();
    return started.filter((key) => key.startsWith('patient')).length;
  };
  expect(await patient(PATIENCE_MS - 1)).toBe(0);
  expect(await patient(1)).toBe(1);
  expect(await patient(PATIENCE_MS)).toBe(2);
  expect(await patient(PATIENCE_MS)).toBe(2);
});

test('it is calm when no urgent key waits any more, or after a while', async () => {
  const { urgency, first, end } = twoQueues();
  const { signal } = new AbortController();
  let calm = 0;
  const wait = () => void urgency.calm(signal).then(() => (calm += 1));
  first.add('a', { urgent: true });
  first.add('b', { urgent: true });
  await settle();
  wait();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calm).toBe(0);
  await end('a');
  await vi.advanceTimersByTimeAsync(100);
  expect(calm).toBe(1);
  first.add('c', { urgent: true });
  wait();
  await vi.advanceTimersByTimeAsync(PATIENCE_MS + 100);
  expect(calm).toBe(2);
});

test('what can wait begins when few urgent keys run, and not while many do', async () => {
  const urgency = createUrgency();
  let resumed = 0;
  const other = urgency.join(() => (resumed += 1));
  const burst = urgency.join(() => undefined);
  burst.has({ waiting: 1, running: 32 });
  expect(other.isCalm()).toBe(false);
  burst.has({ waiting: 0, running: 32 });
  expect(other.isCalm()).toBe(false);
  expect(other.isMyTurn()).toBe(true);
  burst.has({ waiting: 0, running: 4 });
  expect(other.isCalm()).toBe(true);
  expect(resumed).toBeGreaterThan(0);
});
