// Every metric of Trawler: its name, what it means, its labels, and which processes show it. docs/metrics.md is made of it.

export type MetricProcess = 'operator' | 'gateway' | 'server';

export type MetricEntry = {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Of a histogram: upper bounds in its unit. */
  readonly buckets?: readonly number[];
  readonly from: readonly MetricProcess[];
  /** Samples name a run (`run_id`) to look at. */
  readonly hasExemplars?: true;
  /** What stood for it in the systems that Trawler replaces. */
  readonly was?: string;
};

/** From a tenth of a millisecond to a slow database; a claim that waits for work is not counted as slow. */
const CALL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const RECONCILE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
/** A page may take 60 s by default, and a run 12 min: both are bounds. */
const PAGE_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 720];
const RUN_BUCKETS = [5, 15, 30, 60, 120, 300, 720, 1_800, 3_600, 10_800, 43_200];

const ALL: readonly MetricProcess[] = ['operator', 'gateway', 'server'];
const OPERATOR: readonly MetricProcess[] = ['operator'];
const GATEWAY: readonly MetricProcess[] = ['gateway'];
const SERVER: readonly MetricProcess[] = ['server'];
/** Clients of the API server. */
const CLIENTS: readonly MetricProcess[] = ['operator', 'server'];

const OF_SCHEDULE = ['namespace', 'schedule'] as const;

function entry<const Entry extends MetricEntry>(fields: Entry): Entry {
  return fields;
}

