import { expect, test } from 'vitest';
import { barLine, plainLine, rateOf } from '#src/local/progress-view.ts';
import type { SourceSnapshot } from '#src/store/operator-store.ts';

function source(name: string, counts: Partial<SourceSnapshot['progress']>): SourceSnapshot {
  const none = { total: 0, queued: 0, leased: 0, succeeded: 0, failed: 0, skipped: 0, items: 0 };
  return { name, active: true, progress: { ...none, ...counts } };
}

test.each([
  ['nothing known yet', [], 0],
  ['one sample', [{ at: 9_000, done: 5 }], 0],
  [
    'ten pages in two seconds',
    [
      { at: 8_000, done: 5 },
      { at: 10_000, done: 15 },
    ],
    5,
  ],
  [
    'what is older than five seconds',
    [
      { at: 0, done: 0 },
      { at: 6_000, done: 100 },
      { at: 10_000, done: 104 },
    ],
    1,
  ],
])('the rate of %s', (_what, samples, rate) => {
  expect(rateOf(samples, 10_000)).toBe(rate);
});

test.each([
  ['an empty source', source('a', {}), 'a    [░░░░░░░░░░░░░░░░░░░░░░░░]   0% 0/0 pages, 0.0/s, 0 items'],
  [
    'a source at its half',
    source('shop', { total: 50, succeeded: 21, failed: 3, skipped: 1, items: 63 }),
    'shop [████████████░░░░░░░░░░░░]  50% 25/50 pages, 0.0/s, 63 items, 3 failed',
  ],
  [
    'a source that is done',
    source('b', { total: 2, succeeded: 2 }),
    'b    [████████████████████████] 100% 2/2 pages, 0.0/s, 0 items',
  ],
])('the bar of %s', (_what, snapshot, line) => {
  expect(barLine(snapshot, 0, 4)).toBe(line);
});

test('plain lines name every source', () => {
  const sources = [source('a', { total: 2, succeeded: 1, items: 3 }), source('b', {})];
  expect(plainLine(sources, [1.5, 0])).toBe('a: 1/2 pages, 1.5/s, 3 items; b: 0/0 pages, 0.0/s, 0 items');
});
