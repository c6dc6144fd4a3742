// The heap of delayed keys against the obvious sorted list.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDelayQueue } from '#src/kube/delay-queue.ts';

test('gives the due keys, the earliest first', () => {
  const queue = createDelayQueue();
  queue.schedule('late', 30);
  queue.schedule('early', 10);
  queue.schedule('middle', 20);
  expect(queue.nextDueAt()).toBe(10);
  expect(queue.takeDue(9)).toEqual([]);
  expect(queue.takeDue(20)).toEqual(['early', 'middle']);
  expect(queue.size).toBe(1);
});

test('a key moves forward, never back', () => {
  const queue = createDelayQueue();
  queue.schedule('a', 50);
  queue.schedule('a', 90);
  expect(queue.nextDueAt()).toBe(50);
  queue.schedule('a', 10);
  expect(queue.takeDue(10)).toEqual(['a']);
  expect(queue.size).toBe(0);
  queue.schedule('a', 90);
  expect(queue.nextDueAt()).toBe(90);
});

test('behaves like a sorted list, whatever is done to it', () => {
  const step = fc.oneof(
    fc.record({ key: fc.integer({ min: 0, max: 30 }).map(String), dueAt: fc.nat(1_000) }),
    fc.record({ now: fc.nat(1_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = createDelayQueue();
      const reference = new Map<string, number>();
      for (const taken of steps) {
        if ('now' in taken) {
          const due = [...reference].filter(([, dueAt]) => dueAt <= taken.now);
          const times = queue.takeDue(taken.now).map((key) => reference.get(key));
          expect(times).toEqual(due.map(([, dueAt]) => dueAt).sort((a, b) => a - b));
          for (const [key] of due) reference.delete(key);
        } else {
          queue.schedule(taken.key, taken.dueAt);
          reference.set(taken.key, Math.min(taken.dueAt, reference.get(taken.key) ?? taken.dueAt));
        }
        expect(queue.size).toBe(reference.size);
        expect(queue.nextDueAt()).toBe(reference.size === 0 ? undefined : Math.min(...reference.values()));
      }
    }),
  );
});
