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
  it.each<[header: string | readonly string[] | undefined, expected: number | undefined]>([
    ['120', 120_000],
    [' 0 ', 0],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['999999999', 3_600_000],
    ['9'.repeat(400), 3_600_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
    // Fractions, which Date.parse takes for dates of this century.
    ['2.5', 2_500],
    ['0.25', 250],
    ['.5', 500],
    ['1.0001', 1_001],
    ['120s', 120_000],
    ['30 seconds', 30_000],
    ['-1', undefined],
    ['1e3', undefined],
    ['2,5', 5_000],
    // The other forms of dates (RFC 9110, 5.6.7), and what looks like them.
    ['Thursday, 01-Jan-26 00:01:00 GMT', 60_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['Thu Jan  1 00:02:00 2026', 120_000],
    ['thu, 1 jan 2026 00:01:00 gmt', 60_000],
    ['Thu, 01 Jan 2026 00:01:00', 60_000],
    ['2026-01-01T00:01:00Z', 60_000],
    ['2026-01-01T01:01:00+01:00', 60_000],
    ['Thu, 01 Foo 2026 00:01:00 GMT', undefined],
    ['2001', 2_001_000],
    ['1 2 3', undefined],
    // Sent more than once.
    [['5', '10'], 10_000],
    [['soon', '10'], 10_000],
    ['5, 10', 10_000],
    [['Thu, 01 Jan 2026 00:01:00 GMT', '5'], 60_000],
    [[], undefined],
  ])('%s is %s', (header, expected) => {
    expect(retryAfterMs(header, now)).toBe(expected);
  });
});
