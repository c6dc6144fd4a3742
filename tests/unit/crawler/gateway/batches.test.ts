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
  ['pages that fill a call', [page('a', 5 * MEGABYTE), page('b', 5 * MEGABYTE), page('c', 10)], [['a'], ['b', 'c']]],
  ['a page larger than a call', [page('a', 10), page('b', 20 * MEGABYTE), page('c', 10)], [['a'], ['b'], ['c']]],
  ['pages with many links', [page('a', 10, 15_000), page('b', 10, 15_000)], [['a'], ['b']]],
])('%s', (_, outcomes, expected) => {
  expect(namesOf(batchesOf(outcomes))).toEqual(expected);
});

test('a page that is larger than any call is a dead letter that says so, and the others are kept', () => {
  const batches = batchesOf([page('a', 10), page('b', 41 * MEGABYTE), page('c', 10)]);
  expect(batches).toMatchObject([
    [
      { claim: { requestId: 'a' }, type: 'done' },
      { claim: { requestId: 'b' }, type: 'dead', cause: 'TooLarge', message: expect.stringContaining('42 MB') },
      { claim: { requestId: 'c' }, type: 'done' },
    ],
  ]);
});

test('text counts in UTF-8', () => {
  const wide = (name: string) => ({ ...page(name, 0), items: [{ text: '水'.repeat(2 * MEGABYTE) }] }) as Outcome;
  expect(namesOf(batchesOf([wide('a'), wide('b')]))).toEqual([['a'], ['b']]);
});
