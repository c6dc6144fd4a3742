// The life of a worker's process: read the configuration, load the run, seed, crawl, and end with the code that tells
// the Job what to do next.

import { MAX_WAIT_MS } from '../../gateway/protocol/calls.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import { type RunAssignment, TERMINATED, type WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import { SPEC_VERSION } from '../../resources/group.ts';
import { hostSpacingMs } from '../../resources/politeness.ts';
import { stallTimeoutMs } from '../../resources/stall-timeout.ts';
import { EXIT_CODE, type TerminationReason } from '../../resources/worker-exit.ts';
import { LOG_EVENTS } from '../../telemetry/log-events.ts';
import { createLogger, type Logger } from '../../telemetry/logger.ts';
import { openTraces } from '../../telemetry/open-traces.ts';
import type { Traces } from '../../telemetry/traces.ts';
import { createRobotsGate } from '../discovery/robots-gate.ts';
import { seedsOf } from '../discovery/seeds.ts';
import { createSitemapReader } from '../discovery/sitemap-reader.ts';
import { createTrapReports } from '../discovery/trap-reports.ts';
import { UrlListError, withListedUrls } from '../discovery/url-lists.ts';
import { type Extractor, ExtractorModuleError, modulePathOf, startExtractor } from '../extraction/extractor.ts';
import { LocaleError } from '../extraction/locales.ts';
import { SelectorError } from '../extraction/selectors.ts';
import { openGateway } from '../gateway/gateway-calls.ts';
import { createWorkerStore } from '../gateway/worker-store.ts';
import { createHostPacer } from '../network/host-pacer.ts';
import { SecretHeaderError } from '../network/request-headers.ts';
import { deliverOutput } from '../output/deliver-output.ts';
import { createScreenshotFiles, type ScreenshotFiles } from '../output/screenshot-files.ts';
import { createPageCrawler } from '../page/crawl-page.ts';
import { createHostReports } from '../page/host-reports.ts';
import { createPageMemory } from '../page/page-memory.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { findMemoryLimit } from './cgroup.ts';
import { type HeartbeatClient, startHeartbeat } from './heartbeat.ts';
import { createKeptLog, type KeptLog } from './kept-log.ts';
import { createLiveSpec, type LiveSpec } from './live-spec.ts';
import { readLoad } from './load.ts';
import { logBindings } from './log-bindings.ts';
import { watchMemory } from './memory-watch.ts';
import { type OpenPagesWatch, watchOpenPages } from './open-pages-watch.ts';
import { noTotals } from './outcome-log.ts';
import { withPageTraces } from './page-traces.ts';
import { createPatientStore } from './patient-store.ts';
import { installShutdown, type Shutdown } from './shutdown.ts';
import { writeTerminationMessage } from './termination.ts';
import { ALL_SOURCES_BLOCKED } from './work-end.ts';
import { runWorker, type WorkerActivity, type WorkerEnd } from './worker.ts';
import { loadWorkerConfig, type WorkerConfig, WorkerConfigError } from './worker-config.ts';
import { createNetwork } from './worker-network.ts';

/** Refused tries of each source without a page; with the pauses between them that takes about a minute on one host. */
const ENOUGH_REFUSALS = 12;
/** Why a worker stops before the out-of-memory killer comes. */
const MEMORY_SHORT = 'memory is short';

/** What no other worker could make sense of either. */
const BAD_SPEC = [SelectorError, LocaleError, ExtractorModuleError, UrlListError];

/** A run that this worker cannot work on, whatever it does. */
class RunRefusedError extends Error {
  readonly reason: TerminationReason;

