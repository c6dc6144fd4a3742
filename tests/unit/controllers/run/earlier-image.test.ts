// Which digest a run is compared with: that of the run before, of the same schedule and no canary.
import { expect, test } from 'vitest';
import { earlierImage } from '#src/controllers/run/earlier-image.ts';
import { runStatus } from '#src/controllers/run/run-status.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Pod } from '#src/kube/builtin-types.ts';

const OWNER = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', name: 'shop', controller: true };

function run(hour: number, imageID?: string, labels: Record<string, string> = {}, uid = 'shop-uid'): CrawlRun {
  const creationTimestamp = `2026-01-01T0${hour}:00:00Z`;
  return {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
    metadata: {
      ...{
        name: `run-${hour}`,
        namespace: 'default',
        uid: `run-${hour}`,
        resourceVersion: '1',
        creationTimestamp,
        labels,
      },
      ownerReferences: [{ ...OWNER, uid }],
    },
    spec: { sources: [] },
    ...(imageID === undefined ? {} : { status: { imageID } }),
  };
}

const cacheOf = (...runs: CrawlRun[]) => ({
  byIndex: (_: string, uid: string) => runs.filter((one) => one.metadata.ownerReferences?.[0]?.uid === uid),
});
const backfill = { 'trawler.dev/backfill-uid': 'uid' };
const canary = { 'trawler.dev/canary': 'true' };

test.each<[string, CrawlRun[], string | undefined]>([
  ['the newest before', [run(1, 'a'), run(2, 'b')], 'b'],
  ['not one that came later', [run(1, 'a'), run(7, 'z')], 'a'],
  ['not one that never had a pod', [run(1, 'a'), run(2)], 'a'],
  ['not a canary', [run(1, 'a'), run(2, 'c', canary)], 'a'],
  ['not of a backfill', [run(1, 'a'), run(2, 'b', backfill)], 'a'],
  ['not of another schedule', [run(1, 'a', {}, 'other')], undefined],
  ['none for the first', [], undefined],
])('%s', (_, others, imageID) => {
  const own = run(5, 'own');
  expect(earlierImage(own, cacheOf(own, ...others))).toBe(imageID);
});

test('a canary has another image on purpose', () => {
  expect(earlierImage(run(5, 'c', canary), cacheOf(run(1, 'a')))).toBeUndefined();
});

test.each([
  ['sha256:new', 'sha256:old', 'sha256:old'],
  ['sha256:new', 'sha256:new', undefined],
  ['sha256:new', undefined, undefined],
  [undefined, 'sha256:old', undefined],
])('a run with %s after one with %s tells %s', (imageID, earlierImageID, told) => {
  const pod: Pod = {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { name: 'p', namespace: 'default', uid: 'p', resourceVersion: '1' },
    status: {
      containerStatuses: [
        { name: 'crawler', image: 'x', ready: true, restartCount: 0, ...(imageID === undefined ? {} : { imageID }) },
      ],
    },
  } as Pod;
  const seen = { pods: [pod], ...(earlierImageID === undefined ? {} : { earlierImageID }) };
  expect(runStatus(run(5), seen, new Date('2026-01-01T06:00:00Z')).previousImageID).toBe(told);
});
