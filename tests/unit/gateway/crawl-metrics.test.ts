// What commits of workers come to in the gateway's counters.
import { expect, it } from 'vitest';
import { type CommittingRun, createCrawlMetrics } from '#src/gateway/crawl-metrics.ts';
import { exposition, OPENMETRICS_TYPE } from '#src/telemetry/exposition.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

const RUN: CommittingRun = { runId: 'run-1', namespace: 'crawls', schedule: 'shop' };
type Outcomes = Parameters<ReturnType<typeof createCrawlMetrics>['committed']>[1];

function stage() {
  const registry = createRegistry();
  const metrics = createCrawlMetrics(registry);
  return {
    metrics,
    /** Samples of the metric, without time stamps of exemplars. */
    async samples(name: string): Promise<string[]> {
      let text = '';
      for await (const piece of exposition(registry, OPENMETRICS_TYPE)) text += piece;
      return text
        .split('\n')
        .filter((line) => line.startsWith(name))
        .map((line) => line.replace(/(# \{.*\} \S+) \S+$/, '$1'));
    },
  };
}

const outcome = (key: string, rest: Partial<Outcomes[number]>): Outcomes[number] => ({
  key,
  token: 't',
  type: 'done',
  ...rest,
});

it('counts tries, items, answers, bytes and times of the pages that were still held', async () => {
  const { metrics, samples } = stage();
  metrics.committed(
    RUN,
    [
      outcome('a', { items: [{}, {}], facts: { status: 200, bytes: 10, durationMs: 1_500 } }),
      outcome('b', { type: 'skipped', reason: 'NotHtml', facts: { status: 200 } }),
      outcome('c', { type: 'retry', cause: 'Timeout' }),
      outcome('d', { type: 'dead', cause: 'HttpError', facts: { status: 500 } }),
      outcome('e', { type: 'released' }),
      outcome('lost', { items: [{}], facts: { status: 200 } }),
    ],
    ['a', 'b', 'c', 'd', 'e'],
  );
  expect(await samples('trawler_page_tries_total')).toEqual([
    'trawler_page_tries_total{namespace="crawls",schedule="shop",result="succeeded"} 1',
    'trawler_page_tries_total{namespace="crawls",schedule="shop",result="skipped"} 1',
    'trawler_page_tries_total{namespace="crawls",schedule="shop",result="failed"} 2',
  ]);
  expect(await samples('trawler_page_failures_total')).toEqual([
    'trawler_page_failures_total{namespace="crawls",schedule="shop",cause="Timeout"} 1 # {run_id="run-1"} 1',
    'trawler_page_failures_total{namespace="crawls",schedule="shop",cause="HttpError"} 1 # {run_id="run-1"} 1',
  ]);
  expect(await samples('trawler_items_total')).toEqual(['trawler_items_total{namespace="crawls",schedule="shop"} 2']);
  expect(await samples('trawler_page_responses_total')).toEqual([
    'trawler_page_responses_total{namespace="crawls",code="200"} 2',
    'trawler_page_responses_total{namespace="crawls",code="500"} 1',
  ]);
  expect(await samples('trawler_page_bytes_total')).toEqual([
    'trawler_page_bytes_total{namespace="crawls",schedule="shop"} 10',
  ]);
  expect(await samples('trawler_page_duration_seconds_bucket{le="2.5"')).toEqual([
    'trawler_page_duration_seconds_bucket{le="2.5",namespace="crawls"} 1 # {run_id="run-1"} 1.5',
  ]);
});

it('takes no label and no number from a worker as it is', async () => {
  const { metrics, samples } = stage();
  const facts = { status: '200"} 1', bytes: -5, durationMs: Number.NaN };
  metrics.committed(RUN, [outcome('a', { type: 'dead', cause: 'made up', facts })], ['a']);
  expect(await samples('trawler_page_failures_total')).toEqual([expect.stringContaining('cause="_other"} 1')]);
  for (const name of [
    'trawler_page_responses_total{',
    'trawler_page_bytes_total{',
    'trawler_page_duration_seconds_count',
  ]) {
    expect(await samples(name)).toEqual([]);
  }
});

it('adds up under one label what is beyond 5,000 schedules', async () => {
  const { metrics, samples } = stage();
  for (let number = 0; number <= 5_001; number++) {
    metrics.committed({ ...RUN, schedule: `shop-${number}` }, [outcome('a', {})], ['a']);
  }
  const lines = await samples('trawler_page_tries_total');
  expect(lines).toHaveLength(5_001);
  expect(lines.at(-1)).toBe('trawler_page_tries_total{namespace="crawls",schedule="_other",result="succeeded"} 2');
});

it('a run of no schedule has an empty one', async () => {
  const { metrics, samples } = stage();
  metrics.committed({ ...RUN, schedule: null }, [outcome('a', {})], ['a']);
  expect(await samples('trawler_page_tries_total')).toEqual([
    'trawler_page_tries_total{namespace="crawls",schedule="",result="succeeded"} 1',
  ]);
});
