// The operator image's program: `operator` runs the controllers, `gateway` stands between workers and the database, `server` is the API,
// `migrate` only brings the database up to date, `history` shows what stays of runs, `changes` and `logs` what
// one of them found and logged, `tables` how large all of it is.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { changesOptions, levelOption, positive } from '../src/cli/options.ts';
import { type Config, ConfigError, environmentName, loadConfig } from '../src/config.ts';
import type { GatewaySettings, GatewayTls } from '../src/controllers/gateway/gateway.ts';
import { type MaintenanceSettings, timetableOf } from '../src/controllers/maintenance.ts';
import { createDatabaseMetrics, createOperatorMetrics } from '../src/controllers/metrics.ts';
import { CRAWL_BACKFILLS, CRAWL_RUNS, CRAWL_SCHEDULES } from '../src/custom-resources/types.ts';
import { GatewayConfigError, loadGatewayConfig } from '../src/gateway/gateway-config.ts';
import { accessTrouble } from '../src/kube/access.ts';
import { JOBS, PODS } from '../src/kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '../src/kube/client.ts';
import { loadKubeConfig } from '../src/kube/kube-config.ts';
import { durationMs } from '../src/resources/duration.ts';
import { queueCaps } from '../src/resources/queues.ts';
import { loadServerConfig, ServerConfigError } from '../src/server/server-config.ts';
import { type LogsOptions, logs } from '../src/store/log-lines.ts';
import type { OperatorStore } from '../src/store/operator-store.ts';
import { createPoolMetrics, type PoolMetrics } from '../src/store/pool-metrics.ts';
import { createOperatorStore } from '../src/store/postgres-operator-store.ts';
import { RELEASE } from '../src/store/release.ts';
import { LOG_EVENTS } from '../src/telemetry/log-events.ts';
import { createLogger, type Logger, type LogLevel } from '../src/telemetry/logger.ts';
import { createProcessRegistry } from '../src/telemetry/metrics.ts';
import { openTraces } from '../src/telemetry/open-traces.ts';
import { startProbeServer } from '../src/telemetry/probe-server.ts';
import { type Readiness, remembered } from '../src/telemetry/readiness.ts';
import { type Traces, withTraceIds } from '../src/telemetry/traces.ts';
import { type ChangesOptions, changes } from './changes.ts';
import { type HistoryOptions, history } from './history.ts';
import { type DeliveryOptions, listDeliveries, redeliver, type TestOptions, testTarget } from './notifications.ts';
import { tablesLines } from './tables.ts';

const EXIT_CONFIG = 78; // EX_CONFIG of sysexits.h
const EXIT_LEADERSHIP_LOST = 75; // EX_TEMPFAIL: another leads, the pod starts anew
/** Each sample of the event loop's delay wakes the process up: every 10 ms, as by default, half of what an idle operator did. */
const EVENT_LOOP_SAMPLE_MS = 100;
const READINESS_TIMEOUT_MS = 2_000;
/** How long the API server's answer to whether the operator may read is good. */
const ACCESS_FRESH_MS = 30_000;

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process at once. */
function untilSignalled(logger: Logger): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      logger.info({ signal: name }, LOG_EVENTS.shutdownSignal.message);
      controller.abort(new Error(`received ${name}`));
    });
  }
  return controller.signal;
}

function caOf({ databaseCa }: Config): { ca?: string } {
  return databaseCa === undefined ? {} : { ca: databaseCa };
}

function openStore(config: Config, logger: Logger, metrics?: PoolMetrics): OperatorStore {
  return createOperatorStore({
    ...(metrics === undefined ? {} : { metrics }),
    databaseUrl: config.databaseUrl,
    ...caOf(config),
    ...(config.databaseGatewayUrl === undefined ? {} : { gatewayDatabaseUrl: config.databaseGatewayUrl }),
    gatewayConnections: config.gatewayConnections,
    schema: config.databaseSchema,
    poolSize: config.databasePoolSize,
    logger,
  });
}

