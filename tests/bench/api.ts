// The API under many readers: pages of items and lists of runs for 200 people at once, the export of a run, and 1,000 streams of events,
// on one PostgreSQL with 10,000 runs and 5,000,000 items and one API server of Kubernetes with as many CrawlRuns, all on this machine.
// Beside it the same queries straight to both. Run: npm run bench -- api; the last line is one JSON object.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { CRAWL_RUNS, type CrawlRun } from '../../src/custom-resources/types.ts';
import { createKubeApi, type KubeApi } from '../../src/kube/client.ts';
import { loadKubeConfig } from '../../src/kube/kube-config.ts';
import { createKubeMetrics } from '../../src/kube/metrics.ts';
import { createOperatorStore } from '../../src/store/postgres-operator-store.ts';
import { createServerStore } from '../../src/store/server-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createRegistry } from '../../src/telemetry/metrics.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { installCrds } from '../support/crds.ts';
import { testPool } from '../support/database-connections.ts';
import { bundleOperator, MALLOC } from '../support/operator-process.ts';
import { startPostgres } from '../support/postgres.ts';
import type { BareSources, Kind } from './api/bare-reads.ts';
import { fillDatabase, fillKubernetes, LARGE_RUN, LIVE_NAMESPACE, LIVE_RUNS, NAMESPACE, nameOf } from './api/data.ts';
import { startLoad } from './api/load-process.ts';
import type { ReadersReport, ReadersWork } from './api/readers.ts';
import type { StreamsReport, StreamsWork } from './api/stream-clients.ts';
import { percentile } from './percentile.ts';
import { difference, memoryMb, processorSeconds, processorSecondsByProgram } from './process-usage.ts';

const USAGE = `usage: npm run bench -- api [options]
  --runs N       runs in PostgreSQL, and CrawlRuns in Kubernetes (10000)
  --items N      items of all of them (5000000)
  --export N     items of the run that is exported (1000000)
  --clients N    readers (200)
  --pause MS     between two requests of one reader (1000)
  --streams N    streams of events (1000)
  --changes N    changes a second of runs that streams tell of (2)
  --seconds N    how long readers and streams are measured (30)
  --only NAMES   some of the parts, with commas between them: reads,export,streams
  --profile DIR  processor profiles of the server are written there
  --json         nothing but the last line counts; it is one JSON object in any case`;
