import { expect, test, vi } from 'vitest';
import { createFigurePace } from '#src/controllers/run/figure-pace.ts';
import { createProgressWatch, movedRuns } from '#src/controllers/run/progress-watch.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';

const { signal } = new AbortController();

test.each<[string, Record<string, string>, Record<string, string>, string[]]>([
  ['nothing is known yet', {}, { a: '1' }, []],
  ['the same', { a: '1', b: '1' }, { a: '1', b: '1' }, []],
  ['one has another mark', { a: '1', b: '1' }, { a: '2', b: '1' }, ['a']],
  ['one has ended', { a: '1', b: '1' }, { b: '1' }, ['a']],
  ['one is new', { a: '1' }, { a: '1', b: '1' }, []],
])('%s', (_, before, now, moved) => {
  expect(movedRuns(new Map(Object.entries(before)), new Map(Object.entries(now)))).toEqual(moved);
});

function stage(...runs: CrawlRun[]) {
  const marks = new Map<string, string>();
  const runMarks = vi.fn(async () => new Map(marks));
  const addAfter = vi.fn();
  const runCache = {
    list: () => runs,
    byIndex: (_: string, uid: string) => runs.filter(({ metadata }) => metadata.uid === uid),
  };
  const look = createProgressWatch({ store: { runMarks }, runCache, queue: { addAfter }, pace: createFigurePace() });
  return { marks, runMarks, addAfter, look: () => look(signal) };
}

const run = (uid: string, status: CrawlRun['status']): CrawlRun => ({
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', spec: { sources: [] } },
  metadata: { name: uid, namespace: 'default', uid, resourceVersion: '1', generation: 1 },
  ...(status ? { status } : {}),
});
const working = (uid: string) => run(uid, { phase: 'Running', jobName: uid });

const FINISHED = {
  type: 'Finished',
  status: 'True',
  ...{ reason: 'Succeeded', message: 'done', lastTransitionTime: '2026-01-01T00:00:00Z' },
} as const;

test('those that moved are looked at, each once for each step', async () => {
  const { marks, addAfter, look } = stage(working('a'), working('b'));
  marks.set('a', '1').set('b', '1').set('of-another-namespace', '1');
  await look();
  expect(addAfter).not.toHaveBeenCalled();
  marks.set('b', '2').set('of-another-namespace', '2');
  await look();
  await look();
  expect(addAfter.mock.calls).toEqual([['default/b', 0]]);
});

test('without a run at work PostgreSQL is not asked', async () => {
  const { runMarks, look } = stage(
    run('new', undefined),
    run('over', { phase: 'Succeeded', jobName: 'over', conditions: [FINISHED] }),
  );
  await look();
  expect(runMarks).not.toHaveBeenCalled();
});
