// When a failed page is tried again.
import { describe, expect, it } from 'vitest';
import { backOffMs, retryAfterMs } from '#src/crawler/back-off.ts';

describe('backOffMs', () => {
  it('doubles from one second to five minutes', () => {
    const full = () => 1;
    expect([1, 2, 3, 4, 20].map((attempt) => backOffMs(attempt, full))).toEqual([1_000, 2_000, 4_000, 8_000, 300_000]);
  });

  it('leaves up to half of it out by chance', () => {
    expect(backOffMs(3, () => 0)).toBe(2_000);
    expect(backOffMs(3, () => 0.5)).toBe(3_000);
  });
});

describe('retryAfterMs', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['999999999', 3_600_000],
    ['soon', undefined],
    [undefined, undefined],
  ])('%s is %s', (header, expected) => {
    expect(retryAfterMs(header, now)).toBe(expected);
  });
});
