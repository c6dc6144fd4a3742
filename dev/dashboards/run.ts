// The run of a schedule that is at work. Series are by schedule, so this shows what its runs do now; exemplars name them.
import { dashboard, figure, graph, type Row } from './panels.ts';
import { IT, ofSchedule } from './schedule.ts';

const RATE = '[$__rate_interval]';

const now: Row = {
  title: 'Now',
  panels: [
    figure('Pages that wait', 'count', ['', `sum(trawler_queue_depth{${IT}, queue="pages"})`]),
    figure('Pages being crawled', 'count', ['', `sum(trawler_queue_depth{${IT}, queue="results"})`], {
      description: 'A worker holds them; their result is not stored yet.',
    }),
    figure(
      'Done in',
      'duration',
      [
        '',
        `sum(trawler_queue_depth{${IT}, queue=~"pages|results"}) / sum(rate(trawler_page_tries_total{${IT}, result=~"succeeded|skipped"}[10m]))`,
      ],
      { description: 'As fast as in the last 10 minutes, and without the pages that are still to be found.' },
    ),
    figure('Workers', 'count', ['', `sum(trawler_workers{${IT}})`]),
    figure('Runs that hang', 'count', ['', `sum(trawler_runs_stalled{${IT}})`], { redFrom: 1 }),
    figure('Dead letters', 'count', ['', `sum(trawler_dead_letters{${IT}})`], { redFrom: 1 }),
  ],
};

const progress: Row = {
  title: 'Progress',
  panels: [
    graph('Queue', 'count', [['{{queue}}', `sum by (queue) (trawler_queue_depth{${IT}})`]], {
      description: 'Runs that have not started, pages that wait, and pages whose result is not stored yet.',
    }),
    graph('Pages tried', 'perSecond', [
      ['{{result}}', `sum by (result) (rate(trawler_page_tries_total{${IT}}${RATE}))`],
    ]),
    graph(
      'Failures by cause',
      'perSecond',
      [['{{cause}}', `sum by (cause) (rate(trawler_page_failures_total{${IT}}${RATE}))`]],
      {
        isStacked: true,
        hasExemplars: true,
        description:
          'A point names its run: run_id is the UID of the CrawlRun. `kubectl trawler explain RUN` says more.',
      },
    ),
    graph('Open pages and workers', 'count', [
      ['pages', `sum(trawler_open_pages{${IT}})`],
      ['workers', `sum(trawler_workers{${IT}})`],
    ]),
    graph('Items stored', 'perSecond', [['items', `sum(rate(trawler_items_total{${IT}}${RATE}))`]]),
    graph('Bytes of pages', 'bytesPerSecond', [['bytes', `sum(rate(trawler_page_bytes_total{${IT}}${RATE}))`]]),
  ],
};

const sites: Row = {
  title: 'Sites, of all schedules of the namespace',
  panels: [
    graph(
      'Time of a page',
      'seconds',
      ([0.5, 0.95, 0.99] as const).map((share) => [
        `p${share * 100}`,
        `histogram_quantile(${share}, sum by (le) (rate(trawler_page_duration_seconds_bucket{namespace="$namespace"}${RATE})))`,
      ]),
      { hasExemplars: true, description: 'Waiting for its turn at the host left out. A point names its run (run_id).' },
    ),
    graph(
      'Answers of sites',
      'perSecond',
      [['{{code}}', `sum by (code) (rate(trawler_page_responses_total{namespace="$namespace"}${RATE}))`]],
      { isStacked: true },
    ),
    graph(
      'Requests of its workers that were turned away',
      'perSecond',
      [
        [
          'requests',
          // Counted from the first one on; until then it is 0 as long as a gateway is seen.
          `sum(rate(trawler_gateway_namespace_turned_away_total{namespace="$namespace"}${RATE})) or 0 * max(trawler_build_info{service="gateway"})`,
        ],
      ],
      {
        description:
          'The gateway told them to come again later: it is busy, or the namespace takes more than its share.',
      },
    ),
  ],
};

export const run = dashboard({
  name: 'run',
  title: 'Trawler: run at work',
  description: 'What the run of a schedule that is at work does.',
  since: '1h',
  refresh: '10s',
  variables: ofSchedule,
  alerts: `, ${IT}`,
  rows: [now, progress, sites],
});
