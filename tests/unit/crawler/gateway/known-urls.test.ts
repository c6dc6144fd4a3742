// What a worker need not offer to the frontier again.
import { expect, it } from 'vitest';
import { KnownUrls } from '#src/crawler/gateway/known-urls.ts';

it('knows a URL from the depth it was found at, and from deeper', () => {
  const known = new KnownUrls();
  expect(known.has('a', 2)).toBe(false);
  known.add('a', 2);
  expect([1, 2, 3].map((depth) => known.has('a', depth))).toEqual([false, true, true]);
  known.add('a', 1);
  known.add('a', 5);
  expect(known.has('a', 1)).toBe(true);
});

it('forgets what no page has had for long, and nothing that all pages have', () => {
  const known = new KnownUrls();
  known.add('menu', 0);
  for (let index = 0; index <= 50_000; index += 1) {
    known.add(String(index), 0);
    if (index % 10_000 === 0) known.add('menu', 1);
  }
  expect(known.has('0', 0)).toBe(false);
  expect(known.has('menu', 0)).toBe(true);
  expect(known.has('30000', 0)).toBe(true);
  expect(known.has('50000', 0)).toBe(true);
});
