// Which redirects a visit follows itself, which become requests, and where it ends.
import { expect, it } from 'vitest';
import { hopOf } from '#src/crawler/page/page-visit.ts';

const a = 'https://site.example/a';
const b = 'https://site.example/b';

it.each([
  ['a new target', [a], b, 'Request'],
  ['the URL itself, as a page does that has set a cookie', [a], a, 'Here'],
  ['a URL on the way, once', [a, b], a, 'Here'],
  ['the same URL for the third time', [a, a], a, 'TooMany'],
  ['a loop of two', [a, b, a], a, 'TooMany'],
  ['the tenth redirect', Array.from({ length: 10 }, (_, hop) => `${a}/${hop}`), b, 'Request'],
  ['the eleventh redirect', Array.from({ length: 11 }, (_, hop) => `${a}/${hop}`), b, 'TooMany'],
] as const)('%s', (_, path, to, hop) => {
  expect(hopOf(path, new URL(to))).toBe(hop);
});