const SCHEMA = 'trawler';
const ACCOUNTS = 10;
/** As in operator/Dockerfile. */
const NODE_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=15'];
/** As the chart has it. */
const POOL_SIZE = 5;
const WARM_UP_MS = 10_000;
const never = new AbortController().signal;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    items: { type: 'string', default: '5000000' },
    export: { type: 'string', default: '1000000' },
    clients: { type: 'string', default: '200' },
    pause: { type: 'string', default: '1000' },
    streams: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '30' },
    only: { type: 'string', default: 'reads,export,streams' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const began = performance.now();
if (options.help) console.log(USAGE);
else await main();

function say(line: string): void {
  if (!options.json) console.log(`${Math.round((performance.now() - began) / 1_000)} s  ${line}`);
}

/** What all parts go by. */
type Stage = {
  readonly plane: ControlPlane;
  readonly api: KubeApi;
  readonly databaseUrl: string;
  readonly tokens: readonly string[];
  /** The program, bundled as its image has it. */
  readonly program: string;
};

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-bench-api-'));
  await using postgres = await startPostgres(18, {
    settings: { shared_buffers: '1GB', max_wal_size: '8GB', synchronous_commit: 'off', maintenance_work_mem: '256MB' },
  });
  const plane = await startControlPlane({ goGcPercent: 200 });
  try {
    const database = await postgres.createDatabase();
    const logger = createLogger('bench', 'fatal');
    const operator = createOperatorStore({
      ...{ databaseUrl: database.ownerUrl, schema: SCHEMA, poolSize: 5, logger },
    });
    await operator.migrate(never);
    const databaseUrl = await operator.serverDatabaseUrl(never);
    const pool = testPool(database.superuserUrl, { schema: SCHEMA });
    const amounts = { runs: Number(options.runs), items: Number(options.items), largeItems: Number(options.export) };
    await fillDatabase(operator, pool, amounts);
    const { rows } = await pool.query<{ runs: string; items: string; mb: number }>(
      `select (select count(*) from run) as runs, (select count(*) from item) as items,
         pg_database_size(current_database()) / 1048576 as mb`,
    );
    await Promise.all([pool.end(), operator.close()]);
    say(`PostgreSQL has ${rows[0]?.runs} runs and ${rows[0]?.items} items in ${rows[0]?.mb} MB`);
    const tokens = await prepare(plane);
    const metrics = createKubeMetrics(createRegistry());
    const api = createKubeApi(loadKubeConfig(plane.kubeconfigPath), { logger, metrics, qps: 1e6, burst: 1e6 });
    await fillKubernetes(api, amounts.runs);
    say(`Kubernetes has as many CrawlRuns`);
    const stage = { plane, api, databaseUrl, tokens, program: await bundleOperator(join(directory, 'server')) };
    const parts = { reads: measureReads, export: measureExport, streams: measureStreams };
    const figures: Record<string, unknown> = { runs: Number(rows[0]?.runs), items: Number(rows[0]?.items) };
    for (const [name, measure] of Object.entries(parts)) {
      if (!options.only.split(',').includes(name)) continue;
      Object.assign(figures, await measure(stage));
      say(JSON.stringify(figures));
    }
    await api.close();
    console.log(JSON.stringify(figures));
  } finally {
    await plane.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Resource definitions, namespaces, and accounts that may read: their tokens. */
async function prepare(plane: ControlPlane): Promise<string[]> {
  const kubectl = async (args: string[], input?: object) => {
    const stdin = input === undefined ? {} : { input: JSON.stringify(input) };
    return (await execa(binary('kubectl'), [`--kubeconfig=${plane.kubeconfigPath}`, ...args], stdin)).stdout;
  };
  await installCrds(plane);
  for (const namespace of [NAMESPACE, LIVE_NAMESPACE]) await kubectl(['create', 'namespace', namespace]);
  await kubectl(['create', 'clusterrole', 'reader', '--verb=get,list,watch', '--resource=crawlruns,crawlschedules']);
  const names = Array.from({ length: ACCOUNTS }, (_, n) => `reader-${n}`);
  const subjects = names.map((name) => `--serviceaccount=${NAMESPACE}:${name}`);
  await kubectl(['create', 'clusterrolebinding', 'readers', '--clusterrole=reader', ...subjects]);
  return Promise.all(
    names.map(async (name) => {
      await kubectl(['create', 'serviceaccount', name, '-n', NAMESPACE]);
      return (await kubectl(['create', 'token', name, '-n', NAMESPACE, '--duration=2h'])).trim();
    }),
  );
}

/** Readers by the API, then the same ones by a server that does nothing but the queries, and then by nobody between. */
async function measureReads({ plane, databaseUrl, tokens, program }: Stage) {
  const [clients, runs, pauseMs] = [Number(options.clients), Number(options.runs), Number(options.pause)];
  const shared = { clients, runs, pauseMs };
  await using server = await startServer({ plane, databaseUrl, program });
  const byApi = await read({ ...shared, seed: 1, by: 'api', url: server.url, tokens }, server.pid);
  const { peak } = await memoryMb(server.pid);
  const sources = { databaseUrl, kubeconfig: plane.kubeconfigPath, poolSize: POOL_SIZE };
  const byBareServer = await readByBareServer(shared, sources);
  const bare = await read({ ...shared, ...sources, seed: 2, by: 'bare' });
  const figures = {
    items_p99_ms: byApi.p99.items,
    latest_item_p99_ms: byApi.p99.latestItem,
    runs_p99_ms: byApi.p99.runs,
    run_p99_ms: byApi.p99.run,
    executions_p99_ms: byApi.p99.executions,
    items_p50_ms: byApi.p50.items,
    runs_p50_ms: byApi.p50.runs,
    requests_per_s: byApi.perSecond,
    reads_server_cpu_pct: byApi.cpuPct,
    reads_rss_mb: Math.round(peak),
    reads_cpu_s: byApi.cpuOf,
    read_errors: byApi.errors,
    bare_server_items_p99_ms: byBareServer.p99.items,
    bare_server_items_p50_ms: byBareServer.p50.items,
    bare_server_runs_p99_ms: byBareServer.p99.runs,
    bare_server_runs_p50_ms: byBareServer.p50.runs,
    bare_server_cpu_s: byBareServer.cpuOf,
    items_to_bare_server: ratio(byApi.p99.items, byBareServer.p99.items),
    runs_to_bare_server: ratio(byApi.p99.runs, byBareServer.p99.runs),
    bare_items_p99_ms: bare.p99.items,
    bare_latest_item_p99_ms: bare.p99.latestItem,
    bare_runs_p99_ms: bare.p99.runs,
    bare_items_p50_ms: bare.p50.items,
    bare_runs_p50_ms: bare.p50.runs,
    bare_cpu_s: bare.cpuOf,
    bare_executions_p99_ms: bare.p99.executions,
    items_to_bare: ratio(byApi.p99.items, bare.p99.items),
    items_p50_to_bare: ratio(byApi.p50.items, bare.p50.items),
    runs_to_bare: ratio(byApi.p99.runs, bare.p99.runs),
  };
  return figures;
}

async function readByBareServer(shared: { clients: number; runs: number; pauseMs: number }, sources: BareSources) {
  const server = fork(new URL('./api/bare-server.ts', import.meta.url), { execArgv: NODE_FLAGS });
  try {
    server.send(sources);
    const [url] = (await once(server, 'message')) as [string];
    return await read({ ...shared, seed: 3, by: 'bare-server', url });
  } finally {
    server.disconnect();
    await once(server, 'exit');
  }
}

async function read(work: ReadersWork, pid?: number) {
  const readers = startLoad<ReadersWork, ReadersReport>(new URL('./api/readers.ts', import.meta.url), work);
  await readers.ready;
  // What is read for the first time is read from the disk, compiled, connected to, and asked of Kubernetes.
  await delay(WARM_UP_MS);
  readers.measure();
  const cpuBefore = pid === undefined ? 0 : await processorSeconds(pid);
  const allBefore = await processorSecondsByProgram();
  await delay(seconds * 1_000);
  const cpuOf = difference(allBefore, await processorSecondsByProgram());
  const cpuAfter = pid === undefined ? 0 : await processorSeconds(pid);
  const { ms, errors } = await readers.end();
  const requests = Object.values(ms).reduce((sum, times) => sum + times.length, 0);
  const of = (share: number) =>
    Object.fromEntries(Object.entries(ms).map(([kind, times]) => [kind, percentile(times, share)])) as Record<
      Kind,
      number
    >;
  const cpuPct = Math.round(((cpuAfter - cpuBefore) / seconds) * 100);
  return { p99: of(0.99), p50: of(0.5), perSecond: Math.round(requests / seconds), errors, cpuPct, cpuOf };
}

/** One run with all of its items, as JSON Lines; and the same pages without the API. */
async function measureExport({ plane, databaseUrl, tokens, program }: Stage) {
  await using server = await startServer({ plane, databaseUrl, program });
  const startedAt = performance.now();
  const answer = await fetch(`${server.url}/api/v1/namespaces/${NAMESPACE}/runs/${LARGE_RUN}/export`, {
    headers: { authorization: `Bearer ${tokens[0]}`, 'accept-encoding': 'identity' },
  });
  if (!answer.ok || answer.body === null) throw new Error(`the export was answered with ${answer.status}`);
  let [rows, bytes] = [0, 0];
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) rows += 1;
  }
  const took = (performance.now() - startedAt) / 1_000;
  const { peak } = await memoryMb(server.pid);
  const bareRows = await bareExport(databaseUrl);
  return {
    export_rows: rows,
    export_mb: Math.round(bytes / 1_048_576),
    export_rows_per_s: Math.round(rows / took),
    export_rss_mb: Math.round(peak),
    bare_export_rows_per_s: Math.round(bareRows),
    export_to_bare: ratio(rows / took, bareRows),
  };
}

