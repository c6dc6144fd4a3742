// The operator over minutes of constant work: whether its memory and its file descriptors stay what they were.
// Run: npm run bench -- soak [--minutes 10] [--schedules 37] [--json]
//
// Schedules are due every second and keep one finished run; every run is ended in PostgreSQL, as its workers would end it,
// so that it is pruned and makes room. Meanwhile schedules are deleted and made again, and all the operator's connections to
// the API server are broken. With more schedules than the machine can serve, the line of runs to look after grows, and
// with it the operator's memory: then the slopes say nothing, see queued_runs.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import type pg from 'pg';
import { pino } from 'pino';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../src/custom-resources/types.ts';
import { createKubeApi, type KubeApi } from '../../src/kube/client.ts';
import { createKubeMetrics } from '../../src/kube/metrics.ts';
import { OPERATOR_ID } from '../../src/store/runs.ts';
import { startControlPlane } from '../support/control-plane.ts';
import { installCrds } from '../support/crds.ts';
import { testPool } from '../support/database-connections.ts';
import { bundleOperator, type OperatorProcess, spawnOperator } from '../support/operator-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { scrape, total } from './operator-metrics.ts';
import { fileDescriptors, memoryMb } from './process-usage.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '10' },
    schedules: { type: 'string', default: '37' },
  },
});
const MINUTES = Number(options.minutes);
const SCHEDULES = Number(options.schedules);
/** The first part, in which pools and caches fill, says nothing about the rest. */
const WARM_UP_SHARE = 0.2;
const SAMPLE_MS = 5_000;
const CHURN_MS = 2_000;
const END_MS = 1_000;
const CUT_MS = 15_000;
/** A Job makes no pods, and what runs leave is collected as fast as they end. */
const CONTROLLER_MANAGER_FLAGS = [
  '--controllers=garbage-collector-controller,serviceaccount-controller',
  '--kube-api-qps=1000',
  '--kube-api-burst=2000',
];
const METRICS_PORT = 20_000 + (process.pid % 20_000);
const NAMESPACE = 'default';

const { signal } = new AbortController();

function say(line: string): void {
  if (!options.json) console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

interface Sample {
  minutes: number;
  heapMb: number;
  rssMb: number;
  fds: number;
  fired: number;
  /** Runs that wait for the operator to look at them. */
  queued: number;
}

const directory = await mkdtemp(join(tmpdir(), 'trawler-soak-'));
const [plane, postgres, program] = await Promise.all([
  startControlPlane({ controllerManager: true, controllerManagerFlags: CONTROLLER_MANAGER_FLAGS, goGcPercent: 400 }),
  startPostgres(15),
  bundleOperator(join(directory, 'operator')),
]);
const direct = new KubeConfig();
direct.loadFromFile(plane.kubeconfigPath);
const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(plane.apiserverUrl).port) });
const logPath = join(directory, 'operator.log');
try {
  await installCrds(plane);
  const kubeconfigPath = join(directory, 'proxy.kubeconfig');
  const behindProxy = await readFile(plane.kubeconfigPath, 'utf8');
  await writeFile(kubeconfigPath, behindProxy.replaceAll(plane.apiserverUrl, `https://127.0.0.1:${proxy.port}`));
  const database = await postgres.createDatabase();
  const operator = spawnOperator({
    ...{ program, kubeconfigPath, logPath, databaseUrl: database.ownerUrl, namespace: NAMESPACE },
    env: { TRAWLER_METRICS_PORT: String(METRICS_PORT), TRAWLER_LOG_LEVEL: 'warn' },
  });
  const result = await Promise.race([soak(operator.pid, database.ownerUrl), earlyEnd(operator)]);
  operator.kill('SIGTERM');
  const { code } = await operator.ended;
  console.log(JSON.stringify({ ...result, exit_code: code }));
} finally {
  await proxy[Symbol.asyncDispose]();
  await Promise.all([plane.stop(), postgres.stop()]);
  await rm(directory, { recursive: true, force: true });
}

/** Rejects when the operator ends by itself, with the last that it said. */
async function earlyEnd(operator: OperatorProcess): Promise<never> {
  const { code, signal: killedBy } = await operator.ended;
  const log = await readFile(logPath, 'utf8');
  throw new Error(
    `the operator ended (${killedBy ?? `exit code ${code}`}): ${log.trimEnd().split('\n').slice(-5).join('\n')}`,
  );
}

async function soak(pid: number, databaseUrl: string) {
  const database = testPool(databaseUrl);
  const api = createKubeApi(direct, {
    ...{ logger: pino({ level: 'silent' }), metrics: createKubeMetrics(createRegistry()), qps: 1e6, burst: 1e6 },
  });
  try {
    return figuresOf(await load(pid, database, api));
  } finally {
    await Promise.all([api.close(), database.end()]);
  }
}

