// Runs that ask one host at the same time: each gets its share of the host's pace, whatever its length, its own pace, the
// number of its workers or when it began. In virtual time, and once in real time with the whole store.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { shareWeight } from '#src/resources/politeness.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, install, never, type TestRun, urls } from './fixture.ts';
import { type CrawlPlan, simulateCrawls } from './simulated-crawls.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
});
afterAll(() => server.stop());

const WINDOW_S = 30;
/** By then all runs have met. */
const SETTLED_S = 6;
const END_S = 48;

/**
 * Turns a second by weighted max-min fairness: whoever wants less than its part of what is left has it, and the others
 * divide the rest. The host has the pace of the fastest run.
 */
function fairShares(plans: readonly CrawlPlan[]): number[] {
  const wants = plans.map(({ requestsPerSecond, most = requestsPerSecond, priority = 0 }, run) => ({
    run,
    rate: Math.min(requestsPerSecond, most),
    weight: shareWeight(priority),
  }));
  let rateLeft = Math.max(...plans.map(({ requestsPerSecond }) => requestsPerSecond));
  let weightLeft = wants.reduce((sum, { weight }) => sum + weight, 0);
  const shares: number[] = [];
  for (const { run, rate, weight } of wants.sort((a, b) => a.rate / a.weight - b.rate / b.weight)) {
    const share = Math.min(rate, (rateLeft * weight) / weightLeft);
    shares[run] = share;
    rateLeft -= share;
    weightLeft -= weight;
  }
  return shares;
}

/** The least and the greatest part of its share that a run got in any window from second to second. */
function extremes(turns: readonly number[], share: number, from = SETTLED_S, to = END_S - 1): [number, number] {
  const parts: number[] = [];
  for (let start = from; start + WINDOW_S <= to; start += 1) {
    const count = turns.filter((turn) => turn >= start && turn < start + WINDOW_S).length;
    parts.push(count / WINDOW_S / share);
  }
  return [Math.min(...parts), Math.max(...parts)];
}

const equal = (runs: number, plan: CrawlPlan): CrawlPlan[] => Array.from({ length: runs }, () => plan);
const twentyUnlike = Array.from(
  { length: 20 },
  (_, run): CrawlPlan => ({
    requestsPerSecond: [0.5, 1, 2, 5, 20][run % 5] ?? 1,
    startS: (run % 4) / 2,
    workers: 1 + (run % 3),
    fetchMs: 100 * (1 + (run % 7)),
  }),
);

describe('in virtual time', () => {
  it.each<[string, readonly CrawlPlan[]]>([
    ['2 equal runs', equal(2, { requestsPerSecond: 10 })],
    ['20 equal runs', equal(20, { requestsPerSecond: 10 })],
    ['20 runs unlike in everything', twentyUnlike],
    ['a delay of 3 s beside 2 a second', [{ requestsPerSecond: 1 / 3 }, { requestsPerSecond: 2 }]],
    ['a slow run beside a fast one', [{ requestsPerSecond: 2 }, { requestsPerSecond: 20 }]],
    [
      'a run that could take more than its part, but not all, beside two others',
      [{ requestsPerSecond: 5, workers: 3 }, { requestsPerSecond: 20 }, { requestsPerSecond: 12 }],
    ],
    ['5 runs of unlike pace', [1, 2, 20, 10, 15].map((requestsPerSecond) => ({ requestsPerSecond }))],
    [
      '5 runs of unlike pace and size',
      [
        { requestsPerSecond: 1, workers: 2 },
        { requestsPerSecond: 4, workers: 3 },
        { requestsPerSecond: 20, fetchMs: 50 },
        { requestsPerSecond: 10, workers: 5 },
        { requestsPerSecond: 15, slots: 40, fetchMs: 2_000 },
      ],
    ],
    [
      'runs that begin later, one with many workers',
      [
        { requestsPerSecond: 2 },
        { requestsPerSecond: 20, startS: 1 },
        { requestsPerSecond: 20, startS: 3, workers: 4 },
      ],
    ],
    [
      // One page at a time, half a second before its turn and two seconds open.
      'a run without the workers for its part: the others have what it leaves',
      [
        { requestsPerSecond: 10, slots: 1, fetchMs: 2_000, most: 0.4 },
        { requestsPerSecond: 10 },
        { requestsPerSecond: 10, workers: 3 },
      ],
    ],
    [
      'runs of unlike priority',
      [
        { requestsPerSecond: 16, priority: 3 },
        { requestsPerSecond: 16 },
        { requestsPerSecond: 16, priority: -1 },
        { requestsPerSecond: 1, priority: -1_000 },
      ],
    ],
  ])(
    '%s: each is within a fifth of its share, and the host is asked at its pace',
    { timeout: 300_000 },
    async (_, plans) => {
      await using installation = await install(server);
      const { turns } = await simulateCrawls(installation, plans, END_S);
      const shares = fairShares(plans);
      const parts = turns.map((of, run) => extremes(of, shares[run] ?? 0));
      for (const [least, most] of parts) {
        expect(least, parts.join(' · ')).toBeGreaterThan(0.8);
        expect(most, parts.join(' · ')).toBeLessThan(1.2);
      }
      const all = turns.flat().sort((a, b) => a - b);
      const fastest = Math.max(...plans.map(({ requestsPerSecond }) => requestsPerSecond));
      for (const [index, turn] of all.entries()) {
        if (index > 0) expect(turn - (all[index - 1] ?? 0)).toBeGreaterThan(0.999 / fastest);
      }
      const possible = shares.reduce((sum, share) => sum + share, 0);
      const [least] = extremes(all, possible);
      expect(least, 'of the pace of the host').toBeGreaterThan(0.95);
    },
  );

  test('a run that has ended leaves its part to the other', async () => {
    await using installation = await install(server);
    const plans = [{ requestsPerSecond: 10, pages: 50 }, { requestsPerSecond: 10 }];
    const { turns } = await simulateCrawls(installation, plans, END_S);
    const [short = [], long = []] = turns;
    expect(short).toHaveLength(50);
    expect(short.at(-1)).toBeLessThan(12);
    expect(extremes(long, 10, 13)[0]).toBeGreaterThan(0.99);
  });

  test('20 runs look the less often the farther their turns are', async () => {
    await using installation = await install(server);
    const { turns, claims } = await simulateCrawls(installation, equal(20, { requestsPerSecond: 50 }), 10);
    expect(claims / turns.flat().length).toBeLessThan(4);
  });

  test('runs that have less than their own pace are told which host they share', async () => {
    await using installation = await install(server);
    const plans = [{ requestsPerSecond: 1 }, { requestsPerSecond: 10 }, { requestsPerSecond: 8 }];
    const { runs } = await simulateCrawls(installation, plans, 20);
    const shared = [];
    for (const { runId } of runs) shared.push((await installation.operator.snapshot(runId, never))?.sharedHosts);
    expect(shared).toEqual([[], [{ host: 'site.test', runs: 3 }], [{ host: 'site.test', runs: 3 }]]);
  });
});