/** Rows a second of the same pages, which are thrown away. */
async function bareExport(databaseUrl: string): Promise<number> {
  const store = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
  try {
    const startedAt = performance.now();
    let rows = 0;
    for await (const page of (await store.exportRun(NAMESPACE, LARGE_RUN, never, never))?.pages ?? []) {
      rows += page.length;
    }
    return (rows * 1_000) / (performance.now() - startedAt);
  } finally {
    await store.close();
  }
}

/** Runs change, and each of the streams tells of it: from the moment the change is sent to the API server of Kubernetes. */
async function measureStreams({ plane, api, databaseUrl, tokens, program }: Stage) {
  await using server = await startServer({ plane, databaseUrl, program });
  const streams = Number(options.streams);
  const path = `/api/v1/stream?namespace=${LIVE_NAMESPACE}`;
  const work = { clients: streams, url: server.url, path, tokens };
  const clients = startLoad<StreamsWork, StreamsReport>(new URL('./api/stream-clients.ts', import.meta.url), work);
  await clients.ready;
  clients.measure();
  say(`${streams} streams are open`);
  const runs = api.resource<CrawlRun>(CRAWL_RUNS);
  const cpuBefore = await processorSeconds(server.pid);
  const everyMs = 1_000 / Number(options.changes);
  const changes = Math.round((seconds * 1_000) / everyMs);
  for (let n = 0; n < changes; n += 1) {
    const next = delay(everyMs);
    const ref = { namespace: LIVE_NAMESPACE, name: nameOf(n % LIVE_RUNS) };
    const body = { status: { phase: 'Running', message: `at ${Date.now()}` } };
    await runs.patch(ref, { type: 'merge', body }, { signal: never, subresource: 'status' });
    await next;
  }
  const cpuAfter = await processorSeconds(server.pid);
  await delay(2_000);
  const { ms, events, broken } = await clients.end();
  const { peak } = await memoryMb(server.pid);
  return {
    sse_clients: streams,
    sse_events: events,
    sse_missed: changes * streams - events,
    sse_broken: broken,
    sse_p50_ms: percentile(ms, 0.5),
    sse_p99_ms: percentile(ms),
    sse_rss_mb: Math.round(peak),
    sse_server_cpu_pct: Math.round(((cpuAfter - cpuBefore) / seconds) * 100),
  };
}

