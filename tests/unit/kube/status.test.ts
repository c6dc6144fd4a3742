// The merge patch from one status to another.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergePatch } from '#src/kube/status.ts';

/** RFC 7396, as it stands there. */
function applyPatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result = new Map<string, unknown>(isObject ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, applyPatch(result.get(key), value));
  }
  return Object.fromEntries(result);
}

test('says what changed, and nothing else', () => {
  const from = { phase: 'Running', progress: { done: 1, total: 9 }, list: [1, 2], gone: true };
  const to = { phase: 'Running', progress: { done: 2, total: 9 }, list: [1, 2, 3] };
  expect(mergePatch(from, to)).toEqual({ gone: null, progress: { done: 2 }, list: [1, 2, 3] });
});

test('is undefined when nothing changed, whatever the order of keys', () => {
  expect(mergePatch({ a: 1, b: { c: [1] } }, { b: { c: [1] }, a: 1 })).toBeUndefined();
});

test('applied to the old it makes the new, for any two', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const { status } = fc.letrec((tie) => ({
    status: fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer({ min: 0, max: 2 }),
      fc.array(fc.nat(2), { maxLength: 2 }),
      tie('status'),
    ),
  }));
  fc.assert(
    fc.property(status, status, (from, to) => {
      const before = from as object;
      const after = to as object;
      expect(applyPatch(before, mergePatch(before, after) ?? {})).toEqual(after);
    }),
  );
});
