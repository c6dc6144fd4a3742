import { describe, expect, test } from 'vitest';
import { crawlingVerdict, percentage, runStatus } from '#src/controllers/run/run-status.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import type { Progress, RunOutcome, RunSnapshot } from '#src/store/operator-store.ts';

const NOW = new Date('2026-01-01T12:00:30Z');

const run: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1', generation: 1 },
  spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
};

const nothing: Progress = { total: 0, queued: 0, leased: 0, succeeded: 0, failed: 0, skipped: 0, items: 0 };

function snapshot(change: Partial<RunSnapshot> = {}): RunSnapshot {
  return {
    runId: 'run-uid',
    namespace: 'default',
    name: 'shop-1',
    state: 'Accepted',
    acceptedAt: NOW,
    seeded: false,
    progress: nothing,
    sources: [{ name: 'shop', active: true, progress: nothing }],
    workers: [],
    blockedHosts: [],
    sharedHosts: [],
    spiderTraps: [],
    errors: 0,
    pausedMs: 0,
    terminates: false,
    isUnderReview: false,
    skipReasons: {},
    itemsLeftOut: {},
    fieldCounts: {},
    partialPages: {},
    failureCauses: {},
    ...change,
  };
}

const condition = (status: ReturnType<typeof runStatus>, type: string) =>
  status.conditions?.find((one) => one.type === type);

describe('percentage', () => {
  test.each([
    [nothing, '0.00%'],
    [{ ...nothing, total: 3, succeeded: 1 }, '33.33%'],
    [{ ...nothing, total: 4, succeeded: 1, failed: 1, skipped: 2 }, '100.00%'],
    [{ ...nothing, total: 100_000, succeeded: 99_999 }, '99.99%'],
  ])('%o is %s', (progress, text) => {
    expect(percentage(progress)).toBe(text);
  });
});

