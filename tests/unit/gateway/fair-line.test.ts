// Who gets the next connection: fair between namespaces and runs, bounded, and ended by a signal.
import { expect, test } from 'vitest';
import { FairLine, type Place } from '#src/gateway/fair-line.ts';

const never = new AbortController().signal;

/** A line over a clock that only the test moves. */
function lineOf(size: number, mostWaiting = 1_000) {
  let now = 0;
  const line = new FairLine(size, mostWaiting, () => now);
  const admitted: string[] = [];
  const ends: (() => void)[] = [];
  const enter = (namespace: string, runId = 'run', signal = never) => {
    const place: Place = { namespace, runId };
    const used = line.use(place, signal, async () => {
      admitted.push(`${namespace}/${runId}`);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
    used.catch(() => {});
    return used;
  };
  /** Ends the call that began first, after it took so long. */
  const endOne = async (tookMs = 10) => {
    now += tookMs;
    ends.shift()?.();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { line, admitted, enter, endOne };
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

test('two namespaces get the same, however many wait in one of them', async () => {
  const { line, admitted, enter, endOne } = lineOf(1);
  for (let call = 0; call < 500; call++) void enter('large');
  for (let call = 0; call < 20; call++) void enter('small');
  expect(line.waiting).toBe(519);
  for (let call = 0; call < 40; call++) await endOne();
  const { 'large/run': large = 0, 'small/run': small = 0 } = counted(admitted);
  expect(small).toBe(20);
  expect(large).toBe(21);
});

test('two runs of a namespace get the same, and together no more than another namespace', async () => {
  const { admitted, enter, endOne } = lineOf(1);
  for (let call = 0; call < 300; call++) void enter('a', 'busy');
  for (let call = 0; call < 300; call++) void enter('a', 'calm');
  for (let call = 0; call < 300; call++) void enter('b');
  for (let call = 0; call < 120; call++) await endOne();
  const { 'a/busy': busy = 0, 'a/calm': calm = 0, 'b/run': other = 0 } = counted(admitted);
  expect(Math.abs(busy - calm)).toBeLessThanOrEqual(2);
  expect(Math.abs(other - busy - calm)).toBeLessThanOrEqual(2);
});

test('what counts is time: calls that take three times as long get a third of the turns', async () => {
  const { admitted, enter, endOne } = lineOf(1);
  for (const namespace of ['slow', 'quick']) for (let call = 0; call < 200; call++) void enter(namespace);
  for (let call = 0; call < 200; call++) await endOne(admitted.at(-1) === 'slow/run' ? 30 : 10);
  const { 'slow/run': slow = 0, 'quick/run': quick = 0 } = counted(admitted);
  expect(quick / slow).toBeGreaterThan(2.8);
  expect(quick / slow).toBeLessThan(3.2);
});

test('a newcomer does not get what it did not ask for before', async () => {
  const { admitted, enter, endOne } = lineOf(1);
  for (let call = 0; call < 100; call++) void enter('old');
  for (let call = 0; call < 50; call++) await endOne();
  for (let call = 0; call < 50; call++) void enter('new');
  admitted.length = 0;
  for (let call = 0; call < 20; call++) await endOne();
  expect(counted(admitted)).toEqual({ 'old/run': 10, 'new/run': 10 });
});

test('a full line turns away the last of the run that has most in it', async () => {
  const { line, enter, endOne } = lineOf(1, 10);
  void enter('large');
  const waiting = Array.from({ length: 10 }, () => enter('large'));
  await expect(enter('large')).rejects.toMatchObject({ reason: 'Unavailable' });
  const small = enter('small');
  await expect(waiting[9]).rejects.toMatchObject({ reason: 'Unavailable' });
  expect(line.waiting).toBe(10);
  for (let call = 0; call < 3; call++) await endOne();
  await expect(small).resolves.toBeUndefined();
});

test('who leaves the line takes no turn, and leaves nothing behind', async () => {
  const { line, admitted, enter, endOne } = lineOf(1);
  const leaving = new AbortController();
  void enter('a');
  const gone = enter('b', 'run', leaving.signal);
  const stays = enter('c');
  leaving.abort(new Error('gone'));
  await expect(gone).rejects.toThrow('gone');
  expect(line.waiting).toBe(1);
  await endOne();
  await endOne();
  await stays;
  expect(admitted).toEqual(['a/run', 'c/run']);
  expect([line.used, line.waiting]).toEqual([0, 0]);
});

test('a call that fails gives its connection back', async () => {
  const line = new FairLine(1, 10);
  const place = { namespace: 'a', runId: 'run' };
  await expect(line.use(place, never, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  await expect(line.use(place, never, async () => 'next')).resolves.toBe('next');
  expect(line.used).toBe(0);
});
