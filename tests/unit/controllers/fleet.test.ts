// Figures of all schedules and runs, and what a scrape of 5,000 schedules costs.
import { setImmediate as otherWork } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { queueFigures, runFigures as runSteps, scheduleFigures as scheduleSteps } from '#src/controllers/fleet.ts';
import { createFleetMetrics } from '#src/controllers/fleet-metrics.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { GROUP, VERSION } from '#src/resources/group.ts';
import { exposition, OPENMETRICS_TYPE } from '#src/telemetry/exposition.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

const apiVersion = `${GROUP}/${VERSION}`;

function schedule(
  name: string,
  status: CrawlSchedule['status'],
  spec: Partial<CrawlSchedule['spec']> = {},
): CrawlSchedule {
  const metadata = {
    name,
    namespace: 'crawls',
    uid: name,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
  };
  const runTemplate = { spec: { sources: [{ name: 'shop', urls: ['https://shop.example/'] }] } };
  return {
    apiVersion,
    kind: 'CrawlSchedule',
    metadata,
    spec: { schedule: '@hourly', runTemplate, ...spec },
    ...(status ? { status } : {}),
  };
}

function run(name: string, status: CrawlRun['status'], spec: Partial<CrawlRun['spec']> = {}): CrawlRun {
  const metadata = { name, namespace: 'crawls', uid: name, resourceVersion: '1' };
  const sources = [{ name: 'shop', urls: ['https://shop.example/'] }];
  return {
    apiVersion,
    kind: 'CrawlRun',
    metadata,
    spec: { scheduleName: 'shop', sources, ...spec },
    ...(status ? { status } : {}),
  };
}

const scheduleFigures = (...of: Parameters<typeof scheduleSteps>) => resultOf(scheduleSteps(...of));
const runFigures = (...of: Parameters<typeof runSteps>) => resultOf(runSteps(...of));

