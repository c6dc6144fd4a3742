// A whole crawl on this machine: PostgreSQL, gateway and worker of its own, for one run, and nothing left afterwards.
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../gateway/gateway.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import { SPEC_VERSION } from '../resources/group.ts';
import { createPool } from '../store/connection.ts';
import type { DeadLetter, OperatorStore, RunSnapshot } from '../store/operator-store.ts';
import { createOperatorStore } from '../store/postgres-operator-store.ts';
import { createRunItems } from '../store/run-items.ts';
import { createToken, hashToken } from '../store/run-token.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createRegistry } from '../telemetry/metrics.ts';
import { startCleanUp } from './clean-up.ts';
import { type ItemOutput, writeItems } from './item-output.ts';
import { chromiumFor } from './local-chromium.ts';
import { MachineError } from './machine-error.ts';
import type { Manifest } from './manifest.ts';
import { writeMountedData } from './mounted-data.ts';
import { startPostgres } from './postgres.ts';
import type { ProgressView } from './progress-view.ts';
import { startWorker } from './worker-run.ts';

const SCHEMA = 'trawler';
const LOOK_EVERY_MS = 400;
/** Of failed pages that are named at the end. */
const FAILURES_SHOWN = 10;
const GATEWAY_CONNECTIONS = 10;

/** What the person at the terminal asks for while it goes on. */
export type Interruption = {
  /** Aborted by the first signal: what is being set up is given up. */
  readonly signal: AbortSignal;
  /** Called for the first and every further signal. */
  readonly onSignal: (listener: () => void) => void;
};

export type LocalCrawl = {
  readonly manifest: Manifest;
  readonly output: ItemOutput;
  /** host:port that may be crawled though they are private. */
  readonly allowedAddresses: readonly string[];
  readonly allowedProxies: readonly string[];
  readonly view: ProgressView;
  /** A line of the worker's log; undefined: only what fails is logged, and kept back. */
  readonly onLogLine?: (line: string) => void;
  readonly interruption: Interruption;
};

export type LocalResult = {
  readonly snapshot: RunSnapshot;
  /** The first failed pages. */
  readonly failures: readonly DeadLetter[];
  readonly items: number;
  readonly seconds: number;
};

/**
 * Resolves when the run has ended, its items are written and nothing is left of its processes and files. Rejects with a
 * MachineError when something is missing, or with the interruption's reason before the crawl has begun.
 */
export async function crawlLocally(options: LocalCrawl): Promise<LocalResult> {
  const { manifest, interruption, view } = options;
  const chromium = await chromiumFor(manifest.spec, process.env);
  const folder = await mkdtemp(join(tmpdir(), 'trawler-'));
  // PostgreSQL may run as another user, who has to come through to its own folder.
  await chmod(folder, 0o711);
  const cleanUp = startCleanUp(folder);
  const closing: (() => Promise<void>)[] = [() => cleanUp.end()];
  try {
    const mounts = await writeMountedData(manifest, join(folder, 'mounts'));
    view.say('starting PostgreSQL');
    const databaseUrl = await startPostgres(folder, cleanUp, interruption.signal);
    const logger = createLogger('trawler', 'fatal');
    const store = createOperatorStore({ databaseUrl, schema: SCHEMA, logger });
    closing.push(() => store.close());
    await store.migrate(interruption.signal);
    const gateway = await startGateway({
      ...{ port: 0, schema: SCHEMA, poolSize: GATEWAY_CONNECTIONS, registry: createRegistry(), logger },
      databaseUrl: await store.gatewayDatabaseUrl(interruption.signal),
    });
    closing.push(() => gateway.close(0));
    const place = { folder, databaseUrl, gatewayUrl: `http://127.0.0.1:${gateway.port}` };
    return await crawlIn(options, { ...place, store, cleanUp, mounts, chromium });
  } finally {
    view.end();
    for (const close of closing.toReversed()) await close();
  }
}

type Place = {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly gatewayUrl: string;
  readonly store: OperatorStore;
  readonly cleanUp: ReturnType<typeof startCleanUp>;
  readonly mounts: Readonly<Record<string, string>>;
  readonly chromium: string | undefined;
};

