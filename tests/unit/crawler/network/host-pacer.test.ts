// Spacing of sends when the machine is late.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHostPacer, dueTime, HostPausedError } from '#src/crawler/network/host-pacer.ts';

describe('dueTime', () => {
  it.each([
    ['the first one is sent as planned', undefined, 50, 50],
    ['one after a send in time, as planned', 0, 100, 100],
    ['one after a late send, nearly the spacing later', 30, 100, 120],
    ['not later when there is time enough', 30, 400, 400],
    ['one that comes out of order waits, too', 130, 50, 220],
  ])('%s', (_, last, planned, expected) => {
    expect(dueTime(last, planned, 100)).toBe(expected);
  });

  it.each([
    [0.5, 100, 'a spacing that timers are too coarse for is left to the places'],
    [1, 100.8, 'a spacing of a millisecond is kept'],
  ])('of a spacing of %d ms is %d: %s', (spacingMs, expected) => {
    expect(dueTime(99.9, 100, spacingMs)).toBeCloseTo(expected);
  });

  it('keeps sends apart and catches up, however late each of them is', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 100 }), (lateness) => {
        let last: number | undefined;
        for (const [index, late] of lateness.entries()) {
          const due = dueTime(last, 100 * index, 100);
          if (last !== undefined) expect(due - last).toBeGreaterThanOrEqual(90);
          last = due + late;
        }
        for (let index = lateness.length; index < 50 * (lateness.length + 1); index += 1)
          last = dueTime(last, 100 * index, 100);
        expect(last).toBe(100 * (50 * (lateness.length + 1) - 1));
      }),
    );
  });
});

const never = new AbortController().signal;

/** A pacer whose store gives the next place at once, each 20 ms after the last, good for long where places have an end. */
function pacerWithPlaces(spacingMs = 20) {
  const reserved: string[] = [];
  const pacer = createHostPacer({
    spacingMs,
    reserve: async (host) => {
      reserved.push(host);
      const from = performance.now() + spacingMs;
      return spacingMs < 10 ? { from } : { from, by: from + 60_000 };
    },
  });
  return { pacer, reserved };
}

it('uses a place that is still good, however long it has been there', async () => {
  const { pacer, reserved } = pacerWithPlaces();
  const now = performance.now();
  await pacer.untilPlace('a.example', { from: now - 500 }, never);
  expect(reserved).toEqual([]);
});

it('takes another place for one that was missed, before it sends', async () => {
  const { pacer, reserved } = pacerWithPlaces();
  const began = performance.now();
  await pacer.untilPlace('a.example', { from: began - 30, by: began - 28 }, never);
  expect(reserved).toEqual(['a.example']);
  expect(performance.now() - began).toBeGreaterThanOrEqual(20);
});

it('takes another place at once when its own late send leaves no room for the next one', async () => {
  const { pacer, reserved } = pacerWithPlaces(1_000);
  const now = performance.now();
  await pacer.untilPlace('a.example', { from: now - 990 }, never);
  const stop = new AbortController();
  const next = pacer.untilPlace('a.example', { from: now + 10, by: now + 110 }, stop.signal);
  await expect.poll(() => reserved).toEqual(['a.example']);
  stop.abort(new Error('seen'));
  await expect(next).rejects.toThrow('seen');
});

it('lets go of a wait that is not wanted any more', async () => {
  const stop = new AbortController();
  const { pacer } = pacerWithPlaces();
  const place = { from: performance.now() + 60_000 };
  const waiting = pacer.untilPlace('a.example', place, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
});

describe('the last look before a request is written', () => {
  const goodFor = (from: number, ms: number) => ({ from, by: from + ms });

  it('lets each place be used once, while it is good', async () => {
    const { pacer } = pacerWithPlaces(1_000);
    await pacer.untilPlace('a.example', goodFor(performance.now(), 60_000), never);
    expect(pacer.maySend('a.example')).toBe(true);
    expect(pacer.maySend('a.example')).toBe(false);
    expect(pacer.maySend('other.example')).toBe(true);
  });

  it('refuses a place that went by while the connection was made, and waits for another one', async () => {
    const { pacer, reserved } = pacerWithPlaces();
    const place = goodFor(performance.now(), 60);
    await pacer.untilPlace('a.example', place, never);
    await expect.poll(() => performance.now()).toBeGreaterThan(place.by);
    expect(pacer.maySend('a.example')).toBe(false);
    await pacer.untilNextPlace('a.example', never);
    expect(reserved).toEqual(['a.example']);
    expect(pacer.maySend('a.example')).toBe(true);
  });

  it('leaves time to write a request that was given its place in time, however short the place', async () => {
    const { pacer } = pacerWithPlaces(1_200_000);
    const now = performance.now();
    const place = goodFor(now, 1_000);
    await pacer.untilPlace('a.example', place, never);
    await expect.poll(() => performance.now(), { timeout: 5_000 }).toBeGreaterThan(place.by);
    expect(pacer.maySend('a.example')).toBe(true);
  });

  it('refuses what would follow too soon on a request that was written late', async () => {
    const { pacer } = pacerWithPlaces(300);
    const now = performance.now();
    // Claimed together: both are good until the end of the last one's turn.
    await pacer.untilPlace('a.example', { from: now - 350, by: now + 60_000 }, never);
    // Taken before it is sent: whatever the machine does meanwhile makes the gap seem longer, not shorter.
    const sentAt = performance.now();
    expect(pacer.maySend('a.example')).toBe(true);
    await pacer.untilPlace('a.example', { from: now - 50, by: now + 60_000 }, never);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(265);
    expect(pacer.maySend('a.example')).toBe(true);
    expect(pacer.maySend('a.example')).toBe(false);
  });

  it('asks nothing of hosts so fast that places have no end', async () => {
    const { pacer } = pacerWithPlaces(1);
    await pacer.takePlace('a.example', never);
    expect([1, 2, 3].map(() => pacer.maySend('a.example'))).toEqual([true, true, true]);
  });
});

describe('a host that asks for patience', () => {
  const farAway = { from: performance.now() + 3_600_000, by: performance.now() + 3_601_000 };
  const pacer = createHostPacer({ spacingMs: 20, reserve: async () => farAway });
  const missed = { from: 0, by: 1 };

  it.each([
    ['a claim whose place was missed', () => pacer.untilPlace('a.test', missed, never)],
    ['one more document', () => pacer.takePlace('a.test', never)],
    ['a request that came too late to be written', () => pacer.untilNextPlace('a.test', never)],
  ])('keeps no slot waiting for it: %s', async (_, wait) => {
    await expect(wait()).rejects.toBeInstanceOf(HostPausedError);
  });

  it('is waited for when it is but slow', async () => {
    const stop = new AbortController();
    const slow = createHostPacer({ spacingMs: 20, reserve: async () => ({ from: performance.now() + 60_000 }) });
    const waiting = slow.takePlace('a.test', stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

it('sends as close as the places of a host that it shares with a faster run, whatever its own delay is', async () => {
  const { pacer, reserved } = pacerWithPlaces(60_000);
  const now = performance.now();
  for (const step of [0, 1, 2]) {
    const from = now - 30 + 10 * step;
    await pacer.untilPlace('a.example', { from, by: from + 10_000, spacingMs: 10 }, never);
    expect(pacer.maySend('a.example')).toBe(true);
  }
  expect(reserved).toEqual([]);
});