/** What the chart gives the operator; other commands do without. */
function gatewayOf(config: Config): GatewaySettings {
  const { gatewayUrl, gatewayTlsSecret, gatewayTlsManaged, gatewayLoginSecret, serverLoginSecret } = config;
  if (gatewayUrl === undefined) throw new ConfigError(`${environmentName('gatewayUrl')} (gatewayUrl): is missing`);
  const tls: GatewayTls = gatewayUrl.startsWith('https:')
    ? { source: gatewayTlsManaged ? 'Managed' : 'Existing', secretName: gatewayTlsSecret }
    : { source: 'Off' };
  const server = serverLoginSecret === undefined ? {} : { serverLoginSecretName: serverLoginSecret };
  return { url: gatewayUrl, tls, loginSecretName: gatewayLoginSecret, ...server };
}

function maintenanceOf(config: Config): MaintenanceSettings {
  const { maintenanceSchedule: schedule, maintenanceTimeZone: timeZone } = config;
  try {
    timetableOf({ schedule, timeZone });
  } catch (error) {
    const keys = `${environmentName('maintenanceSchedule')}, ${environmentName('maintenanceTimeZone')}`;
    throw new ConfigError(`${keys}: ${error instanceof Error ? error.message : error}`);
  }
  return {
    ...{ schedule, timeZone, retentionDays: config.databaseRetentionDays },
    ...{ historyDays: config.databaseHistoryDays, logDays: config.databaseLogDays },
  };
}

async function operator(config: Config, logger: Logger): Promise<void> {
  const gateway = gatewayOf(config);
  const maintenance = maintenanceOf(config);
  const signal = untilSignalled(logger);
  const registry = createProcessRegistry('operator', RELEASE, EVENT_LOOP_SAMPLE_MS);
  const metrics = createOperatorMetrics(registry);
  const store = openStore(config, logger, createPoolMetrics(registry));
  createDatabaseMetrics(registry, store);
  const api = createKubeApi(loadKubeConfig(), { logger, metrics });
  let isFilling = false;
  const probes = await startProbeServer({
    healthPort: config.healthPort,
    metricsPort: config.metricsPort,
    registry,
    readiness: {
      database: () => answers(store),
      kubernetes: remembered(() => access(api, config), ACCESS_FRESH_MS),
      caches: async () => (isFilling ? 'this process leads and is filling its caches' : true),
    },
  });
  const traces = await openOperatorTraces(config, logger);
  try {
    // Each service is loaded where it begins: the processes of the others do without its libraries and schemas.
    const { runOperator } = await import('../src/controllers/operator.ts');
    const end = await runOperator({
      ...(traces === undefined ? {} : { traces }),
      api,
      store,
      gateway,
      migrate: config.databaseMigrate,
      settings: { ...config, gatewayUrl: gateway.url },
      limits: {
        ...(config.maxActiveRuns === undefined ? {} : { total: config.maxActiveRuns }),
        ...(config.maxActiveRunsPerNamespace === undefined ? {} : { perNamespace: config.maxActiveRunsPerNamespace }),
        queues: queueCaps(config.queues),
      },
      maintenance,
      namespace: config.namespace,
      identity: `${config.podName}_${randomUUID()}`,
      reconcilers: config.reconcilers,
      ...(config.watchNamespaces.length === 0 ? {} : { watchNamespaces: config.watchNamespaces }),
      metrics,
      logger,
      signal,
      onLeading: () => {
        isFilling = true;
      },
      onReady: () => {
        isFilling = false;
      },
    });
    logger.info({ end }, 'operator ended');
    // Another may lead by now: nothing may be written any more, not even by what has not ended yet.
    if (end === 'lost') process.exit(EXIT_LEADERSHIP_LOST);
  } finally {
    await Promise.allSettled([probes.close(), api.close(), store.close(), traces?.close()]);
  }
}

async function openOperatorTraces({ tracesUrl, podName }: Config, logger: Logger): Promise<Traces | undefined> {
  if (tracesUrl === undefined) return undefined;
  return openTraces({ url: tracesUrl, service: 'operator', process: { 'service.instance.id': podName }, logger });
}