describe('runStatus', () => {
  test('a run that PostgreSQL does not know yet is Pending and says why', () => {
    const obstacle = {
      condition: 'Accepted',
      patience: 'Unlimited',
      reason: 'DatabaseUnavailable',
      message: 'PostgreSQL: no answer',
    } as const;
    const status = runStatus(run, { pods: [], obstacle }, NOW);
    expect(status).toMatchObject({ phase: 'Pending', message: 'PostgreSQL: no answer' });
    expect(condition(status, 'Accepted')).toMatchObject({ status: 'False', reason: 'DatabaseUnavailable' });
    expect(condition(status, 'Progressing')).toMatchObject({ status: 'False', reason: 'DatabaseUnavailable' });
  });

  test('a run that was stopped before it was accepted says so', () => {
    const end = { outcome: 'Stopped', reason: 'Shutdown', message: 'stopped before it was accepted', at: NOW } as const;
    const refused = { type: 'Accepted', status: 'False', reason: 'GatewayNotReady' } as const;
    for (const conditions of [[], [{ ...refused, message: 'not yet', lastTransitionTime: '2026-01-01T12:00:00Z' }]]) {
      const status = runStatus({ ...run, status: { conditions } }, { pods: [], end }, NOW);
      expect(status.phase).toBe('Stopped');
      expect(condition(status, 'Accepted')).toMatchObject({ status: 'False', reason: 'Shutdown' });
    }
  });

  test('a run at work that is paused says so, and tells what it has', () => {
    const progress = { ...nothing, total: 10, queued: 7, succeeded: 3 };
    const working = snapshot({ state: 'Running', startedAt: NOW, seeded: true, pausedAt: NOW, progress });
    const message = 'paused by spec.suspend';
    const obstacle = { condition: 'Progressing', patience: 'Unlimited', reason: 'Paused', message } as const;
    const status = runStatus(run, { pods: [], snapshot: working, obstacle }, NOW);
    expect(status).toMatchObject({ phase: 'Paused', message, progress: { stage: 'Paused', done: 3, queued: 7 } });
    expect(condition(status, 'Progressing')).toMatchObject({ status: 'False', reason: 'Paused' });
    const resumed = runStatus({ ...run, status }, { pods: [], snapshot: { ...working, pausedMs: 1 } }, NOW);
    expect(resumed.phase).toBe('Running');
  });

  test('a running run tells progress, source and worker', () => {
    const progress = { total: 10, queued: 4, leased: 2, succeeded: 3, failed: 1, skipped: 0, items: 7 };
    const status = runStatus(
      run,
      {
        pods: [],
        snapshot: snapshot({
          state: 'Running',
          startedAt: NOW,
          seeded: true,
          progress,
          sources: [
            { name: 'done', active: true, progress: { ...nothing, succeeded: 1 } },
            { name: 'shop', active: true, progress },
            { name: 'off', active: false, progress: nothing },
          ],
          workers: [
            {
              workerId: 'pod-uid',
              podName: 'shop-1-0-abcde',
              nodeName: 'node1',
              state: 'Crawling',
              firstHeartbeatAt: NOW,
              lastHeartbeatAt: NOW,
              pagesInFlight: 2,
              concurrency: 4,
              currentUrl: 'http://shop.example/a',
              idleMs: 0,
              rssBytes: 1,
              errors: 0,
              released: false,
            },
          ],
        }),
      },
      NOW,
    );
    expect(status).toMatchObject({
      phase: 'Running',
      lastHeartbeatTime: '2026-01-01T12:00:30Z',
      progress: {
        total: 10,
        done: 4,
        percentage: '40.00%',
        stage: 'Crawling 2/2 shop',
        currentUrl: 'http://shop.example/a',
      },
      sources: [{ state: 'Crawling' }, { state: 'Crawling' }, { state: 'Inactive' }],
      workers: [{ pod: 'shop-1-0-abcde', node: 'node1', inFlight: 2, concurrency: 4 }],
    });
    expect(condition(status, 'Finished')).toBeUndefined();
  });

  const ended = { state: 'Finished', finishedAt: NOW, startedAt: NOW, seeded: true } as const;

  test.each([
    [{ outcome: 'Succeeded' }, 'Complete', 'Succeeded'],
    [{ outcome: 'Partial' }, 'Complete', 'SomeRequestsFailed'],
    [{ outcome: 'Stopped', stopReason: 'Shutdown' }, 'Complete', 'Shutdown'],
    [{ outcome: 'Failed' }, 'Failed', 'AllRequestsFailed'],
    [{ outcome: 'Failed', stopReason: 'WorkersFailed', message: 'the workers failed' }, 'Failed', 'WorkersFailed'],
    [{ outcome: 'Failed', stopReason: 'Blocked' }, 'Failed', 'Blocked'],
    [{ outcome: 'Failed', failureCauses: { Blocked: 2 } }, 'Failed', 'Blocked'],
    [{ outcome: 'Failed', failureCauses: { Blocked: 2, Timeout: 1 } }, 'Failed', 'AllRequestsFailed'],
    [{ outcome: 'TimedOut', stopReason: 'TimedOut' }, 'Failed', 'TimedOut'],
  ] as const)('%o is %s for the reason %s, and Finished', (change, type, reason) => {
    const status = runStatus(run, { pods: [], snapshot: snapshot({ ...ended, ...change }) }, NOW);
    expect(status.phase).toBe(change.outcome);
    expect(condition(status, type)).toMatchObject({ status: 'True', reason });
    expect(condition(status, 'Finished')).toMatchObject({ status: 'True', reason });
    expect(condition(status, 'Progressing')).toMatchObject({ status: 'False', reason: 'Finished' });
  });

  test('hosts that refuse the crawl are named while they are asked more slowly, and listed for good', () => {
    const host = (name: string, slowdown: number) => ({
      host: name,
      refusals: 3,
      evidence: 'a captcha',
      slowdown,
      viaProxy: false,
    });
    const running = snapshot({ state: 'Running', startedAt: NOW });
    const blockedHosts = [host('a.example', 1), host('b.example', 4), host('c.example', 2)];
    const status = runStatus(run, { pods: [], snapshot: { ...running, blockedHosts } }, NOW);
    expect(status.blockedHosts).toEqual(blockedHosts);
    expect(condition(status, 'Progressing')).toMatchObject({
      status: 'True',
      reason: 'HostsBlocked',
      message: 'b.example (and 1 more) is asked 4 times more slowly: a captcha',
    });
    const over = runStatus(run, { pods: [], snapshot: { ...running, blockedHosts: [host('a.example', 1)] } }, NOW);
    expect(condition(over, 'Progressing')).toMatchObject({ reason: 'Crawling' });
    expect(over.blockedHosts).toHaveLength(1);
  });

  test('the end is told with counts and causes', () => {
    const progress = { ...nothing, total: 6, succeeded: 3, failed: 2, skipped: 1, items: 3 };
    const status = runStatus(
      run,
      { pods: [], snapshot: snapshot({ ...ended, outcome: 'Partial', progress, failureCauses: { Timeout: 2 } }) },
      NOW,
    );
    expect(status.message).toBe('3 pages succeeded, 2 failed, 1 URLs skipped, 3 items (Timeout 2)');
  });

  const away = {
    condition: 'Accepted',
    patience: 'Unlimited',
    reason: 'DatabaseUnavailable',
    message: 'PostgreSQL: no answer',
  } as const;
  const running = runStatus(
    run,
    { pods: [], snapshot: snapshot({ state: 'Running', startedAt: NOW, seeded: true }) },
    NOW,
  );

  test('a run at work stays Running while PostgreSQL is away, and says that nothing is known of it', () => {
    const status = runStatus({ ...run, status: running }, { pods: [], obstacle: away }, NOW);
    expect(status).toMatchObject({ phase: 'Running', message: 'PostgreSQL: no answer', progress: running.progress });
    expect(condition(status, 'Progressing')).toMatchObject({ status: 'False', reason: 'DatabaseUnavailable' });
    expect(condition(status, 'Accepted')).toMatchObject({ status: 'True', reason: 'SpecStored' });
  });

  test('a stop is Stopping while PostgreSQL is away', () => {
    const stopped = { ...run, spec: { ...run.spec, shutdown: 'Stop' as const }, status: running };
    const status = runStatus(stopped, { pods: [], obstacle: away }, NOW);
    expect(status.phase).toBe('Stopping');
    expect(status.message).toBe('stopping (Shutdown): pages in flight are finished first; PostgreSQL: no answer');
  });

  test('a status says which generation it was found out from, whatever the run is by now', () => {
    const edited = { ...run, metadata: { ...run.metadata, generation: 2 } };
    const status = runStatus(edited, { pods: [], snapshot: snapshot() }, NOW, 1);
    expect(status.observedGeneration).toBe(1);
    expect(status.conditions?.map(({ observedGeneration }) => observedGeneration)).toEqual([1, 1, 1]);
  });

  test('a run without a living worker is not progressing, however busy it was', () => {
    const alone = { pods: [], snapshot: snapshot({ state: 'Running', startedAt: NOW, seeded: true }), aloneSince: NOW };
    const status = runStatus(run, alone, NOW);
    expect(condition(status, 'Progressing')).toMatchObject({ status: 'False', reason: 'WaitingForWorker' });
    expect(status.message).toContain('the last heartbeat came at 2026-01-01T12:00:30Z');
  });

  test('a start deadline is shown while it runs, and then no more', () => {
    const waiting = runStatus(run, { pods: [], snapshot: snapshot(), startDeadline: NOW }, NOW);
    expect(waiting.startDeadline).toBe('2026-01-01T12:00:30Z');
    expect(
      runStatus({ ...run, status: waiting }, { pods: [], snapshot: snapshot() }, NOW).startDeadline,
    ).toBeUndefined();
  });

  test.each([
    ['before its first heartbeat', {}, undefined],
    ['at work', { startedAt: NOW }, '2026-01-01T12:01:30Z'],
    ['at work, after it stood still for a minute', { startedAt: NOW, pausedMs: 60_000 }, '2026-01-01T12:02:30Z'],
    ['that stands still', { startedAt: NOW, pausedAt: NOW }, undefined],
    ['that stops', { startedAt: NOW, stopReason: 'Shutdown' as const }, undefined],
    ['that has finished', { startedAt: NOW, state: 'Finished' as const }, undefined],
  ])('a run %s is stopped at %j: %s', (_, known, expected) => {
    const limited = { ...run, spec: { ...run.spec, timeoutSeconds: 60 } };
    const seen = snapshot({ state: 'Running', ...known });
    expect(runStatus(limited, { pods: [], snapshot: seen }, NOW).stopDeadline).toBe(expected);
    // While PostgreSQL is away the last that was known stands.
    const status = { stopDeadline: '2026-01-01T12:03:00Z' };
    expect(runStatus({ ...limited, status }, { pods: [] }, NOW).stopDeadline).toBe(status.stopDeadline);
  });

  test.each([
    [{ succeeded: 3, items: 5 }, 'False', 'ItemsStored'],
    [{ succeeded: 3 }, 'True', 'NoItems'],
    [{ failed: 3 }, 'True', 'NoPageSucceeded'],
    [{}, 'True', 'NoPageSucceeded'],
  ])('an end with %o: EmptyResult is %s, %s', (figures, value, reason) => {
    const progress = { ...nothing, ...figures };
    const status = runStatus(run, { pods: [], snapshot: snapshot({ ...ended, outcome: 'Stopped', progress }) }, NOW);
    expect(condition(status, 'EmptyResult')).toMatchObject({ status: value, reason });
  });

  test.each<[number, object, RunOutcome, object | undefined]>([
    [4, { min: 5 }, 'Succeeded', { status: 'True', reason: 'TooFewItems' }],
    [5, { min: 5, max: 5 }, 'Partial', { status: 'False', reason: 'AsExpected' }],
    [6, { max: 5 }, 'Succeeded', { status: 'True', reason: 'TooManyItems' }],
    [0, { min: 5 }, 'Stopped', undefined],
  ])('%i items with the bounds %o of a run that is %s: UnexpectedResult is %o', (items, bounds, outcome, expected) => {
    const progress = { ...nothing, succeeded: 3, items };
    const observed = { pods: [], snapshot: snapshot({ ...ended, outcome, progress }) };
    const of = (spec: Partial<CrawlRun['spec']>) => {
      const expecting = { ...run, spec: { ...run.spec, expect: { items: bounds }, ...spec } };
      return condition(runStatus(expecting, observed, NOW), 'UnexpectedResult');
    };
    if (expected === undefined) expect(of({})).toBeUndefined();
    else expect(of({})).toMatchObject(expected);
    for (const part of [
      { only: 'Dead' },
      { only: 'FailedSources' },
      { sources: ['shop'] },
    ] satisfies CrawlRunSpecInput['trigger'][]) {
      expect(of({ trigger: { type: 'Retry', retryOf: 'shop-0', ...part } })).toBeUndefined();
    }
  });

  const priced = (minPercent?: number) => ({ name: 'price', ...(minPercent === undefined ? {} : { minPercent }) });
  test.each<[string, CrawlRunSpecInput['expect'], object]>([
    ['a field of all items', { fields: [{ name: 'title' }] }, { status: 'False', reason: 'AsExpected' }],
    ['a field of as many as asked', { fields: [priced(75)] }, { status: 'False', reason: 'AsExpected' }],
    [
      'a field of fewer',
      { fields: [priced(76), { name: 'title' }] },
      { reason: 'FieldsMissing', message: 'price in 3 of 4 items, and spec.expect.fields says 76%' },
    ],
    ['a field that all should have', { fields: [priced()] }, { status: 'True', reason: 'FieldsMissing' }],
    ['a field that none has', { fields: [{ name: 'stock', minPercent: 1 }] }, { reason: 'FieldsMissing' }],
    ['the number goes first', { items: { min: 5 }, fields: [priced()] }, { reason: 'TooFewItems' }],
  ])('%s: UnexpectedResult', (_, expect_, expected) => {
    const progress = { ...nothing, succeeded: 4, items: 4 };
    const fieldCounts = { title: 4, price: 3 };
    const observed = { pods: [], snapshot: snapshot({ ...ended, outcome: 'Succeeded', progress, fieldCounts }) };
    const status = runStatus({ ...run, spec: { ...run.spec, expect: expect_ } } as CrawlRun, observed, NOW);
    expect(condition(status, 'UnexpectedResult')).toMatchObject(expected);
    const empty = snapshot({ ...ended, outcome: 'Succeeded', progress: { ...nothing, succeeded: 4 } });
    const ofNothing = runStatus(
      { ...run, spec: { ...run.spec, expect: { fields: [priced()] } } },
      { pods: [], snapshot: empty },
      NOW,
    );
    expect(condition(ofNothing, 'UnexpectedResult')).toMatchObject({ reason: 'AsExpected' });
  });

  test('a run whose URLs were all left out has failed, and says for what', () => {
    const progress = { ...nothing, total: 2, skipped: 2 };
    const skipReasons = { Robots: 2 } as RunSnapshot['skipReasons'];
    const status = runStatus(
      run,
      { pods: [], snapshot: snapshot({ ...ended, outcome: 'Failed', progress, skipReasons }) },
      NOW,
    );
    expect(condition(status, 'Failed')?.reason).toBe('NothingCrawled');
    expect(status.message).toBe('0 pages succeeded, 0 failed, 2 URLs skipped, 0 items (Robots 2)');
  });

  test('a run that could not start says why, without counts of nothing', () => {
    const { startedAt: _, ...never } = ended;
    const failed = snapshot({ ...never, outcome: 'Failed', stopReason: 'ImagePullFailed', message: 'cannot pull it' });
    const status = runStatus(run, { pods: [], snapshot: failed }, NOW);
    expect(status.message).toBe('cannot pull it');
    expect(condition(status, 'Failed')).toMatchObject({ reason: 'ImagePullFailed', message: 'cannot pull it' });
  });

  test.each([
    ['nothing is left', nothing, { status: 'True', reason: 'DataLost' }],
    ['pages are left, and no item', { ...nothing, total: 2, succeeded: 2 }, { status: 'True', reason: 'DataLost' }],
    ['items are left', { ...nothing, total: 2, succeeded: 2, items: 3 }, { status: 'False', reason: 'ItemsStored' }],
  ])('a run whose data was lost calls nothing the crawl what the loss was: %s', (_, progress, empty) => {
    const { startedAt: __, ...never } = ended;
    const output = { due: false, settled: true };
    const message = 'PostgreSQL has lost the run while its workers were at work';
    const row = snapshot({ ...never, outcome: 'Failed', stopReason: 'DataLost', message, progress, output });
    const spec = { ...run.spec, output: { volumeClaim: 'results' } };
    const before = { startTime: '2026-01-01T11:00:30Z' };
    const again = runStatus({ ...run, spec, status: before }, { pods: [], snapshot: row }, NOW);
    expect(condition(again, 'EmptyResult')).toMatchObject(empty);
    expect(condition(again, 'OutputWritten')).toMatchObject({ status: 'False', reason: 'DataLost' });
    expect(condition(again, 'Accepted')?.message).toBe('the resolved spec was stored in PostgreSQL');
    // Only the status knows the start.
    expect(again).toMatchObject({ ...before, duration: '1h', message });
    const left = runStatus({ ...run, spec, status: before }, { pods: [], snapshot: { ...row, startedAt: NOW } }, NOW);
    // A worker that was left wrote once more.
    expect(left).toMatchObject({ ...before, duration: '1h' });
    expect(left.message).toBe(
      `${message}; what is left: ${progress.succeeded} pages succeeded, 0 failed, 0 URLs skipped, ${progress.items} items`,
    );
  });

  test('a run that PostgreSQL never knew can end, too', () => {
    const end = { outcome: 'Failed', reason: 'JobRefused', message: 'no', at: NOW } as const;
    const status = runStatus(run, { pods: [], end }, NOW);
    expect(status).toMatchObject({ phase: 'Failed', message: 'no', completionTime: '2026-01-01T12:00:30Z' });
    expect(condition(status, 'Finished')).toMatchObject({ status: 'True', reason: 'JobRefused' });
  });
});

