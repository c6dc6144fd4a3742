// A worker waits for PostgreSQL as long as that is away, whatever call it has to make; a stop ends the wait.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPatientStore } from '#src/crawler/worker/patient-store.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import type { WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';

// Node's own promises of timers know no other clock.
vi.mock('#src/crawler/pause.ts', () => ({
  pause: (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      setTimeout(resolve, ms);
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
}));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const log = createLogger('test', 'fatal');
const HOUR_MS = 3_600_000;

/** Away until `back` is called. */
function outage() {
  let isAway = true;
  const finish = async () => {
    if (isAway) throw new StoreError('Unavailable', 'connection refused');
    return true;
  };
  const onRetry = vi.fn();
  const store = createPatientStore({ finish } as unknown as WorkerStore, { log, onRetry });
  return { store, onRetry, back: () => (isAway = false) };
}

test('a call waits for hours and is answered when PostgreSQL is back; each try shows that the worker lives', async () => {
  const { store, onRetry, back } = outage();
  const answer = store.finish(new AbortController().signal);
  await vi.advanceTimersByTimeAsync(3 * HOUR_MS);
  expect(onRetry.mock.calls.length).toBeGreaterThan((3 * HOUR_MS) / 10_000);
  back();
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(answer).resolves.toBe(true);
});

test('a stop ends the wait', async () => {
  const { store } = outage();
  const stop = new AbortController();
  const answer = store.finish(stop.signal);
  const refused = expect(answer).rejects.toThrow('stopped');
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  stop.abort(new Error('stopped'));
  await vi.advanceTimersByTimeAsync(10_000);
  await refused;
});

test.each([
  ['5 s', 5_000, 60_000 / 5_000],
  ['an hour, of which half a minute counts', HOUR_MS, 2],
])('who is told to come again in %s does not come sooner', async (_what, retryAfterMs, most) => {
  const finish = vi.fn(async () => {
    throw new StoreError('Unavailable', 'too much waits', { retryAfterMs });
  });
  const store = createPatientStore({ finish } as unknown as WorkerStore, { log, onRetry: () => {} });
  const stop = new AbortController();
  const refused = expect(store.finish(stop.signal)).rejects.toThrow('stopped');
  await vi.advanceTimersByTimeAsync(59_999);
  expect(finish.mock.calls.length).toBeGreaterThan(1);
  expect(finish.mock.calls.length).toBeLessThanOrEqual(most);
  stop.abort(new Error('stopped'));
  await refused;
});
