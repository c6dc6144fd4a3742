// When lastTransitionTime moves, and when it does not.
import { expect, test } from 'vitest';
import { type Condition, findCondition, isConditionTrue, setCondition } from '#src/kube/conditions.ts';

const early = new Date('2026-01-01T10:00:00.123Z');
const late = new Date('2026-01-01T11:00:00.456Z');
const ready = { type: 'Ready', status: 'True', reason: 'Fine', message: 'all is well' } as const;

test('a new condition is added with the time in whole seconds', () => {
  expect(setCondition(undefined, ready, early)).toEqual([{ ...ready, lastTransitionTime: '2026-01-01T10:00:00Z' }]);
});

test('the time moves when the status does, and only then', () => {
  const first = setCondition([], ready, early);
  const reworded = setCondition(first, { ...ready, message: 'still well', observedGeneration: 2 }, late);
  expect(reworded).toEqual([
    { ...ready, message: 'still well', observedGeneration: 2, lastTransitionTime: '2026-01-01T10:00:00Z' },
  ]);
  const fallen = setCondition(reworded, { ...ready, status: 'False' }, late);
  expect(findCondition(fallen, 'Ready')?.lastTransitionTime).toBe('2026-01-01T11:00:00Z');
});

test('other conditions stay where they are, and the given list as it is', () => {
  const other: Condition = { ...ready, type: 'Other', lastTransitionTime: '2020-01-01T00:00:00Z' };
  const before = setCondition([other], ready, early);
  const after = setCondition(before, { ...ready, type: 'Other', status: 'Unknown' }, late);
  expect(after.map(({ type }) => type)).toEqual(['Other', 'Ready']);
  expect(before[0]).toBe(other);
  expect(isConditionTrue(after, 'Other')).toBe(false);
  expect(isConditionTrue(after, 'Ready')).toBe(true);
});
