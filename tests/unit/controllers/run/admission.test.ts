import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admissions, type Candidate } from '#src/controllers/run/admission.ts';

function candidate(name: string, change: Partial<Candidate> = {}): Candidate {
  return {
    uid: name,
    name,
    namespace: 'default',
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

  test('runs of a queue go one after the other', () => {
    const queued = { queue: 'schedule-uid' };
    const result = admissions(
      [candidate('first', queued), candidate('second', { ...queued, createdAt: new Date(1) }), candidate('other')],
      {},
    );
    expect(result.get('first')).toEqual(admitted);
    expect(result.get('second')).toMatchObject(waiting('WaitingForPrevious', 1));
    expect(result.get('other')).toEqual(admitted);
  });

  test('a paused run takes no place, and is not let in; one of its queue waits for it all the same', () => {
    const isPaused = true;
    const result = admissions(
      [
        candidate('paused', { admitted: true, isPaused, queue: 'q' }),
        candidate('paused-in-line', { isPaused, queue: 'r' }),
        candidate('other'),
        candidate('behind-it', { queue: 'q', createdAt: new Date(1) }),
        candidate('passes-it', { queue: 'r', createdAt: new Date(2) }),
      ],
      { total: 2 },
    );
    expect(result.get('paused')).toEqual(admitted);
    expect(result.has('paused-in-line')).toBe(false);
    expect(result.get('other')).toEqual(admitted);
    expect(result.get('behind-it')).toMatchObject(waiting('WaitingForPrevious', 1));
    expect(result.get('passes-it')).toEqual(admitted);
  });

  test('never lets in more than a limit, and never leaves a place free while somebody waits for it', () => {
    const anyCandidate = fc.record({
      namespace: fc.constantFrom('a', 'b'),
      priority: fc.integer({ min: 0, max: 3 }),
      createdAt: fc.integer({ min: 0, max: 5 }).map((ms) => new Date(ms)),
      queue: fc.option(fc.constantFrom('q', 'r'), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyCandidate, { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (list, total) => {
        const candidates = list.map(({ queue, ...one }, index) => ({
          ...candidate(`run-${index}`, one),
          ...(queue === undefined ? {} : { queue }),
        }));
        const result = admissions(candidates, { total });
        const active = candidates.filter((one) => result.get(one.uid)?.admitted);
        expect(active.length).toBeLessThanOrEqual(total);
        const queues = active.flatMap((one) => one.queue ?? []);
        expect(new Set(queues).size).toBe(queues.length);
        const waitsForSlot = [...result.values()].some((one) => !one.admitted && one.reason === 'WaitingForSlot');
        if (waitsForSlot) expect(active.length).toBe(total);
      }),
    );
  });
});
