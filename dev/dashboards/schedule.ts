// One schedule over days: whether it succeeds, how much it brings, and what it has trouble with.
import { choice, dashboard, figure, graph, type Row, risen } from './panels.ts';

/** Of the schedule that was chosen. */
export const IT = 'namespace="$namespace", schedule="$schedule"';

export const ofSchedule = [
  choice('namespace', 'trawler_schedule_last_run_failed', { isMultiple: false }),
  choice('schedule', 'trawler_schedule_last_run_failed{namespace="$namespace"}', { isMultiple: false }),
];

const now: Row = {
  title: 'Now',
  panels: [
    figure('Last run', 'count', ['', `max(trawler_schedule_last_run_failed{${IT}})`], {
      redFrom: 1,
      words: { 0: 'did not fail', 1: 'failed' },
    }),
    figure(
      'Since the last success',
      'duration',
      ['', `time() - max(trawler_schedule_last_success_timestamp_seconds{${IT}})`],
      {
        description: 'Where none has succeeded, since the schedule was made.',
      },
    ),
    figure('Next run in', 'duration', ['', `max(trawler_schedule_next_run_timestamp_seconds{${IT}}) - time()`], {
      description: 'Nothing while it is suspended. Below 0 it is being missed.',
    }),
    figure('Dead letters', 'count', ['', `max(trawler_dead_letters{${IT}})`], {
      description: 'Pages given up, of its runs at work and of the one that ended last.',
      redFrom: 1,
    }),
    figure('Items in this time', 'count', ['', `round(sum(increase(trawler_items_total{${IT}}[$__range])))`]),
    figure('Pages in this time', 'count', [
      '',
      `round(sum(increase(trawler_page_tries_total{${IT}, result="succeeded"}[$__range])))`,
    ]),
  ],
};

const runs: Row = {
  title: 'Runs',
  panels: [
    graph('Runs ended', 'count', [['{{outcome}}', risen('outcome', `trawler_runs_finished_total{${IT}}`)]], {
      isStacked: true,
      isBars: true,
      hasExemplars: true,
      description: 'A point names its run (run_id).',
    }),
    graph('Without success', 'duration', [
      ['time', `time() - max(trawler_schedule_last_success_timestamp_seconds{${IT}})`],
      ['period', `max(trawler_schedule_period_seconds{${IT}})`],
    ]),
    graph('Dead letters', 'count', [['pages', `max(trawler_dead_letters{${IT}})`]]),
  ],
};

const pages: Row = {
  title: 'Pages',
  panels: [
    graph('Pages tried', 'perSecond', [
      ['{{result}}', `sum by (result) (rate(trawler_page_tries_total{${IT}}[$__rate_interval]))`],
    ]),
    graph(
      'Success rate',
      'share',
      [
        [
          'succeeded',
          `sum(rate(trawler_page_tries_total{${IT}, result="succeeded"}[$__rate_interval])) / sum(rate(trawler_page_tries_total{${IT}, result=~"succeeded|failed"}[$__rate_interval]))`,
        ],
      ],
      { max: 1, description: 'Of tries of pages, those that are tried again included.' },
    ),
    graph(
      'Failures by cause',
      'perSecond',
      [['{{cause}}', `sum by (cause) (rate(trawler_page_failures_total{${IT}}[$__rate_interval]))`]],
      { isStacked: true, hasExemplars: true, description: 'A point names its run (run_id).' },
    ),
    graph('Items stored', 'perSecond', [['items', `sum(rate(trawler_items_total{${IT}}[$__rate_interval]))`]]),
    graph('Bytes of pages', 'bytesPerSecond', [
      ['bytes', `sum(rate(trawler_page_bytes_total{${IT}}[$__rate_interval]))`],
    ]),
    graph('Hosts that block, and the proxy', 'count', [
      ['hosts that block', `max(trawler_blocked_hosts{${IT}})`],
      ['by the proxy: 1, without it: 0', `max(trawler_proxy_active{${IT}})`],
    ]),
  ],
};

export const schedule = dashboard({
  name: 'schedule',
  title: 'Trawler: schedule',
  description: 'One schedule over days.',
  since: '7d',
  refresh: '1m',
  variables: ofSchedule,
  alerts: `, ${IT}`,
  rows: [now, runs, pages],
});
