import { expect, test } from 'vitest';
import { retriedPart } from '#src/controllers/run/retried-part.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

const urls = ['http://shop.example/'];
const earlier: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-0', namespace: 'default', uid: 'run-uid', resourceVersion: '1' },
  spec: { sources: [] },
  status: {
    sources: [
      { name: 'good', state: 'Succeeded' },
      { name: 'bad', state: 'Failed' },
      { name: 'late', state: 'Stopped' },
      { name: 'part', state: 'Partial' },
    ],
  },
};
const healthy: CrawlRun = { ...earlier, status: { sources: [{ name: 'good', state: 'Succeeded' }] } };

/** Names of the sources that are crawled, or why there are none. */
function part(
  trigger: Partial<NonNullable<CrawlRunSpecInput['trigger']>>,
  of = earlier,
  off: string[] = [],
): string[] | string {
  const sources = ['good', 'bad', 'late', 'part'].map((name) => ({ name, urls, active: !off.includes(name) }));
  const spec = crawlRunSpec.parse({ sources, trigger: { type: 'Retry', retryOf: 'shop-0', ...trigger } });
  const found = retriedPart(spec, of);
  return typeof found === 'string' ? found : found.sources.flatMap(({ name, active }) => (active ? name : []));
}

test.each<[string, string[] | string, string[] | string]>([
  ['all', part({}), ['good', 'bad', 'late', 'part']],
  ['dead letters', part({ only: 'Dead' }), ['good', 'bad', 'late', 'part']],
  ['some sources', part({ sources: ['good', 'part'] }), ['good', 'part']],
  ['dead letters of some sources', part({ only: 'Dead', sources: ['bad'] }), ['bad']],
  ['failed sources', part({ only: 'FailedSources' }), ['bad', 'late']],
  ['some failed sources', part({ only: 'FailedSources', sources: ['good', 'late'] }), ['late']],
  ['a source that is switched off stays so', part({ sources: ['good', 'bad'] }, earlier, ['bad']), ['good']],
  [
    'none of them is on',
    part({ sources: ['bad'] }, earlier, ['bad']),
    'the sources that are to be retried are switched off: bad',
  ],
  [
    'none of the failed ones is on',
    part({ only: 'FailedSources' }, earlier, ['bad', 'late']),
    'none of the failed sources of run "shop-0" is active here: bad, late',
  ],
  [
    'none has failed',
    part({ only: 'FailedSources' }, healthy),
    'run "shop-0" has no source that has failed or was not crawled to its end',
  ],
])('a retry of %s', (_what, found, expected) => {
  expect(found).toEqual(expected);
});
