// What an audit entry keeps of a change.
import { expect, test } from 'vitest';
import { differenceOf } from '#src/server/audit/difference.ts';

const state = (spec: object, labels: Record<string, string> = {}) => ({
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule' },
  metadata: { namespace: 'n', name: 'o', uid: 'u', resourceVersion: '1', labels },
  spec,
});

test.each([
  ['nothing', state({ a: 1 }), state({ a: 1 }), {}],
  [
    'a field',
    state({ a: 1, b: { c: [1] } }),
    state({ a: 2, b: { c: [1] } }),
    { before: { 'spec.a': 1 }, after: { 'spec.a': 2 } },
  ],
  ['a field that is new', state({}), state({ a: null }), { after: { 'spec.a': null } }],
  ['a field that is gone', state({ a: 1 }), state({}), { before: { 'spec.a': 1 } }],
  ['a label', state({}, { x: '1' }), state({}, {}), { before: { 'metadata.labels.x': '1' } }],
  ['all of it, made', undefined, state({ a: 1 }, { x: '1' }), { after: { 'spec.a': 1, 'metadata.labels.x': '1' } }],
  ['all of it, deleted', state({ a: 1 }), undefined, { before: { 'spec.a': 1 } }],
] as const)('%s', (_what, before, after, difference) => {
  expect(differenceOf(before, after)).toEqual(difference);
});

test('a side that is too large is named and not kept', () => {
  const { before, after } = differenceOf(state({ a: 'x'.repeat(70_000), b: 1 }), state({ a: 'y', b: 1 }));
  expect(before).toEqual({ tooLarge: { fields: ['spec.a'], bytes: expect.any(Number) } });
  expect(after).toEqual({ 'spec.a': 'y' });
});