function resultOf<T>(steps: Generator<void, T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

const seconds = (time: string) => Date.parse(time) / 1_000;
const SHOP = { namespace: 'crawls', schedule: 'shop' };

it('a schedule shows its next time, its period, its last success and whether the last run failed', () => {
  const status = {
    nextScheduleTime: '2026-01-02T01:00:00Z',
    nextScheduleTimes: ['2026-01-02T01:00:00Z', '2026-01-02T02:00:00Z', '2026-01-02T04:00:00Z'],
    lastSuccessfulTime: '2026-01-02T00:01:00Z',
    lastFailureTime: '2026-01-02T00:00:00Z',
  };
  expect(scheduleFigures([schedule('shop', status)], 10)).toMatchObject({
    nextRun: [{ labels: SHOP, value: seconds('2026-01-02T01:00:00Z') }],
    period: [{ labels: SHOP, value: 7_200 }],
    lastSuccess: [{ labels: SHOP, value: seconds('2026-01-02T00:01:00Z') }],
    lastRunFailed: [{ labels: SHOP, value: 0 }],
    leftOut: 0,
  });
  const failed = { ...status, lastFailureTime: '2026-01-02T00:02:00Z' };
  expect(scheduleFigures([schedule('shop', failed)], 10).lastRunFailed).toEqual([{ labels: SHOP, value: 1 }]);
});

it('a schedule without a success counts from its creation', () => {
  expect(scheduleFigures([schedule('shop', undefined)], 10).lastSuccess).toEqual([
    { labels: SHOP, value: seconds('2026-01-01T00:00:00Z') },
  ]);
});

it('a suspended schedule misses nothing', () => {
  const status = {
    nextScheduleTime: '2026-01-02T01:00:00Z',
    nextScheduleTimes: ['2026-01-02T01:00:00Z', '2026-01-02T02:00:00Z'],
  };
  const suspendedByFailures = {
    ...status,
    failures: { since: '2026-01-01T00:00:00Z', runs: [], suspended: { since: '2026-01-01T00:00:00Z', generation: 1 } },
  };
  const figures = scheduleFigures([schedule('a', status, { suspend: true }), schedule('b', suspendedByFailures)], 10);
  expect(figures).toMatchObject({ nextRun: [], period: [] });
  expect(figures.byState).toEqual([
    { labels: { state: 'active' }, value: 0 },
    { labels: { state: 'suspended' }, value: 2 },
    { labels: { state: 'idle' }, value: 0 },
  ]);
});

it('schedules beyond the bound are counted and have no series', () => {
  const figures = scheduleFigures([schedule('a', {}), schedule('b', {}), schedule('c', {})], 2);
  expect(figures.lastRunFailed).toHaveLength(2);
  expect(figures.leftOut).toBe(1);
});

const PROGRESS = {
  total: 9,
  done: 3,
  succeeded: 2,
  failed: 1,
  skipped: 0,
  queued: 4,
  inFlight: 2,
  items: 5,
  errors: 0,
};
const valuesOf = (samples: readonly { value: number }[]) => samples.map(({ value }) => value);

it('counts the unfinished runs of each queue, waiting and active, and makes no label of a name that is not there', () => {
  const accepted = { type: 'Accepted', status: 'True', reason: 'x', message: '', lastTransitionTime: '' } as const;
  const of = (queue: string | undefined, status?: CrawlRun['status']): CrawlRun => {
    const one = run('1', status);
    return { ...one, spec: { ...one.spec, ...(queue === undefined ? {} : { queue }) } };
  };
  const runs = [
    of(undefined),
    of('nightly', { conditions: [accepted] }),
    of('nightly', { conditions: [accepted, { ...accepted, type: 'Finished' }] }),
    of('made-up'),
  ];
  const figures = queueFigures(runs, new Map([['nightly', 5]]));
  expect(figures.map(({ labels: { queue, state }, value }) => `${queue} ${state} ${value}`)).toEqual([
    ...['default waiting 1', 'default active 0', 'nightly waiting 0', 'nightly active 1'],
    ...['_unknown waiting 1', '_unknown active 0'],
  ]);
});

it('adds up what is queued, open and dead over the runs of a schedule', () => {
  const worker = { pod: 'w', state: 'Crawling', inFlight: 2 };
  const figures = runFigures(
    [
      run('1', { phase: 'Running', progress: PROGRESS, workers: [worker, { ...worker, state: 'Completed' }] }),
      run('2', { phase: 'Running', progress: PROGRESS, workers: [worker] }),
      run('3', { phase: 'Queued' }),
      run('4', undefined),
    ],
    10,
  );
  expect(figures.queues).toEqual([
    { labels: { ...SHOP, queue: 'runs' }, value: 2 },
    { labels: { ...SHOP, queue: 'pages' }, value: 8 },
    { labels: { ...SHOP, queue: 'results' }, value: 4 },
  ]);
  expect([figures.workers, figures.openPages, figures.deadLetters].map(valuesOf)).toEqual([[2], [4], [2]]);
  expect(figures.byPhase).toEqual([
    { labels: { namespace: 'crawls', phase: 'Running' }, value: 2 },
    { labels: { namespace: 'crawls', phase: 'Queued' }, value: 1 },
    { labels: { namespace: 'crawls', phase: 'Pending' }, value: 1 },
  ]);
});

it('dead letters clear when the next run of the schedule leaves none', () => {
  const ended = (name: string, completionTime: string, failed: number) =>
    run(name, { phase: failed > 0 ? 'Partial' : 'Succeeded', completionTime, progress: { ...PROGRESS, failed } });
  const first = ended('1', '2026-01-01T00:00:00Z', 3);
  const second = ended('2', '2026-01-01T01:00:00Z', 0);
  expect(valuesOf(runFigures([first], 10).deadLetters)).toEqual([3]);
  expect(valuesOf(runFigures([first, second], 10).deadLetters)).toEqual([0]);
  expect(valuesOf(runFigures([second, first], 10).deadLetters)).toEqual([0]);
});

it('says when a run stalls, is refused, or goes by its proxy', () => {
  const condition = {
    type: 'Stalled',
    status: 'True' as const,
    reason: 'WorkerHangs',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const host = { host: 'shop.example', refusals: 3, evidence: 'captcha' };
  const status = {
    phase: 'Running' as const,
    conditions: [condition],
    blockedHosts: [
      { ...host, slowdown: 4 },
      { ...host, host: 'b', slowdown: 1, viaProxy: true },
    ],
  };
  const figures = runFigures([run('1', status)], 10);
  expect([figures.stalled, figures.blockedHosts, figures.proxyActive].map(valuesOf)).toEqual([[1], [1], [1]]);
  const ended = { ...status, phase: 'Failed' as const, conditions: [] };
  const after = runFigures([run('1', ended)], 10);
  expect([after.stalled, after.blockedHosts, after.proxyActive].map(valuesOf)).toEqual([[0], [0], [0]]);
});

it('runs of schedules beyond the bound add up under one label', () => {
  const of = (scheduleName: string) => run(scheduleName, { phase: 'Queued' }, { scheduleName });
  const { queues } = runFigures(['a', 'b', 'c'].map(of), 1);
  expect(queues.slice(0, 2)).toEqual([
    { labels: { namespace: 'crawls', schedule: 'a', queue: 'runs' }, value: 1 },
    { labels: { namespace: '_other', schedule: '_other', queue: 'runs' }, value: 2 },
  ]);
});

it('a scrape of 5,000 schedules with 20,000 runs leaves the event loop free', async () => {
  const status = {
    nextScheduleTime: '2026-01-02T01:00:00Z',
    nextScheduleTimes: ['2026-01-02T01:00:00Z', '2026-01-02T02:00:00Z'],
  };
  const schedules = Array.from({ length: 5_000 }, (_, number) => schedule(`shop-${number}`, status));
  const runs = Array.from({ length: 20_000 }, (_, number) =>
    run(`run-${number}`, { phase: 'Succeeded', progress: PROGRESS }, { scheduleName: `shop-${number % 5_000}` }),
  );
  /** Of an operator that was not asked before. */
  const scrape = async () => {
    const registry = createRegistry();
    createFleetMetrics(registry).follow({
      scheduleCache: { list: () => schedules },
      runCache: { list: () => runs },
      queues: new Map(),
    });
    let lines = 0;
    for await (const piece of exposition(registry, OPENMETRICS_TYPE)) lines += piece.split('\n').length - 1;
    return lines;
  };
  await scrape();
  let isDone = false;
  let longestMs = 0;
  const watch = (async () => {
    while (!isDone) {
      // Processor time: what other processes take is no fault of ours.
      const from = process.cpuUsage();
      await otherWork();
      const { user, system } = process.cpuUsage(from);
      longestMs = Math.max(longestMs, (user + system) / 1_000);
    }
  })();
  const from = process.cpuUsage();
  const lines = await scrape();
  isDone = true;
  await watch;
  const { user, system } = process.cpuUsage(from);
  const totalMs = (user + system) / 1_000;
  console.log(`${lines} lines, at most ${longestMs.toFixed(1)} of ${totalMs.toFixed(1)} ms of processor time at once`);
  expect(lines).toBeGreaterThan(60_000);
  // How many milliseconds that are is the machine's (docs/benchmarks.md).
  expect(longestMs).toBeLessThan(totalMs / 5);
});
