import { describe, expect, test } from 'vitest';
import { isAwaitedByRetry, retryStep } from '#src/controllers/run/automatic-retry.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { RunReason } from '#src/resources/conditions.ts';
import type { RunPhase } from '#src/resources/crawl-run.ts';

const ENDED = '2026-01-01T00:00:00Z';
const after = (minutes: number) => new Date(Date.parse(ENDED) + minutes * 60_000);

function run(phase: RunPhase, reason: RunReason, more: Partial<CrawlRun['spec']> = {}, name = 'shop-1'): CrawlRun {
  const finished = { type: 'Finished', status: 'True' as const, reason, message: '', lastTransitionTime: ENDED };
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' },
    spec: { sources: [], retryPolicy: { maxRetries: 3, backoff: '10m' }, ...more },
    status: { phase, completionTime: ENDED, conditions: [finished], progress: { failed: 2 } },
  };
}

const withoutDead = (one: CrawlRun): CrawlRun => ({ ...one, status: { ...one.status, progress: { failed: 0 } } });

const retryOf = (attempt: number) => ({
  trigger: { type: 'Retry' as const, retryOf: 'shop-1', only: 'Dead' as const, attempt },
});

describe('what is retried, and how much of it', () => {
  test.each<[string, CrawlRun, 'All' | 'Dead' | undefined]>([
    ['some pages failed', run('Partial', 'SomeRequestsFailed'), 'Dead'],
    ['all pages failed', run('Failed', 'AllRequestsFailed'), 'Dead'],
    ['it has no dead letters', withoutDead(run('Failed', 'AllRequestsFailed')), 'All'],
    ['pages were left over', run('TimedOut', 'TimedOut'), 'All'],
    ['the workers failed', run('Failed', 'WorkersFailed'), 'All'],
    ['the dead letters that it was to take are gone', withoutDead(run('Failed', 'DeadLettersGone', retryOf(1))), 'All'],
    ['it had nothing to retry', withoutDead(run('Failed', 'NothingToRetry', retryOf(1))), undefined],
    ['its data is lost', run('Failed', 'DataLost'), 'All'],
    ['all is wanted', run('Partial', 'SomeRequestsFailed', { retryPolicy: { onlyDead: false } }), 'All'],
    ['it succeeded', run('Succeeded', 'Succeeded'), undefined],
    ['a person stopped it', run('Stopped', 'Shutdown'), undefined],
    ['its spec cannot be read', run('Failed', 'SpecInvalid'), undefined],
    ['there is no policy', { ...run('Failed', 'AllRequestsFailed'), spec: { sources: [] } }, undefined],
    ['it is the last one', run('Failed', 'AllRequestsFailed', retryOf(3)), undefined],
  ])('%s', (_what, failed, only) => {
    const step = retryStep(failed, after(60));
    expect(step.type === 'Make' ? step.run.spec.trigger?.only : undefined).toBe(only);
  });
});

test('each waits twice as long as the one before, and has the name of the first with its number', () => {
  const first = run('Failed', 'AllRequestsFailed');
  expect(retryStep(first, after(9))).toEqual({ type: 'Wait', ms: 60_000 });
  expect(retryStep(first, after(10))).toMatchObject({
    type: 'Make',
    number: 1,
    run: { metadata: { name: 'shop-1-auto-1' } },
  });
  const second = run('Failed', 'AllRequestsFailed', retryOf(1), 'shop-1-auto-1');
  expect(retryStep(second, after(19))).toEqual({ type: 'Wait', ms: 60_000 });
  expect(retryStep(second, after(20))).toMatchObject({
    number: 2,
    run: {
      metadata: { name: 'shop-1-auto-2' },
      spec: { trigger: { type: 'Retry', retryOf: 'shop-1-auto-1', only: 'Dead', attempt: 2 } },
    },
  });
});

test('a run stays until each retry of a part of it is accepted, and gets no second one by itself', () => {
  const failed = run('Partial', 'SomeRequestsFailed');
  const retried: CrawlRun = { ...failed, status: { ...failed.status, retry: { name: 'shop-1-auto-1', number: 1 } } };
  const retry = (only: 'All' | 'Dead' | 'FailedSources', ...types: string[]): CrawlRun => ({
    ...run('Running', 'Crawling', { trigger: { type: 'Retry', retryOf: 'shop-1', only } }, 'shop-1-retry-1'),
    status: {
      conditions: types.map((type) => ({ type, status: 'True', reason: 'x', message: '', lastTransitionTime: ENDED })),
    },
  });
  const stays = (one: CrawlRun, ...retries: CrawlRun[]) => isAwaitedByRetry(one, retries, after(1));
  expect(retryStep(retried, after(60))).toEqual({ type: 'None' });
  expect(stays(failed)).toBe(true);
  expect(stays(retried)).toBe(false);
  expect(stays(retried, retry('Dead'))).toBe(true);
  expect(stays(retried, retry('FailedSources'))).toBe(true);
  expect(stays(retried, retry('All'))).toBe(false);
  expect(stays(retried, retry('Dead', 'Accepted'))).toBe(false);
  expect(stays(retried, retry('Dead', 'Finished'))).toBe(false);
  expect(stays(retried, retry('Dead', 'Accepted'), retry('Dead'))).toBe(true);
});
