// What an operator of many schedules looks at first: what waits, what fails, how fast it goes, and how the processes are.
import { choice, dashboard, figure, graph, type Row, risen, tableOfSchedules } from './panels.ts';

const IN = 'namespace=~"$namespace"';

/** Nothing counted is 0 while an operator leads, and no data while none is seen. */
const orZero = (expr: string) => `${expr} or 0 * max(trawler_leader == 1)`;

const now: Row = {
  title: 'Now',
  panels: [
    figure('Runs at work', 'count', ['', orZero(`sum(trawler_runs{${IN}, phase=~"Running|Stopping"})`)]),
    figure('Runs that wait', 'count', ['', orZero(`sum(trawler_queue_depth{${IN}, queue="runs"})`)]),
    figure('Pages that wait', 'count', ['', orZero(`sum(trawler_queue_depth{${IN}, queue="pages"})`)]),
    figure('Dead letters', 'count', ['', orZero(`sum(trawler_dead_letters{${IN}})`)], {
      description: 'Pages given up, of runs at work and of the run of each schedule that ended last.',
      redFrom: 1,
    }),
    figure('Schedules that fail', 'count', ['', orZero(`sum(trawler_schedule_last_run_failed{${IN}})`)], {
      description: 'Schedules whose last run has failed or timed out.',
      redFrom: 1,
    }),
    figure('Runs that hang', 'count', ['', orZero(`sum(trawler_runs_stalled{${IN}})`)], { redFrom: 1 }),
    figure('Schedules', 'count', ['{{state}}', 'max by (state) (trawler_schedules)'], {
      description: 'Of all namespaces. Idle: not ready, or run after another schedule.',
    }),
    figure('Alerts', 'count', ['', orZero('count(ALERTS{alertname=~"Trawler.+", alertstate="firing"})')], {
      redFrom: 1,
    }),
    figure('PostgreSQL', 'count', ['', '1 - max(trawler_database_up)'], {
      redFrom: 1,
      words: { 0: 'answers', 1: 'away' },
    }),
    figure('Operators that lead', 'count', ['', 'sum(trawler_leader)']),
    figure('Gateways', 'count', ['', 'count(trawler_build_info{service="gateway"})']),
    figure('Next run in', 'duration', ['', `min(trawler_schedule_next_run_timestamp_seconds{${IN}}) - time()`]),
  ],
};

const needed: Row = {
  title: 'Schedules that need somebody',
  panels: [
    tableOfSchedules(
      'In trouble',
      'What the last run of a schedule, or the one at work, has trouble with. At most 50 each.',
      [
        {
          title: 'Dead letters',
          unit: 'count',
          expr: `topk(50, max by (namespace, schedule) (trawler_dead_letters{${IN}}) > 0)`,
        },
        {
          title: 'Failed',
          unit: 'count',
          expr: `topk(50, max by (namespace, schedule) (trawler_schedule_last_run_failed{${IN}}) > 0)`,
        },
        {
          title: 'Hosts that block',
          unit: 'count',
          expr: `topk(50, max by (namespace, schedule) (trawler_blocked_hosts{${IN}}) > 0)`,
        },
        {
          title: 'Hang',
          unit: 'count',
          expr: `topk(50, max by (namespace, schedule) (trawler_runs_stalled{${IN}}) > 0)`,
        },
      ],
    ),
    tableOfSchedules(
      'Longest without success',
      'Time since a run last succeeded; a schedule without any counts from when it was made.',
      [
        {
          title: 'Since',
          unit: 'duration',
          expr: `topk(20, time() - max by (namespace, schedule) (trawler_schedule_last_success_timestamp_seconds{${IN}}))`,
        },
      ],
    ),
  ],
};

const crawling: Row = {
  title: 'Crawling',
  panels: [
    graph(
      'Runs by phase',
      'count',
      [['{{phase}}', `sum by (phase) (trawler_runs{${IN}, phase=~"Pending|Queued|Running|Paused|Stopping"})`]],
      { isStacked: true, description: 'Runs that have not ended.' },
    ),
    graph('Queue depth', 'count', [['{{queue}}', `sum by (queue) (trawler_queue_depth{${IN}})`]], {
      description: 'Runs that have not started, pages of runs at work, and pages whose result is not stored yet.',
    }),
    graph('Runs ended', 'count', [['{{outcome}}', risen('outcome', `trawler_runs_finished_total{${IN}}`)]], {
      isStacked: true,
      isBars: true,
    }),
    graph('Pages tried', 'perSecond', [
      ['{{result}}', `sum by (result) (rate(trawler_page_tries_total{${IN}}[$__rate_interval]))`],
    ]),
    graph(
      'Success rate',
      'share',
      [
        [
          'succeeded',
          `sum(rate(trawler_page_tries_total{${IN}, result="succeeded"}[$__rate_interval])) / sum(rate(trawler_page_tries_total{${IN}, result=~"succeeded|failed"}[$__rate_interval]))`,
        ],
      ],
      { max: 1, description: 'Of tries of pages, those that are tried again included.' },
    ),
    graph(
      'Time of a page',
      'seconds',
      ([0.5, 0.95] as const).map((share) => [
        `p${share * 100}`,
        `histogram_quantile(${share}, sum by (le) (rate(trawler_page_duration_seconds_bucket{${IN}}[$__rate_interval])))`,
      ]),
      { hasExemplars: true, description: 'Waiting for its turn at the host left out. A point names its run (run_id).' },
    ),
    graph(
      'Failures by cause',
      'perSecond',
      [['{{cause}}', `sum by (cause) (rate(trawler_page_failures_total{${IN}}[$__rate_interval]))`]],
      { isStacked: true, hasExemplars: true, description: 'A point names its run (run_id).' },
    ),
    graph(
      'Answers of sites',
      'perSecond',
      [['{{code}}', `sum by (code) (rate(trawler_page_responses_total{${IN}}[$__rate_interval]))`]],
      { isStacked: true },
    ),
    graph('Open pages and workers', 'count', [
      ['pages', `sum(trawler_open_pages{${IN}})`],
      ['workers', `sum(trawler_workers{${IN}})`],
    ]),
    graph('Items stored', 'perSecond', [['items', `sum(rate(trawler_items_total{${IN}}[$__rate_interval]))`]]),
    graph('Bytes of pages', 'bytesPerSecond', [
      ['bytes', `sum(rate(trawler_page_bytes_total{${IN}}[$__rate_interval]))`],
    ]),
    graph(
      'Time of a run',
      'duration',
      [['p95', `histogram_quantile(0.95, sum by (le) (rate(trawler_run_duration_seconds_bucket{${IN}}[1h])))`]],
      { hasExemplars: true, description: 'Of runs that ended in the hour before. A point names its run (run_id).' },
    ),
  ],
};

