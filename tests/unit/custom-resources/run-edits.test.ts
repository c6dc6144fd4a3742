// What an edit of excluded patterns makes of a run's sources.
import { expect, test } from 'vitest';
import { excludePatch } from '#src/custom-resources/run-edits.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';

const run: CrawlRun = {
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
  metadata: { name: 'shop-1', namespace: 'default', uid: 'u', resourceVersion: '7' },
  spec: {
    sources: [
      { name: 'shop', urls: ['https://shop.example/'], scope: { mode: 'Host', exclude: ['a', 'b'] } },
      { name: 'blog', urls: ['https://blog.example/'] },
    ],
  },
};

test.each([
  ['adds to all sources, behind what is there', { patterns: ['c'], isTakenBack: false }, [['a', 'b', 'c'], ['c']]],
  ['adds once', { patterns: ['a', 'c'], source: 'shop', isTakenBack: false }, [['a', 'b', 'c'], undefined]],
  ['takes back', { patterns: ['a', 'z'], isTakenBack: true }, [['b'], []]],
] as const)('%s', (_, edit, expected) => {
  const patch = excludePatch(run, edit) as { metadata: object; spec: CrawlRun['spec'] };
  expect(patch.spec.sources.map(({ scope }) => scope?.exclude)).toEqual(expected);
  expect(patch.spec.sources[0]).toMatchObject({ urls: ['https://shop.example/'], scope: { mode: 'Host' } });
  expect(patch.metadata).toEqual({ resourceVersion: '7' });
});

test.each([
  ['a pattern that is there', { patterns: ['a'], source: 'shop', isTakenBack: false }],
  ['a pattern that is not there and is taken back', { patterns: ['z'], isTakenBack: true }],
])('%s changes nothing', (_, edit) => {
  expect(excludePatch(run, edit)).toBeUndefined();
});