test('a crawl-delay holds at once for all who share the host', async () => {
  await using installation = await install(server);
  const workers = [];
  for (const requestsPerSecond of [20, 10]) {
    const worker = (await installation.createRun({ politeness: { requestsPerSecond } })).worker();
    await worker.seed(urls(20, { prefix: worker.workerId }), never);
    workers.push(worker);
  }
  const [fast, slow] = workers;
  if (fast === undefined || slow === undefined) throw new Error('two workers were made');
  await claimSome(fast, 1);
  await claimSome(slow, 1);
  await fast.setCrawlDelay('site.test', 1_000, never);
  const turns: number[] = [];
  while (turns.length < 3) turns.push(...(await claimSome(slow, 1)).map(({ from }) => from));
  turns.push((await slow.reserveHost('site.test', never)).from, (await slow.reserveHost('site.test', never)).from);
  for (const [index, turn] of turns.entries()) {
    if (index > 0) expect(turn - (turns[index - 1] ?? 0), turns.join(' ')).toBeGreaterThan(900);
  }
});

/** Turns of a run at the host, in milliseconds of `performance.now()`, until the signal. */
async function crawl(run: TestRun, signal: AbortSignal): Promise<number[]> {
  const worker = run.worker();
  await worker.seed(urls(2_000, { prefix: run.runId }), never);
  const turns: number[] = [];
  while (!signal.aborted) {
    const result = await worker.claim(5, never);
    if (result.state === 'Claimed') {
      turns.push(...result.claims.map(({ from }) => from));
      await worker.commit(
        result.claims.map((claim) => done(claim)),
        never,
      );
    } else {
      const waitMs = result.state === 'Wait' ? Math.max(result.retryInMs, 20) : 20;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  return turns;
}

test('in real time, 5 runs of unlike pace have their shares', { timeout: 120_000 }, async () => {
  await using installation = await install(server);
  const plans = [2, 4, 40, 20, 30].map((requestsPerSecond) => ({ requestsPerSecond }));
  const end = new AbortController();
  const crawls: Promise<number[]>[] = [];
  for (const { requestsPerSecond } of plans) {
    crawls.push(crawl(await installation.createRun({ politeness: { requestsPerSecond } }), end.signal));
  }
  const settled = performance.now() + SETTLED_S * 1_000;
  await new Promise((resolve) => setTimeout(resolve, (SETTLED_S + WINDOW_S) * 1_000));
  end.abort();
  const until = settled + WINDOW_S * 1_000;
  const counts = (await Promise.all(crawls)).map((turns) => turns.filter((turn) => turn >= settled && turn < until));
  const parts = fairShares(plans).map((share, run) => (counts[run]?.length ?? 0) / WINDOW_S / share);
  for (const part of parts) {
    expect(part, parts.join(' · ')).toBeGreaterThan(0.8);
    expect(part, parts.join(' · ')).toBeLessThan(1.2);
  }
});
