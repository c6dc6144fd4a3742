// When a run will be done, and how far that can be trusted.
import { describe, expect, test } from 'vitest';
import { outlookInWords, outlookOf, type Sample } from '#src/cli/plugin/outlook.ts';

/** A sample a second: pages done, and known. */
const each = (...pages: readonly (readonly [done: number, known: number])[]): Sample[] =>
  pages.map(([done, known], second) => ({ at: second * 1_000, done, known }));

describe('outlook', () => {
  test.each([
    ['one sample says nothing', each([5, 10]), { rate: 0 }],
    ['nothing moves', each([5, 10], [5, 10]), { rate: 0 }],
    ['all is done', each([5, 10], [10, 10]), { rate: 5, secondsLeft: 0, confidence: 'high' }],
    ['a steady pace', each([0, 100], [20, 100], [40, 100]), { rate: 20, secondsLeft: 3, confidence: 'high' }],
    ['few pages are done', each([0, 100], [5, 100], [10, 100]), { rate: 5, secondsLeft: 18, confidence: 'low' }],
    ['as many are found as are done', each([0, 100], [20, 120]), { rate: 20, secondsLeft: 5, confidence: 'low' }],
    ['some are found', each([0, 100], [20, 105]), { rate: 20, secondsLeft: 5, confidence: 'medium' }],
    ['the pace falls', each([0, 100], [40, 100], [50, 100]), { rate: 25, secondsLeft: 2, confidence: 'medium' }],
  ] as const)('%s', (_, samples, expected) => {
    expect(outlookOf(samples)).toEqual(expected);
  });

  test.each([
    [{ rate: 0 }, 'nothing moves'],
    [{ rate: 1, secondsLeft: 0, confidence: 'high' }, 'all that is known is done'],
    [{ rate: 1, secondsLeft: 59, confidence: 'low' }, 'about 59s left (low confidence)'],
    [{ rate: 1, secondsLeft: 60, confidence: 'medium' }, 'about 1m0s left (medium confidence)'],
    [{ rate: 1, secondsLeft: 3_725, confidence: 'high' }, 'about 1h2m left (high confidence)'],
  ] as const)('%j in words', (outlook, words) => {
    expect(outlookInWords(outlook)).toBe(words);
  });
});
