// Each alert fires on what it is for, says how bad it is, clears, and stays silent while all is well.
import { beforeAll, describe, expect, test } from 'vitest';
import { METRICS, type MetricEntry } from '#src/telemetry/metric-table.ts';
import { COMPILE_TIMEOUT_MS, prometheusPrograms, promtool } from '../../support/prometheus.ts';
import { alertRules, type RuleFile, ruleFile } from './rules.ts';

/** Samples a minute, in promtool's notation: `0+1x9` is 0 to 9, `1x9` ten times 1, `_x9` nothing. */
type Series = Readonly<Record<string, string>>;

/** What promtool feeds Prometheus with while all is well. */
const HEALTHY: Series = {
  'trawler_leader{lease="trawler-operator"}': '1x100',
  'trawler_build_info{service="operator",version="1",instance="o",job="trawler"}': '1x100',
  'trawler_build_info{service="gateway",version="1",instance="g",job="trawler"}': '1x100',
  'trawler_queue_depth{namespace="red",schedule="shop",queue="runs"}': '3x100',
  'trawler_queue_depth{namespace="red",schedule="shop",queue="pages"}': '5000-10x100',
  'trawler_workers{namespace="red",schedule="shop"}': '2x100',
  'trawler_page_tries_total{namespace="red",schedule="shop",result="succeeded"}': '0+10x100',
  'trawler_page_failures_total{namespace="red",schedule="shop",cause="Blocked"}': '_x20 1x80',
  'trawler_page_failures_total{namespace="red",schedule="shop",cause="Timeout"}': '0+1x100',
  'trawler_page_duration_seconds_bucket{namespace="red",le="1"}': '0+9x100',
  'trawler_page_duration_seconds_bucket{namespace="red",le="60"}': '0+10x100',
  'trawler_page_duration_seconds_bucket{namespace="red",le="+Inf"}': '0+10x100',
  'trawler_dead_letters{namespace="red",schedule="shop"}': '0x100',
  'trawler_schedule_last_run_failed{namespace="red",schedule="shop"}': '0x100',
  'trawler_runs_stalled{namespace="red",schedule="shop"}': '0x100',
  // Hourly, each time some seconds late.
  'trawler_schedule_next_run_timestamp_seconds{namespace="red",schedule="shop"}': '3600x60 7200x40',
  'trawler_schedule_last_success_timestamp_seconds{namespace="red",schedule="shop"}': '0x62 3720x38',
  'trawler_schedule_period_seconds{namespace="red",schedule="shop"}': '3600x100',
  trawler_database_up: '1x100',
  trawler_database_server_connections: '40x100',
  trawler_database_server_connections_max: '100x100',
  'trawler_database_connections{state="active",instance="g",job="trawler"}': '5x100',
  'trawler_database_connections_max{instance="g",job="trawler"}': '10x100',
  'trawler_gateway_requests_total{call="commit",status="200"}': '0+100x100',
  'trawler_gateway_requests_total{call="commit",status="503"}': '0+1x100',
  'trawler_http_requests_total{method="GET",route="/x",code="200"}': '0+100x100',
  'trawler_http_requests_total{method="GET",route="/x",code="500"}': '0+1x100',
  'process_cpu_seconds_total{instance="o",job="trawler"}': '0+20x100',
  'process_resident_memory_bytes{instance="o",job="trawler"}': '100x100',
  'trawler_memory_limit_bytes{instance="o",job="trawler"}': '500x100',
};

type Case = {
  readonly alert: string;
  readonly severity: string;
  /** In place of those of HEALTHY with the same name and labels. */
  readonly series: Series;
  /** Minutes: it does not fire yet, it fires, it has cleared. */
  readonly times: readonly [before: number, firing: number, cleared: number];
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
};

const SHOP = { namespace: 'red', schedule: 'shop' };