const ofService = '* on (instance, job) group_left (service) trawler_build_info';

const processes: Row = {
  title: 'Operator, gateway, server',
  panels: [
    graph(
      'Processor',
      'share',
      [['{{service}} {{instance}}', `rate(process_cpu_seconds_total[$__rate_interval]) ${ofService}`]],
      {
        description: 'Of one processor: that is what a process can use.',
      },
    ),
    graph('Memory', 'bytes', [['{{service}} {{instance}}', `process_resident_memory_bytes ${ofService}`]]),
    graph(
      'Event loop, p99 of delays',
      'seconds',
      [['{{service}} {{instance}}', `nodejs_eventloop_lag_p99_seconds ${ofService}`]],
      { description: 'With the time between two samples: 100 ms in the operator, 10 ms in the others.' },
    ),
    graph('Requests of workers', 'perSecond', [
      ['{{call}} {{status}}', 'sum by (call, status) (rate(trawler_gateway_requests_total[$__rate_interval]))'],
    ]),
    graph(
      'Time of a request of a worker, p99',
      'seconds',
      [
        [
          '{{call}}',
          'histogram_quantile(0.99, sum by (call, le) (rate(trawler_gateway_request_duration_seconds_bucket[$__rate_interval])))',
        ],
      ],
      {
        description: 'The time that a claim was held, since there was no work, is left out.',
      },
    ),
    graph('Requests of the API', 'perSecond', [
      ['{{code}}', 'sum by (code) (rate(trawler_http_requests_total[$__rate_interval]))'],
    ]),
    graph('Time of a request of the API, p95', 'seconds', [
      [
        '{{method}} {{route}}',
        'topk(10, histogram_quantile(0.95, sum by (method, route, le) (rate(trawler_http_request_duration_seconds_bucket[$__rate_interval]))))',
      ],
    ]),
    graph(
      'Lateness of runs, p95',
      'seconds',
      [['p95', 'histogram_quantile(0.95, sum by (le) (rate(trawler_schedule_creation_skew_seconds_bucket[1h])))']],
      { description: 'From the time that a run was due, its jitter included, to its creation, over an hour.' },
    ),
    graph('Keys that wait to be reconciled', 'count', [
      ['{{controller}}', 'sum by (controller) (trawler_workqueue_depth)'],
    ]),
    graph('Time of a reconcile, p99', 'seconds', [
      [
        '{{controller}}',
        'histogram_quantile(0.99, sum by (controller, le) (rate(trawler_reconcile_duration_seconds_bucket[$__rate_interval])))',
      ],
    ]),
    graph('Requests to Kubernetes', 'perSecond', [
      ['{{verb}} {{code}}', 'sum by (verb, code) (rate(trawler_kube_requests_total[$__rate_interval]))'],
    ]),
  ],
};

const database: Row = {
  title: 'PostgreSQL',
  panels: [
    graph('Connections of the processes', 'count', [
      ['{{state}}', 'sum by (state) (trawler_database_connections)'],
      ['may have', 'sum(trawler_database_connections_max)'],
    ]),
    graph('Connections of the server', 'count', [
      ['connections', 'max(trawler_database_server_connections)'],
      ['may have', 'max(trawler_database_server_connections_max)'],
    ]),
    graph(
      'Time of a query',
      'seconds',
      ([0.5, 0.99] as const).map((share) => [
        `p${share * 100}`,
        `histogram_quantile(${share}, sum by (le) (rate(trawler_database_query_duration_seconds_bucket[$__rate_interval])))`,
      ]),
    ),
  ],
};

export const overview = dashboard({
  name: 'overview',
  title: 'Trawler',
  description: 'Schedules, runs, pages and processes of a Trawler installation.',
  since: '6h',
  refresh: '30s',
  variables: [choice('namespace', 'trawler_schedule_last_run_failed', { isMultiple: true })],
  alerts: '',
  rows: [now, needed, crawling, processes, database],
});