async function crawlIn(options: LocalCrawl, place: Place): Promise<LocalResult> {
  const { manifest, interruption, view, output } = options;
  const { store, databaseUrl } = place;
  const { spec } = manifest;
  const run = await accept(manifest, store, interruption.signal);
  const started = performance.now();
  const worker = startWorker({
    environment: await environmentOf(options, place, run),
    cleanUp: place.cleanUp,
    onLine: (line) => options.onLogLine?.(line),
    release: async (workerId) => void (await store.releaseWorker(run.runId, workerId, never)),
  });
  let hasEnded = false;
  const ended = worker.ended.finally(() => {
    hasEnded = true;
  });
  let stopped: 'Stopped' | 'TimedOut' | undefined;
  const stop = (why: 'Stopped' | 'TimedOut') => {
    stopped ??= why;
    worker.stop();
  };
  if (interruption.signal.aborted) stop('Stopped');
  interruption.onSignal(() => stop('Stopped'));
  const watched = (async () => {
    while (!hasEnded) {
      const snapshot = await snapshotOf(store, run.runId);
      view.show(snapshot);
      if (stopped === undefined && isOverdue(snapshot, spec)) stop('TimedOut');
      await Promise.race([sleep(LOOK_EVERY_MS), ended.catch(() => undefined)]);
    }
  })();
  const [{ failure }] = await Promise.all([ended, watched]);
  await store.finishStopped(run.runId, ...endOf(stopped, failure, spec), never);
  const snapshot = await snapshotOf(store, run.runId);
  view.show(snapshot);
  view.end();
  const pool = createPool({
    ...{ databaseUrl, applicationName: 'trawler-items', max: 1 },
    sessionSettings: { search_path: `${SCHEMA},pg_temp` },
  });
  try {
    return {
      snapshot,
      failures: await store.deadLetters(run.runId, FAILURES_SHOWN, never),
      items: await writeItems(output, spec, createRunItems(pool, run.runId), never),
      seconds: (performance.now() - started) / 1_000,
    };
  } finally {
    await pool.end();
  }
}

/** What is under way after the crawl has ended is short and never given up. */
const never = new AbortController().signal;

function endOf(
  stopped: 'Stopped' | 'TimedOut' | undefined,
  failure: string | undefined,
  { timeoutSeconds }: CrawlRunSpec,
): ['Stopped' | 'TimedOut' | 'Failed', string] {
  if (failure !== undefined) return ['Failed', failure];
  if (stopped === 'TimedOut') return ['TimedOut', `the run took longer than timeoutSeconds (${timeoutSeconds})`];
  // A run that has ended by itself keeps its own end.
  return ['Stopped', 'interrupted'];
}

function isOverdue({ startedAt }: RunSnapshot, { timeoutSeconds }: CrawlRunSpec): boolean {
  return startedAt !== undefined && Date.now() - startedAt.getTime() > timeoutSeconds * 1_000;
}

async function snapshotOf(store: OperatorStore, runId: string): Promise<RunSnapshot> {
  const snapshot = await store.snapshot(runId, never);
  if (snapshot === undefined) throw new MachineError('PostgreSQL does not know the run any more');
  return snapshot;
}

type Run = { readonly runId: string; readonly runDay: string; readonly token: string };

async function accept({ name, spec }: Manifest, store: OperatorStore, signal: AbortSignal): Promise<Run> {
  const run = { runId: randomUUID(), runDay: new Date().toISOString().slice(0, 10), token: createToken() };
  const { runId, runDay } = run;
  await store.acceptRun(
    { runId, runDay, namespace: 'local', name, specVersion: SPEC_VERSION, spec, tokenHash: hashToken(run.token) },
    signal,
  );
  return run;
}

/** What a pod of the run would be started with; nothing else of this process but what programs need to run at all. */
async function environmentOf(options: LocalCrawl, place: Place, run: Run): Promise<Record<string, string>> {
  const { folder, gatewayUrl, mounts, chromium } = place;
  const credentials = join(folder, 'credentials');
  const temporary = join(folder, 'tmp');
  await mkdir(credentials, { mode: 0o700 });
  await mkdir(temporary, { mode: 0o700 });
  await writeFile(join(credentials, 'token'), run.token, { mode: 0o600 });
  const inherited = ['PATH', 'HOME', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS', 'FONTCONFIG_PATH'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    ...mounts,
    TMPDIR: temporary,
    TRAWLER_RUN_ID: run.runId,
    TRAWLER_RUN_DAY: run.runDay,
    TRAWLER_NODE_NAME: 'local',
    TRAWLER_GATEWAY_URL: gatewayUrl,
    TRAWLER_LOG_LEVEL: options.onLogLine === undefined ? 'fatal' : 'info',
    TRAWLER_ALLOWED_ADDRESSES: options.allowedAddresses.join(','),
    TRAWLER_ALLOWED_PROXIES: options.allowedProxies.join(','),
    TRAWLER_CREDENTIALS_DIR: credentials,
    TRAWLER_OUTPUT_DIR: temporary,
    ...(chromium === undefined ? {} : { TRAWLER_CHROMIUM: chromium }),
  };
}