const CASES: readonly Case[] = [
  {
    alert: 'TrawlerTaskQueueBacklog',
    severity: 'warning',
    series: { 'trawler_queue_depth{namespace="red",schedule="shop",queue="runs"}': '3x10 150x20 3x70' },
    times: [13, 20, 40],
    summary: '150 runs wait to be started.',
  },
  {
    alert: 'TrawlerTaskQueueBacklog',
    severity: 'critical',
    series: { 'trawler_queue_depth{namespace="red",schedule="shop",queue="runs"}': '3x10 1001x20 3x70' },
    times: [13, 20, 40],
    summary: '1001 runs wait to be started.',
  },
  {
    alert: 'TrawlerPagesNotMoving',
    severity: 'warning',
    series: {
      'trawler_page_tries_total{namespace="red",schedule="shop",result="succeeded"}': '0+10x10 100x40 100+10x49',
      'trawler_queue_depth{namespace="red",schedule="shop",queue="pages"}': '70x100',
    },
    times: [20, 40, 60],
    labels: SHOP,
    summary: '70 pages of red/shop wait, and none was tried for 10 minutes.',
  },
  {
    alert: 'TrawlerDeadLetterQueueNotEmpty',
    severity: 'critical',
    series: { 'trawler_dead_letters{namespace="red",schedule="shop"}': '0x10 4x10 0x80' },
    times: [10, 15, 25],
    labels: SHOP,
    summary: '4 pages of red/shop were given up after their retries.',
  },
  {
    alert: 'TrawlerCrawlerBlocked',
    severity: 'critical',
    series: { 'trawler_page_failures_total{namespace="red",schedule="shop",cause="Blocked"}': '1x9 1+3x9 28x80' },
    times: [9, 19, 30],
    labels: SHOP,
    summary: 'Sites refused 15 pages of red/shop in 5 minutes.',
  },
  {
    // The first sample of a run that begins with refusals.
    alert: 'TrawlerCrawlerBlocked',
    severity: 'critical',
    series: { 'trawler_page_failures_total{namespace="red",schedule="shop",cause="Blocked"}': '_x10 8x90' },
    times: [9, 12, 20],
    labels: SHOP,
    summary: 'Sites refused 8 pages of red/shop in 5 minutes.',
  },
  {
    alert: 'TrawlerHighProcessingLatency',
    severity: 'warning',
    series: {
      'trawler_page_duration_seconds_bucket{namespace="red",le="1"}': '0+9x10 90x20 100+9x69',
      'trawler_page_duration_seconds_bucket{namespace="red",le="60"}': '0+10x10 100x20 110+10x69',
      'trawler_page_duration_seconds_bucket{namespace="red",le="120"}': '0+10x10 110+10x20 320+10x69',
      'trawler_page_duration_seconds_bucket{namespace="red",le="+Inf"}': '0+10x10 110+10x20 320+10x69',
    },
    times: [12, 28, 50],
    labels: { namespace: 'red' },
    summary: 'One page in 20 of red takes longer than 117 s.',
  },
  {
    alert: 'TrawlerRunFailed',
    severity: 'warning',
    series: { 'trawler_schedule_last_run_failed{namespace="red",schedule="shop"}': '0x10 1x10 0x80' },
    times: [10, 15, 25],
    labels: SHOP,
    summary: 'The last run of red/shop has failed (value 1).',
  },
  {
    alert: 'TrawlerRunStalled',
    severity: 'warning',
    series: { 'trawler_runs_stalled{namespace="red",schedule="shop"}': '0x10 2x10 0x80' },
    times: [13, 18, 25],
    labels: SHOP,
    summary: '2 runs of red/shop have a worker that hangs and was not replaced for 5 minutes.',
  },
  {
    alert: 'TrawlerScheduleMissed',
    severity: 'critical',
    series: { 'trawler_schedule_next_run_timestamp_seconds{namespace="red",schedule="shop"}': '600x30 3600x70' },
    times: [14, 20, 35],
    labels: SHOP,
    summary: 'A run of red/shop was due 10m 0s ago and was not made.',
  },
  {
    alert: 'TrawlerNoSuccess',
    severity: 'critical',
    series: {
      'trawler_schedule_period_seconds{namespace="red",schedule="shop"}': '300x100',
      'trawler_schedule_last_success_timestamp_seconds{namespace="red",schedule="shop"}': '0x30 1860+60x69',
    },
    times: [18, 25, 40],
    labels: SHOP,
    summary: 'No run of red/shop has succeeded for 5.0 of its periods.',
  },
  {
    alert: 'TrawlerOperatorAbsent',
    severity: 'critical',
    series: { 'trawler_leader{lease="trawler-operator"}': '1x10 0x20 1x70' },
    times: [13, 20, 35],
    summary: 'No operator leads: 1 is missing. No run is started.',
  },
  {
    alert: 'TrawlerGatewayAbsent',
    severity: 'critical',
    series: { 'trawler_build_info{service="gateway",version="1",instance="g",job="trawler"}': '1x10 stale _x20 1x68' },
    times: [13, 20, 40],
    labels: { service: 'gateway' },
    summary: 'No gateway is seen: 1 is missing. No page is crawled.',
  },
  {
    alert: 'TrawlerDatabaseAway',
    severity: 'critical',
    series: { trawler_database_up: '1x10 0x10 1x80' },
    times: [10, 15, 25],
    summary: 'PostgreSQL does not answer the operator (value 0). Runs wait.',
  },
  {
    alert: 'TrawlerDatabaseConnectionsHigh',
    severity: 'warning',
    series: { trawler_database_server_connections: '40x10 90x20 40x70' },
    times: [13, 20, 40],
    summary: 'PostgreSQL has 90% of the connections that it may have.',
  },
  {
    alert: 'TrawlerDatabasePoolExhausted',
    severity: 'warning',
    series: { 'trawler_database_connections{state="active",instance="g",job="trawler"}': '5x10 10x30 5x60' },
    times: [13, 30, 55],
    labels: { instance: 'g', job: 'trawler' },
    summary: 'g uses 100% of its connections to PostgreSQL.',
  },
  {
    alert: 'TrawlerGatewayErrors',
    severity: 'warning',
    series: { 'trawler_gateway_requests_total{call="commit",status="503"}': '0+1x10 35+25x20 535x69' },
    times: [11, 25, 45],
    summary: 'The gateway answers 20% of the requests of workers with an error of its own.',
  },
  {
    alert: 'TrawlerServerErrors',
    severity: 'warning',
    series: { 'trawler_http_requests_total{method="GET",route="/x",code="500"}': '0+1x10 35+25x20 535x69' },
    times: [11, 25, 45],
    summary: 'The API answers 20% of its requests with an error of its own.',
  },
  {
    alert: 'TrawlerHighCpu',
    severity: 'warning',
    series: { 'process_cpu_seconds_total{instance="o",job="trawler"}': '0+20x10 254+54x30 1894+20x59' },
    times: [15, 35, 60],
    labels: { instance: 'o', job: 'trawler', service: 'operator' },
    summary: 'The operator o uses 90% of a processor.',
  },
  {
    alert: 'TrawlerHighMemory',
    severity: 'warning',
    series: { 'process_resident_memory_bytes{instance="o",job="trawler"}': '100x10 450x20 100x70' },
    times: [13, 20, 40],
    labels: { instance: 'o', job: 'trawler', service: 'operator' },
    summary: 'The operator o has 90% of the memory that it may have.',
  },
];

