// When a loaded page is read: a table of what is known of it.
import { describe, expect, it } from 'vitest';
import { nextLook, type PageState, quietSoFar } from '#src/crawler/browser/quiet.ts';

const rest: PageState = {
  ...{ hasWanted: true, isLoading: false, timerMs: 0, unchangedMs: 60, hasSources: false, elapsedMs: 100 },
};
const shell = { ...rest, hasWanted: false };

describe('a loaded page', () => {
  it.each<[string, PageState]>([
    ['has all that is wanted and has not changed for a while', rest],
    ['lacks something, and has not changed for longer', { ...shell, unchangedMs: 500 }],
    [
      'is busy with something else: all that is wanted has been there for long',
      { ...rest, isLoading: true, unchangedMs: 2_000 },
    ],
    ['never comes to rest', { ...shell, isLoading: true, timerMs: 10, unchangedMs: 0, elapsedMs: 5_000 }],
    ['has all that is wanted and a timer for later', { ...rest, timerMs: 1_500 }],
    ['has a worker that says nothing for a while', { ...rest, hasSources: true, unchangedMs: 100 }],
  ])('is read when it %s', (_, state) => {
    expect(nextLook(state)).toBe(0);
  });

  it.each<[string, PageState]>([
    ['has changed just now', { ...rest, unchangedMs: 10 }],
    ['waits for an answer', { ...rest, isLoading: true }],
    [
      'waits for an answer, and lacks something, however long it has not changed',
      { ...shell, isLoading: true, unchangedMs: 3_000 },
    ],
    ['has a timer that is due soon', { ...rest, timerMs: 300 }],
    ['lacks something and has a timer for later', { ...shell, timerMs: 1_500, unchangedMs: 600 }],
    ['lacks something and has changed not long ago', { ...shell, unchangedMs: 300 }],
    ['has a worker whose timers nobody sees', { ...rest, hasSources: true }],
    ['lacks something that a worker may still bring', { ...shell, hasSources: true, unchangedMs: 600 }],
  ])('is looked at again when it %s', (_, state) => {
    const wait = nextLook(state);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(50);
  });
});

it.each([
  ['at the first look, nothing', 0, 0, 0, 0],
  ['at each look that follows, the time between', 50, 50, 100, 100],
  ['after a change, the time since that', 300, 50, 20, 20],
  ['after a change while the page stood still, two looks', 300, 900, 600, 100],
  ['while the page stood still, two looks', 50, 1_500, 1_550, 150],
])('a page has been quiet for: %s', (_, before, sinceLookMs, unchangedMs, expected) => {
  expect(quietSoFar(before, sinceLookMs, unchangedMs)).toBe(expected);
});