async function answers(store: OperatorStore): Promise<Readiness> {
  return store.ping(AbortSignal.timeout(READINESS_TIMEOUT_MS)).then(
    () => true,
    (error: unknown) => `PostgreSQL does not answer: ${error instanceof Error ? error.message : error}`,
  );
}

/** Whether the operator may read what it follows; a replica that does not lead has to be able to, too. */
async function access(api: KubeApi, { watchNamespaces }: Config): Promise<Readiness> {
  const followed = [CRAWL_SCHEDULES, CRAWL_RUNS, CRAWL_BACKFILLS, JOBS, PODS].map((type) => api.resource(type));
  const namespaces = watchNamespaces.length === 0 ? undefined : watchNamespaces;
  const trouble = accessTrouble(followed, namespaces, AbortSignal.timeout(READINESS_TIMEOUT_MS));
  return (await trouble.catch(() => 'the API server does not answer')) ?? true;
}

async function migrate(config: Config, logger: Logger): Promise<void> {
  const store = openStore(config, logger);
  try {
    const signal = untilSignalled(logger);
    await store.migrate(signal);
    await store.makeLongChanges(signal);
    logger.info('database is up to date');
  } finally {
    await store.close();
  }
}

type OwnConfig = { readonly logLevel: LogLevel };

/** A process with a configuration of its own, which is to know less than the operator. */
async function startOwn<C extends OwnConfig>(
  service: string,
  load: (environment: NodeJS.ProcessEnv) => C,
  run: (config: C, logger: Logger, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    const config = load(process.env);
    const logger = createLogger(service, config.logLevel);
    logger.info(LOG_EVENTS.serviceStarting.message);
    await run(config, logger, untilSignalled(logger));
    logger.info(`${service} ended`);
  } catch (error) {
    const isConfig = error instanceof GatewayConfigError || error instanceof ServerConfigError;
    createLogger(service).fatal({ err: error }, isConfig ? LOG_EVENTS.configRefused.message : 'service failed');
    process.exitCode = isConfig ? EXIT_CONFIG : 1;
  }
}

