import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationMs, formatDuration } from '#src/resources/duration.ts';

test.each([
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['500ms', 500],
])('%s is %i ms, and is written so', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
  expect(formatDuration(ms)).toBe(text);
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999 * 3_600_000 }), (ms) => {
      expect(durationMs(formatDuration(ms))).toBe(ms);
    }),
  );
});

test('what is no duration is refused, with the text', () => {
  expect(() => durationMs('60')).toThrow('"60" is not a duration');
});
