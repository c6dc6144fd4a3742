import { describe, expect, test } from 'vitest';
import { automaticRetry, retryRun } from '#src/custom-resources/new-runs.ts';
import { nothingToRetry, partInWords, type RetryPart } from '#src/custom-resources/retries.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';

type SourceState = 'Succeeded' | 'Partial' | 'Failed' | 'Stopped' | 'Inactive';

function run(
  states: Readonly<Record<string, SourceState>>,
  failed: number,
  spec: Partial<CrawlRun['spec']> = {},
): CrawlRun {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1' },
    spec: { sources: Object.keys(states).map((name) => ({ name })), ...spec },
    status: {
      progress: { failed },
      sources: Object.entries(states).map(([name, state]) => ({ name, state })),
    },
  };
}

describe('what there is to retry', () => {
  test.each<[string, CrawlRun, RetryPart, string | undefined]>([
    ['all of a run that has succeeded', run({ a: 'Succeeded' }, 0), { only: 'All' }, undefined],
    ['the dead letters of such a run', run({ a: 'Succeeded' }, 0), { only: 'Dead' }, 'it has no dead letters'],
    ['dead letters', run({ a: 'Partial' }, 1), { only: 'Dead' }, undefined],
    ['a source that has failed', run({ a: 'Failed', b: 'Succeeded' }, 1), { only: 'FailedSources' }, undefined],
    ['a source that was cut off', run({ a: 'Stopped' }, 0), { only: 'FailedSources' }, undefined],
    [
      'sources that were crawled to their end',
      run({ a: 'Partial', b: 'Inactive' }, 1),
      { only: 'FailedSources' },
      'it has no source that has failed or was not crawled to its end',
    ],
  ])('%s', (_what, retried, part, words) => {
    expect(nothingToRetry(retried, part)).toBe(words);
  });

  test('a run whose status tells nothing is not refused', () => {
    const { status: _, ...bare } = run({ a: 'Succeeded' }, 0);
    for (const only of ['All', 'Dead', 'FailedSources'] as const)
      expect(nothingToRetry(bare, { only })).toBeUndefined();
  });
});

test('the retry of a run that was confined to some sources is confined to them', () => {
  const trigger = { type: 'Retry', retryOf: 'shop-0', attempt: 1 } as const;
  const chosen = run({ a: 'Failed', b: 'Inactive' }, 0, { trigger: { ...trigger, sources: ['a'] } });
  const failed = run({ a: 'Failed', b: 'Inactive', c: 'Succeeded' }, 0, {
    trigger: { ...trigger, only: 'FailedSources' },
  });
  const whole = run({ a: 'Failed', b: 'Inactive' }, 0, { trigger });
  const sourcesOf = (one: CrawlRun) => automaticRetry(one, 'All', 2).spec.trigger?.sources;
  expect([chosen, failed, whole].map(sourcesOf)).toEqual([['a'], ['a', 'c'], undefined]);
  expect(retryRun(failed, { only: 'All', sources: ['c'] }, 1).spec.trigger?.sources).toEqual(['c']);
});

test('a part is named in words', () => {
  expect(partInWords({ only: 'All' })).toBe('All');
  expect(partInWords({ only: 'Dead', causes: ['HttpError', 'Timeout'], sources: ['shop'] })).toBe(
    'Dead (HttpError, Timeout) in shop',
  );
});