  constructor(reason: TerminationReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Runs a worker to its end and resolves with the exit code (see EXIT_CODE). Never rejects. */
export async function runWorkerProcess(environment: NodeJS.ProcessEnv): Promise<number> {
  let config: WorkerConfig;
  try {
    config = loadWorkerConfig(environment);
  } catch (error) {
    return fail(createLogger('crawler'), error);
  }
  const keptLog = createKeptLog();
  const log = createLogger('crawler', config.logLevel, logBindings(config), keptLog);
  log.info({ pod: config.podName, node: config.nodeName }, LOG_EVENTS.serviceStarting.message);
  const shutdown = installShutdown(log);
  // Of its own: neither waits for the other.
  const logCalls = openGateway({ ...config.gateway, connections: 1 });
  keptLog.begin(logCalls, config.workerId);
  let traces: Traces | undefined;
  try {
    traces = await openWorkerTraces(config, log);
    return await work(config, shutdown, log, keptLog, traces);
  } catch (error) {
    return fail(log, error, shutdown.reason());
  } finally {
    await traces?.close();
    await keptLog.end();
    await logCalls.close();
    shutdown.dispose();
  }
}

async function openWorkerTraces(config: WorkerConfig, logger: Logger): Promise<Traces | undefined> {
  const { traces, workerId, podName, nodeName } = config;
  if (traces === undefined) return undefined;
  const process = { 'service.instance.id': workerId, 'k8s.pod.name': podName, 'k8s.node.name': nodeName };
  return openTraces({ url: traces.url, service: 'crawler', process, logger });
}

async function work(
  config: WorkerConfig,
  shutdown: Shutdown,
  log: Logger,
  keptLog: KeptLog,
  traces: Traces | undefined,
): Promise<number> {
  let heartbeat: HeartbeatClient | undefined;
  const onRetry = () => heartbeat?.activity.progress();
  const calls = openGateway(config.gateway);
  const direct = createWorkerStore({ calls, workerId: config.workerId, waitMs: MAX_WAIT_MS });
  const store = createPatientStore(direct, { log, onRetry });
  const { stopping } = shutdown.signals;
  let state: 'Completed' | 'Stopped' | 'Failed' = 'Failed';
  try {
    const assignment = await store.loadRun(stopping);
    keptLog.shareWith(assignment.spec.workers);
    log.info('gateway connected');
    const live = createLiveSpec(store.loadRun, log);
    heartbeat = beginHeartbeat(config, assignment, shutdown, live, log, keptLog);
    checkVersion(assignment);
    log.info({ name: assignment.name, namespace: assignment.namespace }, LOG_EVENTS.runStarted.message);
    const traced = traces === undefined ? {} : { traces };
    const context = { config, assignment, store, live, heartbeat, shutdown, log, ...traced };
    const end = await finishOutput(context, await crawlUnlessOver(context));
    state = end.finished ? 'Completed' : 'Stopped';
    return report(end, shutdown, log);
  } catch (error) {
    if (endOf(error, shutdown.reason())[0] === 'Stopped') state = 'Stopped';
    throw error;
  } finally {
    await heartbeat?.end(state);
    await store.close();
  }
}

function beginHeartbeat(
  config: WorkerConfig,
  { spec }: RunAssignment,
  shutdown: Shutdown,
  live: LiveSpec,
  log: Logger,
  keptLog: KeptLog,
): HeartbeatClient {
  const intervalMs = durationMs(spec.heartbeat.interval);
  const stallMs = stallTimeoutMs(spec);
  return startHeartbeat(
    { config, intervalMs, stallMs, logLevel: config.logLevel },
    {
      answer({ finished, stopReason, liveVersion }) {
        live.heard(liveVersion, shutdown.signals.stopping);
        if (finished) shutdown.abandon('the run is finished');
        else if (stopReason === TERMINATED) shutdown.abandon(stopReason);
        else if (stopReason !== undefined) shutdown.stop(stopReason);
      },
      line: (line) => keptLog.write(line),
      died(error) {
        log.error({ err: error }, 'heartbeat thread has died');
        shutdown.abandon('the heartbeat thread has died');
      },
    },
  );
}

function checkVersion({ specVersion }: RunAssignment): void {
  if (specVersion <= SPEC_VERSION) return;
  const message = `the run has spec version ${specVersion}, this crawler knows up to ${SPEC_VERSION}: use a newer image`;
  throw new RunRefusedError('SpecTooNew', message);
}

type WorkContext = {
  readonly config: WorkerConfig;
  readonly assignment: RunAssignment;
  readonly store: WorkerStore;
  readonly live: LiveSpec;
  readonly heartbeat: HeartbeatClient;
  readonly shutdown: Shutdown;
  readonly log: Logger;
  readonly traces?: Traces;
};

/** A worker that comes after the crawl, such as that of a stopped run, is there for the output alone. */
async function crawlUnlessOver(context: WorkContext): Promise<WorkerEnd> {
  const { config, store, shutdown } = context;
  const { stopping, quit } = shutdown.signals;
  const { output } = context.assignment.spec;
  if (output !== undefined && (await store.finish(quit))) return { finished: true, totals: noTotals() };
  const spec = await withListedUrls(context.assignment.spec, config.urlListsDirectory);
  // Another worker puts the seeds in when this one is stopped before it could.
  if (!(await seed(context, spec, stopping))) return { finished: true, totals: noTotals() };
  return crawl(context, spec);
}

/** False when the run is finished: other workers may have done all before this one had started. */
async function seed({ store, log }: WorkContext, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
  try {
    const isFirst = await store.seed(seedsOf(spec), signal);
    log.debug({ isFirst }, 'frontier seeded');
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.reason === 'RunFinished') return false;
    throw error;
  }
}

/** The end of a run with an output is that its file is there. */
async function finishOutput(
  { config, assignment, store, heartbeat, shutdown, log }: WorkContext,
  end: WorkerEnd,
): Promise<WorkerEnd> {
  const { spec, name } = assignment;
  const { output } = spec;
  if (!end.finished || output === undefined) return end;
  heartbeat.setState('Writing');
  const { stopping, quit } = shutdown.signals;
  const finished = await deliverOutput({
    store,
    spec: { ...spec, output },
    runName: name,
    volume: config.outputDirectory,
    stopping,
    quit,
    onProgress: heartbeat.activity.progress,
    log,
  });
  return { ...end, finished };
}

/** @param spec with the lists of URLs that the assignment's only names */
async function crawl(options: WorkContext, spec: CrawlRunSpec): Promise<WorkerEnd> {
  const { config, assignment, store, live, heartbeat, shutdown, log } = options;
  // A custom extractor may give something else of the same page when its module has changed.
  const remembersPages = assignment.isScheduled && spec.extract?.module === undefined;
  const { userAgent } = spec.fetch;
  const pacer = createHostPacer({
    spacingMs: hostSpacingMs(spec.politeness),
    reserve: store.reserveHost,
    onWait: heartbeat.waits,
  });
  const extractor = await createExtractor(config, spec, log);
  const screenshots = screenshotsOf(options);
  let memory: { readonly end: () => void } | undefined;
  let slots: OpenPagesWatch | undefined;
  const { proxy } = spec;
  const network = await createNetwork({ config, spec, store, pacer, log });
  const { client, renderer, routes } = network;
  try {
    const robots = createRobotsGate({ store, client, userAgent, pacer });
    const pages = createPageCrawler({
      spec,
      store,
      reports: createHostReports({ store, proxy, log }),
      traps: createTrapReports(store, log),
      routes,
      renderer,
      sitemaps: createSitemapReader({ client, store, pageTimeoutMs: durationMs(spec.fetch.pageTimeout) }),
      pacer,
      ...(spec.politeness.robots === 'Obey' ? { robots } : {}),
      ...(remembersPages ? { memory: createPageMemory(assignment.spec, store) } : {}),
      ...(extractor === undefined ? {} : { extractor }),
      ...(screenshots === undefined ? {} : { screenshots }),
    });
    heartbeat.setState('Crawling');
    const { signals } = shutdown;
    memory = keepWithinMemory(renderer, shutdown, log);
    const places = watchOpenPages(spec, readLoad, log, heartbeat.setConcurrency);
    slots = places;
    live.onChange(async (version, edited) => {
      const { sources, limits, concurrency } = await withListedUrls(edited, config.urlListsDirectory);
      pages.change({ version, sources, limits });
      places.change(concurrency);
    });
    signals.stopping.addEventListener('abort', () => heartbeat.setState('Stopping'), { once: true });
    const activity = activityOf(options);
    const reseed = async (quit: AbortSignal) => void (await seed(options, spec, quit));
    // A host that can still go by the proxy is not given up.
    const enoughRefusals = ENOUGH_REFUSALS + (proxy?.mode === 'Auto' ? proxy.failureThreshold : 0);
    const followSpec = live.follow;
    return await runWorker({ store, pages, followSpec, reseed, slots, enoughRefusals, signals, activity, log });
  } finally {
    memory?.end();
    slots?.end();
    await network.close();
    await extractor?.close();
  }
}

function activityOf({ config, heartbeat, traces }: WorkContext): WorkerActivity {
  if (traces === undefined || config.traces === undefined) return heartbeat.activity;
  return withPageTraces(heartbeat.activity, traces, { runId: config.runId, share: config.traces.share });
}

/** Undefined where memory is not limited. */
function keepWithinMemory(renderer: Renderer, shutdown: Shutdown, log: Logger) {
  const memory = findMemoryLimit();
  return (
    memory &&
    watchMemory(memory.read, {
      freshBrowser() {
        log.info(memory.read(), 'memory is short: recycling the browser');
        renderer.recycle?.('Gently');
      },
      freshWorker(use) {
        log.warn(use, 'memory is short: finishing pages under way, another worker goes on');
        shutdown.stop(MEMORY_SHORT);
      },
      emergency() {
        log.warn(memory.read(), 'memory is nearly used up: ending the browser');
        renderer.recycle?.('ByForce');
      },
    })
  );
}

async function createExtractor(config: WorkerConfig, spec: CrawlRunSpec, log: Logger): Promise<Extractor | undefined> {
  const modulePath = modulePathOf(spec, config.extractorDirectory);
  if (modulePath === undefined && !spec.extract?.text) return undefined;
  return startExtractor(modulePath === undefined ? {} : { modulePath }, log);
}

function screenshotsOf({ config, assignment }: WorkContext): ScreenshotFiles | undefined {
  const { output, extract } = assignment.spec;
  const format = extract?.screenshots;
  if (output === undefined || format === undefined) return undefined;
  return createScreenshotFiles({ output, format, runName: assignment.name, volume: config.outputDirectory });
}

/** Says how it ended, in a line that stands for itself at the end of the log. */
function report({ finished, totals, stopReason }: WorkerEnd, shutdown: Shutdown, log: Logger): number {
  if (finished) {
    log.info(totals, LOG_EVENTS.runFinished.message);
    return EXIT_CODE.finished;
  }
  if (stopReason === ALL_SOURCES_BLOCKED) {
    log.fatal({ ...totals, reason: 'Blocked' }, 'worker cannot go on');
    writeTerminationMessage('Blocked', 'every source refuses the crawl: a guard answers in place of its pages');
    return EXIT_CODE.blocked;
  }
  const reason = stopReason ?? shutdown.reason() ?? 'unknown';
  if (reason === MEMORY_SHORT && Object.values(totals).every((count) => count === 0)) {
    // The next one would fare no better, and is not to be tried for ever.
    log.fatal({ reason: 'OutOfMemory' }, 'worker cannot go on');
    writeTerminationMessage(
      'OutOfMemory',
      'memory was short before the first page was done: raise pod.resources.limits',
    );
    return EXIT_CODE.crashed;
  }
  log.info({ ...totals, reason }, 'worker stopped');
  writeTerminationMessage('Stopped', reason);
  return EXIT_CODE.stopped;
}

function fail(log: Logger, error: unknown, stopReason?: string): number {
  const message = error instanceof Error ? error.message : String(error);
  const [reason, code] = endOf(error, stopReason);
  if (error instanceof WorkerConfigError) log.fatal({ error: message }, LOG_EVENTS.configRefused.message);
  else if (reason === 'Crashed') log.fatal({ err: error }, 'unexpected exception');
  else log.fatal({ reason, error: message }, 'worker cannot go on');
  writeTerminationMessage(reason, message);
  return code;
}

function endOf(error: unknown, stopReason: string | undefined): [TerminationReason, number] {
  if (error instanceof WorkerConfigError) return ['BadConfiguration', EXIT_CODE.badSpec];
  if (error instanceof RunRefusedError) return [error.reason, EXIT_CODE.badSpec];
  if (error instanceof SecretHeaderError) return ['BadConfiguration', EXIT_CODE.badSpec];
  if (BAD_SPEC.some((kind) => error instanceof kind)) return ['BadSpec', EXIT_CODE.badSpec];
  if (error instanceof StoreError) {
    if (error.reason === 'SchemaMismatch') return ['SchemaMismatch', EXIT_CODE.badSpec];
    if (error.reason === 'TokenRefused') return ['TokenRefused', EXIT_CODE.tokenRefused];
    return ['Crashed', EXIT_CODE.crashed];
  }
  // A wait that the shutdown ended: nothing was lost that Postgres does not give to another worker.
  return stopReason === undefined ? ['Crashed', EXIT_CODE.crashed] : ['Stopped', EXIT_CODE.stopped];
}