type ServerProcess = AsyncDisposable & { readonly url: string; readonly pid: number };

/** Ready when this resolves; the kernel ends it together with this process. */
async function startServer({ plane, databaseUrl, program }: Omit<Stage, 'api' | 'tokens'>): Promise<ServerProcess> {
  const profile = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const node = [process.execPath, ...NODE_FLAGS, ...profile, program, 'server'];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...{ PATH: process.env['PATH'], ...MALLOC, KUBECONFIG: plane.kubeconfigPath },
      ...{ TRAWLER_DATABASE_URL: databaseUrl, TRAWLER_DATABASE_SCHEMA: SCHEMA, TRAWLER_NAMESPACE: NAMESPACE },
      ...{ TRAWLER_SERVER_PORT: '0', TRAWLER_HEALTH_PORT: '0', TRAWLER_METRICS_PORT: '0' },
      ...{ TRAWLER_SERVER_POOL_SIZE: String(POOL_SIZE), TRAWLER_SERVER_REQUESTS_PER_MINUTE: '1000000' },
    },
  });
  const ended = once(child, 'exit');
  const port = await portOf(child);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Of its log, which is read to the end so that it is never in the way. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.once('exit', () => reject(new Error(`the server has ended before it served:\n${log}`)));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 10_000) log += text;
      const [, found] = /"port":(\d+),.*"msg":"API server serves"/.exec(log) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
  });
}

function ratio(ours: number, theirs: number): number {
  return Math.round((ours / theirs) * 100) / 100;
}
