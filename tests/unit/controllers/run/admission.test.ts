import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admissions, type Candidate } from '#src/controllers/run/admission.ts';

function candidate(name: string, change: Partial<Candidate> = {}): Candidate {
  return {
    uid: name,
    name,
    namespace: 'default',
    queue: 'default',
    priority: 0,
    createdAt: new Date(0),
    admitted: false,
    isPaused: false,
    ...change,
  };
}

const admitted = { admitted: true };
const waiting = (reason: string, position: number) => ({ admitted: false, reason, position });

describe('admissions', () => {
  test('without limits everything is let in', () => {
    const result = admissions([candidate('a'), candidate('b')], {});
    expect([...result.values()]).toEqual([admitted, admitted]);
  });

  test('the limit lets in by priority, then by age; the others wait in that order', () => {
    const result = admissions(
      [
        candidate('young', { createdAt: new Date(2) }),
        candidate('old', { createdAt: new Date(1) }),
        candidate('urgent', { createdAt: new Date(3), priority: 1 }),
      ],
      { total: 1 },
    );
    expect(result.get('urgent')).toEqual(admitted);
    expect(result.get('old')).toMatchObject(waiting('WaitingForSlot', 1));
    expect(result.get('young')).toMatchObject(waiting('WaitingForSlot', 2));
  });

  test('who is in stays in, even when the limit was lowered or somebody more urgent comes', () => {
    const result = admissions(
      [candidate('a', { admitted: true }), candidate('b', { admitted: true }), candidate('c', { priority: 9 })],
      { total: 1 },
    );
    expect(result.get('b')).toEqual(admitted);
    expect(result.get('c')).toMatchObject(waiting('WaitingForSlot', 1));
  });

  test('a full namespace does not hold up another', () => {
    const result = admissions(
      [candidate('a', { admitted: true }), candidate('b'), candidate('c', { namespace: 'other' })],
      { perNamespace: 1 },
    );
    expect(result.get('b')).toMatchObject({ limit: '1 active runs in the namespace' });
    expect(result.get('c')).toEqual(admitted);
  });

  test('runs of a schedule go one after the other', () => {
    const queued = { takesTurnsIn: 'schedule-uid' };
    const result = admissions(
      [candidate('first', queued), candidate('second', { ...queued, createdAt: new Date(1) }), candidate('other')],
      {},
    );
    expect(result.get('first')).toEqual(admitted);
    expect(result.get('second')).toMatchObject(waiting('WaitingForPrevious', 1));
    expect(result.get('other')).toEqual(admitted);
  });

  test('a paused run takes no place, and is not let in; one of its schedule waits for it all the same', () => {
    const isPaused = true;
    const result = admissions(
      [
        candidate('paused', { admitted: true, isPaused, takesTurnsIn: 'q' }),
        candidate('paused-in-line', { isPaused, takesTurnsIn: 'r' }),
        candidate('other'),
        candidate('behind-it', { takesTurnsIn: 'q', createdAt: new Date(1) }),
        candidate('passes-it', { takesTurnsIn: 'r', createdAt: new Date(2) }),
      ],
      { total: 2 },
    );
    expect(result.get('paused')).toEqual(admitted);
    expect(result.has('paused-in-line')).toBe(false);
    expect(result.get('other')).toEqual(admitted);
    expect(result.get('behind-it')).toMatchObject(waiting('WaitingForPrevious', 1));
    expect(result.get('passes-it')).toEqual(admitted);
  });

  test('a full queue does not hold up another, and each has a line of its own', () => {
    const result = admissions(
      [
        candidate('at-work', { queue: 'nightly', admitted: true }),
        candidate('next', { queue: 'nightly' }),
        candidate('last', { queue: 'nightly', createdAt: new Date(1) }),
        candidate('other'),
        candidate('behind-other', { createdAt: new Date(1) }),
      ],
      { total: 2, queues: new Map([['nightly', 1]]) },
    );
    expect(result.get('next')).toEqual({ ...waiting('WaitingForSlot', 1), limit: '1 active runs of the queue' });
    expect(result.get('last')).toMatchObject(waiting('WaitingForSlot', 2));
    expect(result.get('other')).toEqual(admitted);
    expect(result.get('behind-other')).toEqual({ ...waiting('WaitingForSlot', 1), limit: '2 active runs' });
  });

  test('a queue without a cap of its own has that of all', () => {
    const queues = new Map([['nightly', undefined]]);
    const runs = [candidate('a', { queue: 'nightly' }), candidate('b', { queue: 'nightly' })];
    expect([...admissions(runs, { queues }).values()]).toEqual([admitted, admitted]);
    expect(admissions(runs, { queues, total: 1 }).get('b')).toMatchObject(waiting('WaitingForSlot', 1));
  });

  describe('namespaces take turns', () => {
    const many = (namespace: string, count: number, change: Partial<Candidate> = {}) =>
      Array.from({ length: count }, (_, index) =>
        candidate(`${namespace}${index}`, { namespace, createdAt: new Date(index), ...change }),
      );
    /** Those that wait for a place, in the order of their places in line. */
    const inLine = (runs: readonly Candidate[]) =>
      [...admissions(runs, { total: 1 })]
        .flatMap(([uid, one]) => (one.admitted || one.reason !== 'WaitingForSlot' ? [] : [{ uid, ...one }]))
        .sort((one, other) => one.position - other.position)
        .map(({ uid }) => uid);

    test.each<[string, Candidate[], string[]]>([
      [
        'one with few runs comes between those of one with many, though they are younger',
        [...many('a', 4), ...many('b', 2, { createdAt: new Date(9) })],
        ['a0', 'b0', 'a1', 'b1', 'a2', 'a3'],
      ],
      [
        'priority counts within a namespace, and takes no turn of another',
        [...many('a', 2), ...many('b', 2, { priority: 9 }), candidate('a9', { namespace: 'a', priority: 5 })],
        ['b0', 'a9', 'b1', 'a0', 'a1'],
      ],
      [
        'who has more runs at work waits until the others have as many',
        [...many('a', 2), candidate('at-work', { namespace: 'a', admitted: true }), ...many('b', 2)],
        ['b0', 'a0', 'b1', 'a1'],
      ],
      [
        'what waits for the run before it takes no turn of its namespace',
        [
          candidate('at-work', { namespace: 'a', admitted: true, takesTurnsIn: 's', isPaused: true }),
          ...many('a', 2, { takesTurnsIn: 's', priority: 1 }),
          candidate('a9', { namespace: 'a' }),
          ...many('b', 2, { createdAt: new Date(9) }),
        ],
        ['a9', 'b0', 'b1'],
      ],
    ])('%s', (_what, runs, names) => {
      const full = candidate('full', { namespace: 'other', admitted: true });
      expect(inLine([...runs, full])).toEqual(names);
    });

    test('the one whose last turn is the longest ago goes first, where each has as many at work', () => {
      const runs = [...many('a', 1), ...many('b', 1, { createdAt: new Date(9) })];
      const turns = new Map([
        ['default/a', 2_000],
        ['default/b', 1_000],
      ]);
      expect(admissions(runs, { total: 1 }, turns).get('b0')).toEqual(admitted);
      expect(admissions(runs, { total: 1 }).get('a0')).toEqual(admitted);
    });
  });

  test('never lets in more than a limit, and never leaves a place free while somebody waits for it', () => {
    const anyCandidate = fc.record({
      namespace: fc.constantFrom('a', 'b'),
      queue: fc.constantFrom('default', 'nightly'),
      priority: fc.integer({ min: 0, max: 3 }),
      createdAt: fc.integer({ min: 0, max: 5 }).map((ms) => new Date(ms)),
      takesTurnsIn: fc.option(fc.constantFrom('q', 'r'), { nil: undefined }),
    });
    const limit = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(fc.array(anyCandidate, { maxLength: 20 }), limit, limit, (list, total, cap) => {
        const candidates = list.map(({ takesTurnsIn, ...one }, index) => ({
          ...candidate(`run-${index}`, one),
          ...(takesTurnsIn === undefined ? {} : { takesTurnsIn }),
        }));
        const result = admissions(candidates, { total, queues: new Map([['nightly', cap]]) });
        const active = candidates.filter((one) => result.get(one.uid)?.admitted);
        expect(active.length).toBeLessThanOrEqual(total);
        const schedules = active.flatMap((one) => one.takesTurnsIn ?? []);
        expect(new Set(schedules).size).toBe(schedules.length);
        const nightly = active.filter(({ queue }) => queue === 'nightly').length;
        expect(nightly).toBeLessThanOrEqual(cap);
        for (const one of candidates) {
          const admission = result.get(one.uid);
          if (admission?.admitted || admission?.reason !== 'WaitingForSlot') continue;
          if (one.queue === 'default' || nightly < cap) expect(active.length).toBe(total);
        }
      }),
    );
  });
});
