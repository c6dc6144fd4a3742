import fc from 'fast-check';
import { expect, test } from 'vitest';
import { adaptInterval } from '#src/schedule/adaptive-interval.ts';

const HOUR = 3_600_000;
const bounds = { minMs: HOUR, maxMs: 4 * HOUR };

test.each([
  ['much has changed', { changed: 50, unchanged: 50 }, HOUR, 'shorter: 50 of 100 pages are not as before'],
  [
    'new and removed pages count too',
    { added: 6, removed: 6, unchanged: 88 },
    HOUR,
    'shorter: 12 of 100 pages are not as before',
  ],
  ['nothing has changed', { unchanged: 100 }, 3 * HOUR, 'longer: 0 of 100 pages are not as before'],
  ['a little has changed', { changed: 5, unchanged: 95 }, 2 * HOUR, 'kept: 5 of 100 pages are not as before'],
  ['there is nothing to compare', undefined, 2 * HOUR, 'kept: the last run gives nothing to compare'],
])('%s', (_what, changes, intervalMs, reason) => {
  expect(adaptInterval(2 * HOUR, changes, bounds)).toEqual({ intervalMs, reason });
});

test('never leaves the bounds, and comes in whole seconds', () => {
  const count = fc.integer({ min: 0, max: 1_000 });
  const changes = fc.option(fc.record({ added: count, changed: count, removed: count, unchanged: count }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 100 * HOUR }), changes, (current, found) => {
      const { intervalMs } = adaptInterval(current, found, bounds);
      expect(intervalMs).toBeGreaterThanOrEqual(bounds.minMs);
      expect(intervalMs).toBeLessThanOrEqual(bounds.maxMs);
      expect(intervalMs % 1_000).toBe(0);
    }),
  );
});