/** For commands that answer a person: their lines go to standard output, and trouble to standard error. */
async function print(
  work: (
    store: OperatorStore,
    signal: AbortSignal,
  ) => Iterable<string> | AsyncIterable<string> | Promise<Iterable<string>>,
): Promise<void> {
  const logger = createLogger('trawler', 'fatal');
  const signal = untilSignalled(logger);
  // Whoever reads may stop before the end, as head does.
  process.stdout.on('error', () => process.exit());
  try {
    const store = openStore(loadConfig(process.env), logger);
    try {
      for await (const line of await work(store, signal)) {
        if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
      }
    } finally {
      await store.close();
    }
  } catch (error) {
    if (signal.aborted) return;
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
}

function milliseconds(text: string): number {
  try {
    return durationMs(text);
  } catch {
    throw new InvalidArgumentError('write a duration such as 90s, 10m or 2h');
  }
}

async function start(service: string, work: (config: Config, logger: Logger) => Promise<void>): Promise<void> {
  let config: Config;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    createLogger(service).fatal({ err: error }, LOG_EVENTS.configRefused.message);
    process.exitCode = EXIT_CONFIG;
    return;
  }
  const plain = createLogger(service, config.logLevel);
  const logger = config.tracesUrl === undefined ? plain : withTraceIds(plain);
  logger.info({ namespace: config.namespace, crawlerImage: config.crawlerImage }, LOG_EVENTS.serviceStarting.message);
  try {
    await work(config, logger);
  } catch (error) {
    logger.fatal({ err: error }, 'service failed');
    process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
}

const program = new Command('trawler')
  .description('Crawls websites on a schedule, on Kubernetes.')
  .showHelpAfterError();
program
  .command('operator')
  .description('run the controllers (configured by TRAWLER_* variables or the file that TRAWLER_CONFIG names)')
  .action(() => start('operator', operator));
program
  .command('gateway')
  .description('stand between crawler pods and the database (configured by TRAWLER_* variables)')
  .action(() =>
    startOwn('gateway', loadGatewayConfig, async (...options) => {
      const { runGateway } = await import('../src/gateway/gateway-process.ts');
      await runGateway(...options);
    }),
  );
program
  .command('server')
  .description('serve the API (configured by TRAWLER_* variables)')
  .action(() =>
    startOwn('server', loadServerConfig, async (...options) => {
      const { runServer } = await import('../src/server/server-process.ts');
      await runServer(...options);
    }),
  );
program
  .command('migrate')
  .description('bring the database up to date and end')
  .action(() => start('migrate', migrate));
program
  .command('history [schedule]')
  .description('what stays of runs that have ended, the newest first: of a schedule, or of all runs of the namespace')
  .requiredOption('-n, --namespace <name>', 'namespace of the schedule')
  .option('--run <name>', 'one run, with its sources and its first items')
  .option('--maintenance', "what maintenance of the operator's namespace did, in place of runs")
  .option('--limit <count>', 'most rows', positive, 20)
  .option('--json', 'one JSON object a line')
  .action((schedule: string | undefined, options: HistoryOptions) =>
    print((store, signal) => history(store.executions, schedule, options, signal)),
  );
const selected = changesOptions();
program
  .command('changes <run>')
  .description("what a run found, against its schedule's run before: pages and items that are new, changed or gone")
  .requiredOption('-n, --namespace <name>', 'namespace of the run')
  .addOption(selected.kind)
  .addOption(selected.change)
  .addOption(selected.output)
  .action((run: string, options: ChangesOptions) =>
    print((store, signal) => changes(store.comparisons, run, options, signal)),
  );
program
  .command('logs <run>')
  .description('what the pods of a run have logged, also when they are gone')
  .requiredOption('-n, --namespace <name>', 'namespace of the run')
  .option('-f, --follow', 'go on until the run has ended')
  .option('--tail <lines>', 'the last lines alone', positive)
  .option('--since <duration>', 'lines of the last time, such as 10m or 2h', milliseconds)
  .addOption(levelOption())
  .action((run: string, options: LogsOptions) => print((store, signal) => logs(store.logs, run, options, signal)));
const notifications = program.command('notifications').description('what a schedule has told its webhooks');
notifications
  .command('list')
  .description('deliveries, the newest first')
  .requiredOption('--schedule-uid <uid>', 'UID of the CrawlSchedule')
  .option('--target <name>', 'to one receiver')
  .option('--state <state>', 'in one state')
  .option('--limit <count>', 'most rows', positive, 50)
  .option('--json', 'one JSON object a line')
  .action((options: DeliveryOptions) => print((store, signal) => listDeliveries(store.deliveries, options, signal)));
notifications
  .command('redeliver')
  .description('send again what was given up or refused for good, or one notification whatever became of it')
  .requiredOption('--schedule-uid <uid>', 'UID of the CrawlSchedule')
  .option('--id <id>', 'one notification')
  .option('--target <name>', 'to one receiver')
  .option('--json', 'a JSON object')
  .action((options: DeliveryOptions) => print((store, signal) => redeliver(store.deliveries, options, signal)));
notifications
  .command('test <target>')
  .description('send a message to one receiver and say what it answered')
  .requiredOption('-n, --namespace <name>', 'namespace of the schedule')
  .requiredOption('--schedule <name>', 'name of the CrawlSchedule')
  .requiredOption('--schedule-uid <uid>', 'its UID')
  .option('--json', 'a JSON object')
  .action((target: string, options: TestOptions) =>
    print((store, signal) => testTarget(store.deliveries, target, options, signal)),
  );
program
  .command('tables')
  .description(
    'how large the tables are, who is connected, which statements take long now, and which took the most time',
  )
  .option('--json', 'one JSON object')
  .action(({ json = false }: { readonly json?: boolean }) =>
    print(async (store, signal) => tablesLines(await store.reviewTables(signal), json)),
  );
await program.parseAsync();
