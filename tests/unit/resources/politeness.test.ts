import { expect, test } from 'vitest';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { hostSpacingMs, shareWeight } from '#src/resources/politeness.ts';

test.each([
  ['the rate alone', { requestsPerSecond: 4 }, 250],
  ['a delay that is slower than the rate', { requestsPerSecond: 4, delay: '1s' }, 1_000],
  ['a delay that is faster than the rate', { requestsPerSecond: 4, delay: '100ms' }, 250],
  ['a delay of more than a day', { delay: '900h' }, 86_400_000],
])('spaces documents of a host by %s', (_, politeness, spacingMs) => {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'shop', urls: ['https://shop.test/'] }], politeness });
  expect(hostSpacingMs(spec.politeness)).toBe(spacingMs);
});

test.each([
  [0, 1],
  [1, 2],
  [3, 3],
  [-1, 1 / 2],
  [-3, 1 / 3],
  [1_000, 10.97],
  [1_000_000, 20.93],
  [-1_000_000, 1 / 20.93],
])('a run of priority %i weighs %f at a shared host', (priority, weight) => {
  expect(shareWeight(priority)).toBeCloseTo(weight, 2);
});

test('every step of priority weighs more than the one before', () => {
  const weights = Array.from({ length: 2_001 }, (_, index) => shareWeight(index - 1_000));
  expect(weights).toEqual([...new Set(weights)].sort((a, b) => a - b));
});