/** Loads the operator for MINUTES and looks at it every SAMPLE_MS; also how many schedules were made. */
async function load(pid: number, database: pg.Pool, api: KubeApi): Promise<{ samples: Sample[]; made: number }> {
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  let made = 0;
  const names: string[] = [];
  const make = async () => {
    const name = `soak-${made++}`;
    names.push(name);
    await schedules.create(scheduleOf(name), { signal });
  };
  for (let n = 0; n < SCHEDULES; n += 1) await make();
  say(`${SCHEDULES} schedules are due every second, for ${MINUTES} minutes`);

  const samples: Sample[] = [];
  const startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  let [churnAt, endAt, cutAt, sampleAt] = [0, END_MS, CUT_MS, SAMPLE_MS];
  while (elapsedMs() < MINUTES * 60_000) {
    if (elapsedMs() >= churnAt) {
      churnAt += CHURN_MS;
      const oldest = names.shift();
      if (oldest) {
        await schedules.delete({ namespace: NAMESPACE, name: oldest }, { propagationPolicy: 'Background', signal });
        await make();
      }
    }
    if (elapsedMs() >= endAt) {
      endAt = elapsedMs() + END_MS;
      await endRuns(database);
    }
    if (elapsedMs() >= cutAt) {
      cutAt += CUT_MS;
      proxy.cutAll();
    }
    if (elapsedMs() >= sampleAt) {
      sampleAt += SAMPLE_MS;
      const sample = await take(pid, elapsedMs() / 60_000);
      samples.push(sample);
      if (samples.length % 12 === 0) say(JSON.stringify(sample));
    }
    await delay(200);
  }
  return { samples, made };
}

function figuresOf({ samples, made }: { samples: readonly Sample[]; made: number }) {
  const steady = samples.filter(({ minutes }) => minutes > MINUTES * WARM_UP_SHARE);
  const slope = (of: (sample: Sample) => number) =>
    round(slopeOf(steady.map((sample) => [sample.minutes, of(sample)])));
  const last = samples.at(-1);
  return {
    minutes: MINUTES,
    fired: last?.fired ?? 0,
    schedules_made: made,
    connection_cuts: Math.floor((MINUTES * 60_000) / CUT_MS),
    heap_mb: round(last?.heapMb ?? Number.NaN),
    heap_slope_mb_per_minute: round(slopeOf(floors(steady))),
    rss_mb: round(last?.rssMb ?? Number.NaN),
    rss_slope_mb_per_minute: slope(({ rssMb }) => rssMb),
    fds: last?.fds ?? 0,
    fd_slope_per_minute: slope(({ fds }) => fds),
    queued_runs: last?.queued ?? 0,
    queued_runs_slope_per_minute: slope(({ queued }) => queued),
  };
}

/** Ends every run that has been accepted, the way it ends when its workers are gone. */
async function endRuns(database: pg.Pool): Promise<void> {
  const known = await database.query("select to_regclass('trawler.run') is not null as migrated");
  if (known.rows[0]?.migrated !== true) return;
  await database.query('set search_path to trawler');
  await database.query(
    "select stop_run(run_id, 'Stopped', 'ended by the soak', $1) from run where finished_at is null",
    [OPERATOR_ID],
  );
}

function scheduleOf(name: string) {
  const source = { name: 'shop', urls: [`https://${name}.example/`] };
  return {
    metadata: { name, namespace: NAMESPACE },
    spec: {
      schedule: '* * * * * *',
      concurrencyPolicy: 'Allow' as const,
      successfulRunsHistoryLimit: 1,
      runTemplate: { spec: { sources: [source] } },
    },
  };
}

async function take(pid: number, minutes: number): Promise<Sample> {
  const samples = await scrape(METRICS_PORT);
  const created = { verb: 'create', resource: 'crawlruns', code: '201' };
  return {
    minutes: round(minutes),
    heapMb: round(total(samples, 'nodejs_heap_size_used_bytes') / 2 ** 20),
    rssMb: round((await memoryMb(pid)).now),
    fds: await fileDescriptors(pid),
    fired: total(samples, 'trawler_kube_requests_total', created),
    queued: total(samples, 'trawler_workqueue_depth', { controller: 'run' }),
  };
}

/** The least heap of each minute: what is left when the garbage of the moment is gone. */
function floors(samples: readonly Sample[]): [number, number][] {
  const byMinute = Map.groupBy(samples, ({ minutes }) => Math.floor(minutes));
  return [...byMinute].map(([minute, some]) => [minute, Math.min(...some.map(({ heapMb }) => heapMb))]);
}

/** Of the straight line with the least squares. */
function slopeOf(points: [number, number][]): number {
  const mean = (of: (point: [number, number]) => number) => points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const [x, y] = [mean((p) => p[0]), mean((p) => p[1])];
  return mean((p) => (p[0] - x) * (p[1] - y)) / mean((p) => (p[0] - x) ** 2);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
