// What the span of a whole run says.
import { expect, test } from 'vitest';
import { runSpan } from '#src/controllers/run/run-trace.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';

const metadata = {
  ...{ name: 'shop-1', namespace: 'shops', uid: 'run-uid', resourceVersion: '1' },
  creationTimestamp: '2026-01-01T00:00:00Z',
};
const spec = { scheduleName: 'shop', sources: [{ name: 'shop', urls: ['http://shop.example/'] }] };
const run: CrawlRun = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata, spec };
const from = Date.parse('2026-01-01T00:00:00Z');
const at = new Date(from + 60_000);

test('it lasts from the creation to the end, with the time before the first worker as a part', () => {
  const snapshot = { startedAt: new Date(from + 5_000), progress: { succeeded: 7, items: 9 } } as RunSnapshot;
  const end = { outcome: 'Partial', reason: 'SomeRequestsFailed', message: '1 failed', at } as const;
  expect(runSpan(run, end, snapshot)).toEqual({
    name: 'run',
    from,
    to: from + 60_000,
    attributes: {
      'k8s.namespace.name': 'shops',
      'trawler.run': 'shop-1',
      'trawler.schedule': 'shop',
      'trawler.outcome': 'Partial',
      'trawler.reason': 'SomeRequestsFailed',
      'trawler.pages': 7,
      'trawler.items': 9,
    },
    error: '1 failed',
    parts: [{ name: 'start', from, to: from + 5_000 }],
  });
});

test('a run that never began was starting all the time, and one that was stopped has no error', () => {
  const end = { outcome: 'Stopped', reason: 'Stopped', message: 'stopped', at } as unknown as Parameters<
    typeof runSpan
  >[1];
  const span = runSpan(run, end, undefined);
  expect(span.parts).toEqual([{ name: 'start', from, to: from + 60_000 }]);
  expect(span.error).toBeUndefined();
});