let rules: RuleFile;
beforeAll(async () => {
  rules = await ruleFile();
  await prometheusPrograms();
}, COMPILE_TIMEOUT_MS);

const inputOf = (series: Series) => Object.entries(series).map(([name, values]) => ({ series: name, values }));

async function check(series: Series, alertRuleTests: object[]): Promise<string> {
  const suite = {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [{ interval: '1m', input_series: inputOf({ ...HEALTHY, ...series }), alert_rule_test: alertRuleTests }],
  };
  return promtool(['test', 'rules', 'suite.yaml'], { 'rules.yaml': rules, 'suite.yaml': suite });
}

const minutes = (count: number) => `${count}m`;

describe('an alert', () => {
  test.each(CASES)('$alert ($severity) fires and clears: $summary', async (one) => {
    const { alert, severity, series, times, labels = {}, summary } = one;
    const [before, firing, cleared] = times;
    const silent = (eval_time: string) => ({ eval_time, alertname: alert, exp_alerts: [] });
    const runbook = `https://github.com/trawler/trawler/blob/main/docs/runbooks.md#${alert.toLowerCase()}`;
    const fired = (exp_severity: string) => ({
      exp_labels: { ...labels, severity: exp_severity },
      exp_annotations: { summary, runbook_url: runbook },
    });
    // More than the second threshold is more than the first.
    const severities =
      alert === 'TrawlerTaskQueueBacklog' && severity === 'critical' ? ['warning', severity] : [severity];
    await check(series, [
      silent(minutes(before)),
      { eval_time: minutes(firing), alertname: alert, exp_alerts: severities.map(fired) },
      silent(minutes(cleared)),
    ]);
  });

  test('has a case here', async () => {
    const names = (await alertRules()).map(({ alert, labels }) => `${alert} ${labels['severity']}`);
    expect([...new Set(CASES.map(({ alert, severity }) => `${alert} ${severity}`))].toSorted()).toEqual(
      names.toSorted(),
    );
  });

  test('none fires while all is well', async () => {
    const names = [...new Set(CASES.map(({ alert }) => alert))];
    const silent = [1, 10, 25, 61, 65, 99].flatMap((minute) =>
      names.map((alertname) => ({ eval_time: minutes(minute), alertname, exp_alerts: [] })),
    );
    await check({}, silent);
  });
});

test('promtool finds nothing wrong with the rules', async () => {
  expect(await promtool(['check', 'rules', '--lint-fatal', 'rules.yaml'], { 'rules.yaml': rules })).toContain(
    'SUCCESS',
  );
});

test('rules name metrics that there are, and no threshold is left open', async () => {
  const known = new Set((Object.values(METRICS) as readonly MetricEntry[]).map(({ name }) => name));
  for (const { alert, expr, annotations } of await alertRules()) {
    for (const [name] of expr.matchAll(/\btrawler_\w+/g)) {
      expect(known, `${alert}: ${name}`).toContain(name.replace(/_(bucket|sum|count)$/, ''));
    }
    expect(expr).not.toMatch(/<[a-zA-Z]+>/);
    expect(annotations['summary'], alert).toContain('$value');
  }
});

test('thresholds and labels are those of the values', async () => {
  const { groups } = await ruleFile(
    'monitoring.alerts.thresholds.deadLetters=25',
    'monitoring.alerts.ruleLabels.team=crawl',
  );
  const rule = groups.flatMap((group) => group.rules).find(({ alert }) => alert === 'TrawlerDeadLetterQueueNotEmpty');
  expect(rule).toMatchObject({ expr: 'trawler_dead_letters > 25', labels: { severity: 'critical', team: 'crawl' } });
});
