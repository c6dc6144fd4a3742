// Repeats, floods and failures of events, on a clock of the test.

import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { KubeApi } from '#src/kube/client.ts';
import { createEventRecorder, type EventNote } from '#src/kube/events.ts';
import { KubeError } from '#src/kube/kube-error.ts';
import type { KubeObject } from '#src/kube/kube-object.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const net: KubeObject = {
  apiVersion: 'test/v1',
  kind: 'Net',
  metadata: { namespace: 'sea', name: 'net', uid: 'u1', resourceVersion: '7' },
};
const note: EventNote = { type: 'Normal', reason: 'Hauled', action: 'Haul', message: 'full' };

/** Keeps what is sent; fails while `broken` holds errors. */
function recorder() {
  const sent: unknown[] = [];
  const broken: Error[] = [];
  const send = async (entry: unknown) => {
    const error = broken.shift();
    if (error) throw error;
    sent.push(entry);
  };
  const api = {
    resource: () => ({
      create: (event: { note: string; series?: object }) => send({ create: event.note, ...(event.series ?? {}) }),
      patch: (_ref: object, patch: { body: { series: object } }) => send({ patch: patch.body.series }),
    }),
  } as unknown as KubeApi;
  const stop = new AbortController();
  const metrics = createKubeMetrics(createRegistry());
  const logger = pino({ level: 'silent' });
  const options = { api, metrics, logger, controller: 'test', instance: 'test-0', signal: stop.signal };
  return { ...createEventRecorder(options), sent, broken, stop, metrics };
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

test('the first is sent at once, repeats as a count, less and less often', async () => {
  vi.setSystemTime('2026-01-01T00:00:00Z');
  const { record, sent } = recorder();
  record(net, note);
  await seconds(0);
  expect(sent).toEqual([{ create: 'full' }]);
  for (let n = 0; n < 5; n += 1) record(net, note);
  await seconds(9);
  expect(sent).toHaveLength(1);
  await seconds(1);
  expect(sent.slice(1)).toEqual([{ patch: { count: 6, lastObservedTime: '2026-01-01T00:00:00.000000Z' } }]);
  record(net, note);
  await seconds(19);
  expect(sent).toHaveLength(2);
  await seconds(1);
  expect(sent[2]).toEqual({ patch: { count: 7, lastObservedTime: '2026-01-01T00:00:10.000000Z' } });
});

test('a count waits no longer where the clock is set back', async () => {
  const { record, sent } = recorder();
  record(net, note);
  await seconds(0);
  record(net, note);
  vi.setSystemTime(Date.now() - 3_600_000);
  await seconds(10);
  expect(sent).toHaveLength(2);
});

test('after six quiet minutes it is a new event', async () => {
  const { record, sent } = recorder();
  record(net, note);
  await seconds(360);
  record(net, note);
  await seconds(0);
  expect(sent).toEqual([{ create: 'full' }, { create: 'full' }]);
});

test('a flood of different events about one object is cut, others are not hit', async () => {
  const { record, sent, metrics } = recorder();
  for (let n = 0; n < 100; n += 1) record(net, { ...note, message: `fish ${n}` });
  await seconds(0);
  expect(sent).toHaveLength(25);
  record({ ...net, metadata: { ...net.metadata, uid: 'u2' } }, note);
  await seconds(0);
  expect(sent).toHaveLength(26);
  await seconds(300);
  record(net, { ...note, message: 'one more' });
  await seconds(0);
  expect(sent).toHaveLength(27);
  const dropped = (await metrics.events.get()).values.find(({ labels }) => labels.result === 'dropped');
  expect(dropped?.value).toBe(75);
});

test('good news without end does not keep a warning about the same object from being sent', async () => {
  const { record, sent } = recorder();
  for (let n = 0; n < 100; n += 1) record(net, { ...note, message: `fish ${n}` });
  record(net, { ...note, type: 'Warning', message: 'a hole' });
  await seconds(0);
  expect(sent).toContainEqual({ create: 'a hole' });
});

test('a failure is tried again, five times at most, and never thrown', async () => {
  const { record, sent, broken, metrics } = recorder();
  broken.push(...Array.from({ length: 4 }, () => new Error('away')));
  record(net, note);
  await seconds(20);
  expect(sent).toEqual([{ create: 'full' }]);
  broken.push(...Array.from({ length: 5 }, () => new Error('away')));
  record(net, { ...note, reason: 'Lost' });
  await seconds(60);
  expect(sent).toHaveLength(1);
  expect((await metrics.events.get()).values.find(({ labels }) => labels.result === 'failed')?.value).toBe(1);
});

test('an event that the API server has forgotten is made anew, with its count', async () => {
  const { record, sent, broken } = recorder();
  record(net, note);
  await seconds(0);
  record(net, note);
  broken.push(new KubeError({ status: 404, reason: 'NotFound', message: '' }));
  await seconds(10);
  expect(sent[1]).toMatchObject({ create: 'full', count: 2 });
});

test('what is queued is sent before it stops', async () => {
  const { record, sent, stop, done } = recorder();
  record(net, note);
  record(net, note);
  stop.abort();
  await done;
  expect(sent).toMatchObject([{ create: 'full', count: 2 }]);
  record(net, note);
  expect(vi.getTimerCount()).toBe(0);
});