export const METRICS = {
  // Schedules and runs, by the operator that leads.
  schedules: entry({
    ...{ type: 'gauge', name: 'trawler_schedules', from: OPERATOR, labels: ['state'] },
    help: 'Schedules: active (a next time is known), suspended, and idle (not ready, or run after another schedule).',
    was: 'scheduled pending',
  }),
  schedulesLeftOut: entry({
    ...{ type: 'gauge', name: 'trawler_schedules_left_out', from: OPERATOR },
    help: 'Schedules beyond those that have series of their own.',
  }),
  scheduleNextRun: entry({
    ...{ type: 'gauge', name: 'trawler_schedule_next_run_timestamp_seconds', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'When the next run is due; absent while suspended. It lies in the past only while a time is being missed.',
  }),
  scheduleLastSuccess: entry({
    ...{ type: 'gauge', name: 'trawler_schedule_last_success_timestamp_seconds', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'When a run last succeeded; when the schedule was made where none has.',
  }),
  schedulePeriod: entry({
    ...{ type: 'gauge', name: 'trawler_schedule_period_seconds', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'The longest time between the next five runs; absent while suspended.',
  }),
  scheduleLastRunFailed: entry({
    ...{ type: 'gauge', name: 'trawler_schedule_last_run_failed', from: OPERATOR, labels: OF_SCHEDULE },
    help: '1 while the run that ended last has failed or timed out, else 0.',
  }),
  runs: entry({
    ...{ type: 'gauge', name: 'trawler_runs', from: OPERATOR, labels: ['namespace', 'phase'] },
    help: 'CrawlRuns that there are, by phase.',
  }),
  runsStalled: entry({
    ...{ type: 'gauge', name: 'trawler_runs_stalled', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'Runs one of whose workers hangs and has no successor yet.',
  }),
  runsFinished: entry({
    ...{ type: 'counter', name: 'trawler_runs_finished_total', from: OPERATOR, labels: [...OF_SCHEDULE, 'outcome'] },
    help: 'Runs that this process has seen end, by outcome.',
    hasExemplars: true,
    was: 'tasks processed{success,failed}',
  }),
  runDuration: entry({
    ...{ type: 'histogram', name: 'trawler_run_duration_seconds', from: OPERATOR, labels: ['namespace'] },
    help: 'From the first heartbeat of a run to its end.',
    buckets: RUN_BUCKETS,
    hasExemplars: true,
    was: 'task processing duration',
  }),
  queueDepth: entry({
    ...{ type: 'gauge', name: 'trawler_queue_depth', from: OPERATOR, labels: [...OF_SCHEDULE, 'queue'] },
    help: 'What waits, by queue: runs (not started), pages (of runs at work) and results (pages that a worker holds, whose result is not stored yet).',
    was: 'queue depth{tasks,results}',
  }),
  queueRuns: entry({
    ...{ type: 'gauge', name: 'trawler_queue_runs', from: OPERATOR, labels: ['queue', 'state'] },
    help: 'Unfinished runs of each named queue: waiting (not let in yet) and active. Those whose queue is not there are of _unknown.',
  }),
  queueLimit: entry({
    ...{ type: 'gauge', name: 'trawler_queue_max_active_runs', from: OPERATOR, labels: ['queue'] },
    help: 'The most runs of a named queue that are active at once, where it has a limit of its own.',
  }),
  deadLetters: entry({
    ...{ type: 'gauge', name: 'trawler_dead_letters', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'Pages given up after their retries, of runs at work and of the run that ended last.',
    was: 'dead letter queue size',
  }),
  workers: entry({
    ...{ type: 'gauge', name: 'trawler_workers', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'Crawler pods of runs at work that have given a heartbeat and not ended.',
  }),
  openPages: entry({
    ...{ type: 'gauge', name: 'trawler_open_pages', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'Pages that workers have open, in browsers or by plain HTTP.',
    was: 'active browser pages',
  }),
  proxyActive: entry({
    ...{ type: 'gauge', name: 'trawler_proxy_active', from: OPERATOR, labels: OF_SCHEDULE },
    help: '1 while a run at work goes by its proxy: always with mode Always, with mode Auto while a host fails on the direct way. Else 0.',
    was: 'proxy mode 0/1',
  }),
  blockedHosts: entry({
    ...{ type: 'gauge', name: 'trawler_blocked_hosts', from: OPERATOR, labels: OF_SCHEDULE },
    help: 'Hosts that refuse pages of runs at work and are asked more slowly.',
  }),
  creationSkew: entry({
    ...{ type: 'histogram', name: 'trawler_schedule_creation_skew_seconds', from: OPERATOR },
    help: 'Time between a slot of a schedule, its jitter included, and the creation of its run.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600],
  }),

  // What workers did, by the gateway that they told.
  pageTries: entry({
    ...{ type: 'counter', name: 'trawler_page_tries_total', from: GATEWAY, labels: [...OF_SCHEDULE, 'result'] },
    help: 'Tries of pages by result: succeeded, skipped, failed (it may be tried again).',
    was: 'tasks processed{success,failed}',
  }),
  pageFailures: entry({
    ...{ type: 'counter', name: 'trawler_page_failures_total', from: GATEWAY, labels: [...OF_SCHEDULE, 'cause'] },
    help: 'Tries of pages that failed, by cause.',
    hasExemplars: true,
    was: 'crawler errors{timeout,blocked,…}',
  }),
  pageResponses: entry({
    ...{ type: 'counter', name: 'trawler_page_responses_total', from: GATEWAY, labels: ['namespace', 'code'] },
    help: 'Answers of crawled sites, by HTTP status.',
    was: 'crawler requests{status}',
  }),
  pageDuration: entry({
    ...{ type: 'histogram', name: 'trawler_page_duration_seconds', from: GATEWAY, labels: ['namespace'] },
    help: 'From the request of a page to the page that was read, waiting for its turn at the host left out.',
    buckets: PAGE_BUCKETS,
    hasExemplars: true,
    was: 'request duration; processing duration',
  }),
  pageBytes: entry({
    ...{ type: 'counter', name: 'trawler_page_bytes_total', from: GATEWAY, labels: OF_SCHEDULE },
    help: 'Bytes of pages, as far as workers counted them.',
  }),
  items: entry({
    ...{ type: 'counter', name: 'trawler_items_total', from: GATEWAY, labels: OF_SCHEDULE },
    help: 'Items stored.',
  }),

  // The gateway's own work.
  gatewayRequests: entry({
    ...{ type: 'counter', name: 'trawler_gateway_requests_total', from: GATEWAY, labels: ['call', 'status'] },
    help: 'Requests of workers, by call and status.',
  }),
  gatewayRequestDuration: entry({
    ...{ type: 'histogram', name: 'trawler_gateway_request_duration_seconds', from: GATEWAY, labels: ['call'] },
    help: 'From the request to the answer, without the time that a claim waits for work.',
    buckets: CALL_BUCKETS,
  }),
  gatewayTokensRefused: entry({
    ...{ type: 'counter', name: 'trawler_gateway_tokens_refused_total', from: GATEWAY },
    help: 'Requests without a token that is good.',
  }),
  gatewayTurnedAway: entry({
    ...{ type: 'counter', name: 'trawler_gateway_turned_away_total', from: GATEWAY, labels: ['reason'] },
    help: 'Requests that were told to come again later, by reason.',
  }),
  gatewayNamespaceSeconds: entry({
    ...{ type: 'counter', name: 'trawler_gateway_namespace_seconds_total', from: GATEWAY, labels: ['namespace'] },
    help: 'Time that requests took, without the time that claims wait for work, by the namespace of their run.',
  }),
  gatewayNamespaceRequests: entry({
    ...{ type: 'counter', name: 'trawler_gateway_namespace_requests_total', from: GATEWAY, labels: ['namespace'] },
    help: 'Requests of workers, by the namespace of their run.',
  }),
  gatewayNamespaceTurnedAway: entry({
    ...{ type: 'counter', name: 'trawler_gateway_namespace_turned_away_total', from: GATEWAY, labels: ['namespace'] },
    help: 'Requests that were told to come again later, by the namespace of their run.',
  }),
  gatewayLooksFailed: entry({
    ...{ type: 'counter', name: 'trawler_gateway_looks_failed_total', from: GATEWAY },
    help: 'Looks for work of waiting claims that the database did not answer.',
  }),
  gatewayWaitingClaims: entry({
    ...{ type: 'gauge', name: 'trawler_gateway_waiting_claims', from: GATEWAY },
    help: 'Claims that wait for work.',
  }),
  gatewayConnectionsUsed: entry({
    ...{ type: 'gauge', name: 'trawler_gateway_connections_used', from: GATEWAY },
    help: 'Connections to PostgreSQL that answer a request.',
  }),
  gatewayConnectionsWaitedFor: entry({
    ...{ type: 'gauge', name: 'trawler_gateway_connections_waited_for', from: GATEWAY },
    help: 'Requests that wait for a connection to PostgreSQL.',
  }),

  // The API server.
  httpRequests: entry({
    ...{ type: 'counter', name: 'trawler_http_requests_total', from: SERVER, labels: ['method', 'route', 'code'] },
    help: 'Requests to the API, by method, route and HTTP status.',
    was: 'HTTP requests{code}',
  }),
  httpRequestDuration: entry({
    ...{ type: 'histogram', name: 'trawler_http_request_duration_seconds', from: SERVER, labels: ['method', 'route'] },
    help: 'From the request to the head of its answer.',
    buckets: REQUEST_BUCKETS,
    was: 'HTTP request duration',
  }),

  // PostgreSQL.
  databaseUp: entry({
    ...{ type: 'gauge', name: 'trawler_database_up', from: OPERATOR },
    help: '1 when PostgreSQL answered while this was asked for, else 0.',
  }),
  databaseServerConnections: entry({
    ...{ type: 'gauge', name: 'trawler_database_server_connections', from: OPERATOR },
    help: 'Connections that the PostgreSQL server has, of whomever.',
  }),
  databaseServerConnectionsMax: entry({
    ...{ type: 'gauge', name: 'trawler_database_server_connections_max', from: OPERATOR },
    help: 'Connections that it may have (max_connections).',
  }),
  databaseConnections: entry({
    ...{ type: 'gauge', name: 'trawler_database_connections', from: ALL, labels: ['state'] },
    help: 'Connections of this process to PostgreSQL: active, idle; and waiting, which is work without one.',
    was: 'database connections active/idle',
  }),
  databaseConnectionsMax: entry({
    ...{ type: 'gauge', name: 'trawler_database_connections_max', from: ALL },
    help: 'Connections that this process may have.',
  }),
  databaseQueryDuration: entry({
    ...{ type: 'histogram', name: 'trawler_database_query_duration_seconds', from: ALL },
    help: 'Time that a statement or a transaction held its connection.',
    buckets: CALL_BUCKETS,
    was: 'query duration',
  }),

  // Each process.
  buildInfo: entry({
    ...{ type: 'gauge', name: 'trawler_build_info', from: ALL, labels: ['service', 'version'] },
    help: 'Always 1, with the version of the process.',
  }),
  memoryLimit: entry({
    ...{ type: 'gauge', name: 'trawler_memory_limit_bytes', from: ALL },
    help: 'Memory that the process may have; absent without a limit.',
  }),

  // The machinery of controllers, and the client of the API server.
  reconcileDuration: entry({
    ...{ type: 'histogram', name: 'trawler_reconcile_duration_seconds', from: CLIENTS, labels: ['controller'] },
    help: 'Time of one reconcile.',
    buckets: RECONCILE_BUCKETS,
  }),
  reconciles: entry({
    ...{ type: 'counter', name: 'trawler_reconcile_total', from: CLIENTS, labels: ['controller', 'result'] },
    help: 'Reconciles by result: success, requeue_after, error.',
  }),
  workqueueDepth: entry({
    ...{ type: 'gauge', name: 'trawler_workqueue_depth', from: CLIENTS, labels: ['controller'] },
    help: 'Keys that wait to be reconciled now.',
  }),
  workqueueDelayed: entry({
    ...{ type: 'gauge', name: 'trawler_workqueue_delayed', from: CLIENTS, labels: ['controller'] },
    help: 'Keys that wait for a later time (requeue or back-off).',
  }),
  workqueueAdds: entry({
    ...{ type: 'counter', name: 'trawler_workqueue_adds_total', from: CLIENTS, labels: ['controller'] },
    help: 'Keys added to the queue.',
  }),
  workqueueLatency: entry({
    ...{ type: 'histogram', name: 'trawler_workqueue_queue_duration_seconds', from: CLIENTS, labels: ['controller'] },
    help: 'Time between a key being ready and its reconcile starting.',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
  }),
  workqueueRetries: entry({
    ...{ type: 'counter', name: 'trawler_workqueue_retries_total', from: CLIENTS, labels: ['controller'] },
    help: 'Keys that came back after a failed reconcile.',
  }),
  workqueueActive: entry({
    ...{ type: 'gauge', name: 'trawler_workqueue_active_workers', from: CLIENTS, labels: ['controller'] },
    help: 'Reconciles running now.',
  }),
  kubeRequests: entry({
    ...{ type: 'counter', name: 'trawler_kube_requests_total', from: CLIENTS, labels: ['verb', 'resource', 'code'] },
    help: 'Requests to the API server by verb, resource and HTTP code (0: no answer).',
  }),
  kubeRequestDuration: entry({
    ...{
      type: 'histogram',
      name: 'trawler_kube_request_duration_seconds',
      from: CLIENTS,
      labels: ['verb', 'resource'],
    },
    help: 'Time of one request to the API server, watches and waiting for the rate limit left out.',
    buckets: REQUEST_BUCKETS,
  }),
  kubeRateLimitWait: entry({
    ...{ type: 'histogram', name: 'trawler_kube_rate_limit_wait_seconds', from: CLIENTS },
    help: 'Time that a request waited for the client-side rate limit.',
    buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 30],
  }),
  cacheObjects: entry({
    ...{ type: 'gauge', name: 'trawler_cache_objects', from: CLIENTS, labels: ['resource'] },
    help: 'Objects in the cache.',
  }),
  cacheLists: entry({
    ...{ type: 'counter', name: 'trawler_cache_lists_total', from: CLIENTS, labels: ['resource', 'result'] },
    help: 'Full lists of a cache by result: success, error.',
  }),
  cacheListDuration: entry({
    ...{ type: 'histogram', name: 'trawler_cache_list_duration_seconds', from: CLIENTS, labels: ['resource'] },
    help: 'Time of a full list, from the first request to the cache that holds it all.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30],
  }),
  cacheWatchRestarts: entry({
    ...{ type: 'counter', name: 'trawler_cache_watch_restarts_total', from: CLIENTS, labels: ['resource', 'cause'] },
    help: 'Ends of a watch by cause: timeout (expected), dropped, silent, expired, refused, error.',
  }),
  events: entry({
    ...{ type: 'counter', name: 'trawler_events_total', from: CLIENTS, labels: ['result'] },
    help: 'Kubernetes Events by result: sent, counted (a repeat), dropped, failed.',
  }),
  leader: entry({
    ...{ type: 'gauge', name: 'trawler_leader', from: CLIENTS, labels: ['lease'] },
    help: '1 while this process leads.',
  }),
};

export type MetricKey = keyof typeof METRICS;
