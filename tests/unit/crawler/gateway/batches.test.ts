// Commits of a size that the gateway takes.
import { expect, test } from 'vitest';
import { batchesOf } from '#src/crawler/gateway/batches.ts';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';

const MEGABYTE = 2 ** 20;

function page(name: string, characters: number, links = 0): Outcome {
  const claim = { requestId: name, leaseToken: name } as Claim;
  const link = { source: 'site', url: 'http://site.test/'.padEnd(200, 'x'), host: 'site.test', depth: 1 };
  return { claim, type: 'done', items: [{ text: 'x'.repeat(characters) }], links: Array(links).fill(link) };
}

const namesOf = (batches: readonly Outcome[][]) => batches.map((batch) => batch.map(({ claim }) => claim.requestId));

test.each([
  ['nothing', [], []],
  ['small pages', [page('a', 10), page('b', 10)], [['a', 'b']]],
  ['pages that fill a call', [page('a', 2 * MEGABYTE), page('b', 2 * MEGABYTE), page('c', 10)], [['a'], ['b', 'c']]],
  ['a page larger than a call', [page('a', 10), page('b', 11 * MEGABYTE), page('c', 10)], [['a'], ['b'], ['c']]],
  ['pages with many links', [page('a', 10, 5_000), page('b', 10, 5_000)], [['a'], ['b']]],
])('%s', (_, outcomes, expected) => {
  expect(namesOf(batchesOf(outcomes))).toEqual(expected);
});

test('a page that is larger than any call is a dead letter that says so, and the others are kept', () => {
  const batches = batchesOf([page('a', 10), page('b', 13 * MEGABYTE), page('c', 10)]);
  expect(batches).toMatchObject([
    [
      { claim: { requestId: 'a' }, type: 'done' },
      { claim: { requestId: 'b' }, type: 'dead', cause: 'TooLarge', message: expect.stringContaining('14 MB') },
      { claim: { requestId: 'c' }, type: 'done' },
    ],
  ]);
});

test('text counts in UTF-8', () => {
  const wide = (name: string) => ({ ...page(name, 0), items: [{ text: '水'.repeat(0.6 * MEGABYTE) }] }) as Outcome;
  expect(namesOf(batchesOf([wide('a'), wide('b')]))).toEqual([['a'], ['b']]);
});

test('a page of so many small values that no gateway has room for them is a dead letter, too', () => {
  const values = (count: number) => ({ ...page('a', 0), items: [{ list: Array(count).fill([]) }] }) as Outcome;
  expect(batchesOf([values(1_000_000)])).toMatchObject([[{ type: 'done' }]]);
  expect(batchesOf([values(4_000_000)])).toMatchObject([[{ type: 'dead', cause: 'TooLarge' }]]);
});

test('what JSON makes of a text counts, too', () => {
  const escaped = (characters: number) =>
    ({ ...page('a', 0), items: [{ text: '\u0001'.repeat(characters) }] }) as Outcome;
  expect(batchesOf([escaped(4 * MEGABYTE)])).toMatchObject([[{ type: 'dead', cause: 'TooLarge' }]]);
});