describe('what a crawl says of the hosts that slow it down', () => {
  const blocked = (host: string, slowdown: number) => ({
    host,
    refusals: 3,
    evidence: 'a captcha',
    slowdown,
    viaProxy: false,
  });
  const shared = (host: string, runs: number) => ({ host, runs });

  test.each<[string, Parameters<typeof crawlingVerdict>[0], string, string]>([
    ['nothing known', undefined, 'Crawling', 'workers are crawling'],
    ['none', { blockedHosts: [], sharedHosts: [] }, 'Crawling', 'workers are crawling'],
    [
      'one that refused it and gives pages again',
      { blockedHosts: [blocked('a.example', 1)], sharedHosts: [] },
      'Crawling',
      'workers are crawling',
    ],
    [
      'one that another run asks',
      { blockedHosts: [], sharedHosts: [shared('a.example', 2)] },
      'HostShared',
      'the run waits for its turns at a.example, which another run asks as well; spec.priority weighs their parts',
    ],
    [
      'several that others ask',
      { blockedHosts: [], sharedHosts: [shared('a.example', 20), shared('b.example', 2), shared('c.example', 2)] },
      'HostShared',
      'the run waits for its turns at a.example (and 2 more), which 19 other runs ask as well; spec.priority weighs their parts',
    ],
    [
      'one that refuses it goes before one that others ask',
      { blockedHosts: [blocked('b.example', 4)], sharedHosts: [shared('a.example', 2)] },
      'HostsBlocked',
      'b.example is asked 4 times more slowly: a captcha',
    ],
  ])('%s', (_, snapshot, reason, message) => {
    expect(crawlingVerdict(snapshot)).toEqual({ status: 'True', reason, message });
  });
});
