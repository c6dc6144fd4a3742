// The gateway under many runs: what a thousand idle workers cost PostgreSQL, how fast claims are answered under load, and whether
// a large run leaves a small one its pace. Two gateways and one PostgreSQL with everything on; workers are light clients that
// speak the real protocol. The last line is one JSON object.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { crawlRunSpec } from '../../src/resources/crawl-run.ts';
import type { OperatorStore } from '../../src/store/operator-store.ts';
import { createOperatorStore } from '../../src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '../../src/store/run-token.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { testPool } from '../support/database-connections.ts';
import { gatewayWorkerStore } from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-processes.ts';
import { MALLOC } from '../support/operator-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { type LightReport, type LightWork, type LightWorker, startLightWorkers } from './gateway/light-workers.ts';
import { inParallel } from './in-parallel.ts';
import { percentile } from './percentile.ts';
import { processorSeconds, processorSecondsByProgram } from './process-usage.ts';

const SCHEMA = 'trawler';
const GATEWAYS = 2;
const WORKERS_OF_RUN = 10;
/** A run has no more workers, so that 500 are five runs, all of the namespace of the small one. */
const WORKERS_OF_LARGE_RUN = 100;
const LARGE_RUNS = 5;
/** Of whom each has a connection to PostgreSQL itself: more than both gateways have. */
const BARE_WORKERS = 40;
const HEARTBEAT_MS = 30_000;
/** A thousand workers that begin at once stand in line for seconds; that is not what is measured. */
const WARM_UP_S = 25;
const USAGE = `usage: npm run bench -- gateway [options]
  --runs N       runs of ${WORKERS_OF_RUN} workers each (100)
  --hosts N      hosts of each run while it is idle (100)
  --only NAMES   some of the parts, with commas between them: idle,load,fairness,most,bare
  --seconds N    how long idle workers are measured (60); load half of that, the others a quarter
  --rate N       requests a second of all runs together under load (1000)
  --pool N       connections of each gateway for calls (8)
  --profile DIR  processor profiles of the gateways are written there
  --json         nothing but the last line counts; it is one JSON object in any case`;
const never = new AbortController().signal;
const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    hosts: { type: 'string', default: '100' },
    only: { type: 'string', default: 'idle,load,fairness,most,bare' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1000' },
    pool: { type: 'string', default: '8' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (options.help) console.log(USAGE);
else await main();

type Run = { readonly token: string; readonly workers: number };

async function main(): Promise<void> {
  const [runs, seconds] = [Number(options.runs), Number(options.seconds)];
  const parts = options.only.split(',');
  await using server = await startPostgres(18, {
    settings: { shared_buffers: '256MB', max_wal_size: '4GB', track_functions: 'pl' },
  });
  const { ownerUrl, superuserUrl } = await server.createDatabase();
  const operator = createOperatorStore({
    ...{ databaseUrl: ownerUrl, schema: SCHEMA, poolSize: 5, logger: createLogger('bench', 'warn') },
  });
  await operator.migrate(never);
  const direct = { databaseUrl: await operator.gatewayDatabaseUrl(never), schema: SCHEMA };
  const gateways = await startGateways(direct.databaseUrl);
  const urls = await Promise.all(gateways.map(async ({ port }) => `http://127.0.0.1:${await port}`));
  const statistics = openStatistics(superuserUrl);
  const cpu = async () => ({
    gateways: sum(await Promise.all(gateways.map(({ child }) => processorSeconds(child.pid ?? 0)))),
    postgres: (await processorSecondsByProgram()).get('postgres') ?? 0,
  });

  /** Two processes of workers, each with half of every run. */
  const phase = async (work: Omit<LightWork, 'workers'>, ofRuns: readonly Run[], forS: number) => {
    const workers = ofRuns.flatMap((run) => workersOf(run, urls));
    const processes = [0, 1].map((part) =>
      startLightWorkers({ ...work, workers: workers.filter((_, index) => Math.floor(index / 2) % 2 === part) }),
    );
    await sleep(WARM_UP_S);
    for (const process of processes) process.measure();
    const [before, cpuBefore] = [await statistics.read(), await cpu()];
    await sleep(forS);
    const [after, cpuAfter] = [await statistics.read(), await cpu()];
    const reports = await Promise.all(processes.map((process) => process.end()));
    const database = difference(before, after);
    const cpuPct = {
      gateway_cpu_pct: percent(cpuAfter.gateways - cpuBefore.gateways, database.at),
      postgres_cpu_pct: percent(cpuAfter.postgres - cpuBefore.postgres, database.at),
      workers_cpu_pct: sum(reports.map(({ cpuS, seconds }) => percent(cpuS, seconds))),
    };
    return { reports, database, cpuPct };
  };
  const accepted: AcceptRuns = async (count, workers, spec) => {
    const accepts = Array.from({ length: count }, () => ({ token: createToken(), workers }));
    await inParallel(count, 5, (n) => acceptAndSeed(operator, accepts[n] as Run, spec, urls[n % GATEWAYS] ?? ''));
    return accepts;
  };
  const figures: Record<string, unknown> = {};

  if (parts.includes('idle')) {
    // The second page of each host is due so much later that nothing can be claimed meanwhile.
    const settings = { hosts: Number(options.hosts), pagesOfHost: 2, requestsPerSecond: 0.001 };
    const idle = await phase(
      { slots: 25, pageMs: [0, 10], hasLinks: false, heartbeatMs: HEARTBEAT_MS },
      await accepted(runs, WORKERS_OF_RUN, settings),
      seconds,
    );
    const { statements, walBytes, connections, transactionIds, functionCalls, at: forS } = idle.database;
    Object.assign(figures, {
      idle_statements_per_s: perSecond(statements, forS),
      idle_wal_bytes_per_s: Math.round(walBytes / forS),
      idle_transaction_ids_per_s: perSecond(transactionIds, forS),
      idle_functions_per_s: Object.fromEntries(
        [...functionCalls].filter(([, calls]) => calls > 0).map(([name, calls]) => [name, perSecond(calls, forS)]),
      ),
      ...prefixed('idle', idle.cpuPct),
      idle_requests_per_s: sum(idle.reports.map(({ calls, seconds }) => perSecond(calls, seconds))),
      idle_pages: sum(idle.reports.map(({ pages }) => pages)),
      idle_connections: connections,
      idle_errors: errorsOf(idle.reports),
    });
    console.log(JSON.stringify(figures));
  }
  if (parts.includes('load')) {
    const windowS = seconds / 2;
    // A page is a claim and a commit; so many pages of each run go round.
    const pagesOfRun = 3;
    const pageMs = (2_000 * pagesOfRun * runs) / Number(options.rate);
    const settings = { hosts: pagesOfRun, pagesOfHost: 1, requestsPerSecond: 10_000 };
    const load = await phase(
      { slots: 1, pageMs: [pageMs / 2, (pageMs * 3) / 2], hasLinks: true, heartbeatMs: HEARTBEAT_MS },
      await accepted(runs, WORKERS_OF_RUN, settings),
      windowS,
    );
    const claimMs = load.reports.flatMap((report) => report.claimMs);
    const wakeMs = load.reports.flatMap((report) => [...report.wakeMs, ...report.wakeByOtherMs]);
    Object.assign(figures, {
      requests_per_s: Math.round(sum(load.reports.map(({ calls, seconds }) => calls / seconds))),
      claim_p99_ms: percentile(claimMs),
      claim_p50_ms: percentile(claimMs, 0.5),
      wake_p99_ms: percentile(wakeMs),
      wake_p50_ms: percentile(wakeMs, 0.5),
      wake_by_other_p99_ms: percentile(load.reports.flatMap(({ wakeByOtherMs }) => wakeByOtherMs)),
      wakes: sum(load.reports.map(({ wakeMs }) => wakeMs.length)),
      wakes_by_other: sum(load.reports.map(({ wakeByOtherMs }) => wakeByOtherMs.length)),
      load_function_ms_per_s: Object.fromEntries(
        [...load.database.functionMs]
          .filter(([, ms]) => ms > 0)
          .map(([name, ms]) => [name, perSecond(ms, load.database.at)]),
      ),
      load_functions_per_s: Object.fromEntries(
        [...load.database.functionCalls]
          .filter(([, count]) => count > 0)
          .map(([name, count]) => [name, perSecond(count, load.database.at)]),
      ),
      ...prefixed('load', load.cpuPct),
      load_pages: sum(load.reports.map(({ pages }) => pages)),
      load_connections: load.database.connections,
      load_errors: errorsOf(load.reports),
    });
    console.log(JSON.stringify(figures));
  }
  if (parts.includes('fairness')) {
    const windowS = seconds / 4;
    const work = { slots: 1, pageMs: [150, 250], hasLinks: true, heartbeatMs: HEARTBEAT_MS } as const;
    const settings = (hosts: number) => ({ hosts, pagesOfHost: 1, requestsPerSecond: 10_000 });
    const small = async () => {
      const [run] = await accepted(1, 2, settings(2));
      return startLightWorkers({ ...work, workers: run ? workersOf(run, urls) : [] });
    };
    const pace = async (process: ReturnType<typeof startLightWorkers>) => {
      await sleep(5);
      process.measure();
      await sleep(windowS);
      const { pages, seconds } = await process.end();
      return pages / seconds;
    };
    const alone = await pace(await small());
    const beside = startLightWorkers({
      ...work,
      workers: (await accepted(LARGE_RUNS, WORKERS_OF_LARGE_RUN, settings(WORKERS_OF_LARGE_RUN))).flatMap((run) =>
        workersOf(run, urls),
      ),
    });
    await sleep(5);
    beside.measure();
    const together = await pace(await small());
    const large = await beside.end();
    Object.assign(figures, {
      fairness: Math.round((together / alone) * 100) / 100,
      small_pages_per_s_alone: Math.round(alone * 10) / 10,
      small_pages_per_s: Math.round(together * 10) / 10,
      large_pages_per_s: perSecond(large.pages, large.seconds),
      fairness_errors: large.errors,
    });
  }
  figures['connections'] = await statistics.mostConnections();
  if (parts.includes('most')) {
    const work = { accepted, urls, count: GATEWAYS * Number(options.pool), pageMs: 0, forS: seconds / 4 };
    const byGateways = await measureUnhindered(work);
    const bare = await measureUnhindered({ ...work, database: direct });
    Object.assign(figures, {
      most_requests_per_s: perSecond(byGateways.calls, byGateways.seconds),
      bare_most_requests_per_s: perSecond(bare.calls, bare.seconds),
      most_errors: { ...byGateways.errors, ...bare.errors },
    });
  }
  if (parts.includes('bare')) {
    const pageMs = (2_000 * BARE_WORKERS) / Number(options.rate);
    const work = { accepted, urls, count: BARE_WORKERS, pageMs, forS: seconds / 2 };
    const bare = await measureUnhindered({ ...work, database: direct });
    Object.assign(figures, {
      bare_requests_per_s: perSecond(bare.calls, bare.seconds),
      bare_claim_p99_ms: percentile(bare.claimMs),
      bare_claim_p50_ms: percentile(bare.claimMs, 0.5),
      bare_wake_p99_ms: percentile(bare.wakeMs),
      bare_wake_p50_ms: percentile(bare.wakeMs, 0.5),
      bare_errors: bare.errors,
    });
  }
  await statistics.close();
  await operator.close();
  for (const { child } of gateways) child.kill('SIGTERM');
  await Promise.all(gateways.map(({ ended }) => ended));
  console.log(JSON.stringify(figures));
}

async function startGateways(databaseUrl: string): Promise<GatewayProcess[]> {
  const flags = options.profile === undefined ? '' : `--cpu-prof --cpu-prof-dir=${options.profile}`;
  const gateways = Array.from({ length: GATEWAYS }, () =>
    startGatewayProcess({
      ...{ TRAWLER_DATABASE_URL: databaseUrl, TRAWLER_DATABASE_SCHEMA: SCHEMA, NODE_OPTIONS: flags },
      TRAWLER_GATEWAY_POOL_SIZE: options.pool,
      ...MALLOC,
    }),
  );
  await Promise.all(gateways.map(({ port }) => port));
  return gateways;
}

/** The workers of a run, of whom one after another goes to the next gateway. */
function workersOf({ token, workers }: Run, urls: readonly string[]): LightWorker[] {
  return Array.from({ length: workers }, (_, index) => {
    const gateway = index % urls.length;
    return { gatewayUrl: urls[gateway] ?? '', gateway, token, workerId: randomUUID() };
  });
}

type RunSettings = { readonly hosts: number; readonly pagesOfHost: number; readonly requestsPerSecond: number };

type AcceptRuns = (count: number, workers: number, spec: RunSettings) => Promise<readonly Run[]>;

type Unhindered = {
  readonly accepted: AcceptRuns;
  readonly urls: readonly string[];
  /** Workers. */
  readonly count: number;
  /** How long a page takes on average, in milliseconds. */
  readonly pageMs: number;
  readonly forS: number;
  /** They ask PostgreSQL itself. */
  readonly database?: LightWork['database'];
};

/** Workers of whom each has a run, a host and a next page of its own: nobody waits for another. */
async function measureUnhindered({ accepted, urls, count, pageMs, forS, database }: Unhindered): Promise<LightReport> {
  const settings = { hosts: 1, pagesOfHost: 1, requestsPerSecond: 10_000 };
  const runs = await accepted(count, 1, settings);
  const process = startLightWorkers({
    workers: runs.flatMap((run, index) => workersOf(run, urls.slice(index % GATEWAYS))),
    ...{ slots: 1, pageMs: [pageMs / 2, (pageMs * 3) / 2], hasLinks: true, heartbeatMs: HEARTBEAT_MS },
    ...(database === undefined ? {} : { database }),
  });
  await sleep(5);
  process.measure();
  await sleep(forS);
  return process.end();
}

async function acceptAndSeed(
  operator: OperatorStore,
  { token, workers }: Run,
  { hosts, pagesOfHost, requestsPerSecond }: RunSettings,
  gatewayUrl: string,
): Promise<void> {
  const runId = randomUUID();
  const urlOf = (host: number, page: number) => `http://host${host}.${runId}.test/page-${page}`;
  await operator.acceptRun(
    {
      ...{ runId, runDay: new Date().toISOString().slice(0, 10), namespace: 'bench', name: `bench-${runId}` },
      ...{ specVersion: 1, tokenHash: hashToken(token) },
      spec: crawlRunSpec.parse({
        sources: [{ name: 'bench', urls: [urlOf(0, 0)] }],
        politeness: { requestsPerSecond },
        limits: { maxPages: 10_000_000 },
        workers: Math.min(workers, 100),
        heartbeat: { interval: `${HEARTBEAT_MS / 1_000}s` },
      }),
    },
    never,
  );
  const store = gatewayWorkerStore({ gatewayUrl, token, workerId: randomUUID() });
  const seeds = Array.from({ length: hosts * pagesOfHost }, (_, index) => {
    const [host, page] = [index % hosts, Math.floor(index / hosts)];
    return { source: 'bench', url: urlOf(host, page), host: `host${host}.${runId}.test`, depth: 0 };
  });
  await store.seed(seeds, never);
  await store.close();
}

/** Running sums of one database. */
type Statistics = {
  /** When, in seconds. */
  readonly at: number;
  readonly statements: number;
  readonly walBytes: number;
  readonly transactionIds: number;
  readonly functionCalls: ReadonlyMap<string, number>;
  /** Milliseconds in each, with what it calls. */
  readonly functionMs: ReadonlyMap<string, number>;
  readonly connections: number;
};

/** What it does itself, it does in another database as far as it can. */
function openStatistics(databaseUrl: string) {
  const measured = testPool(databaseUrl, { schema: SCHEMA });
  const other = testPool(Object.assign(new URL(databaseUrl), { pathname: '/postgres' }).href);
  const name = new URL(databaseUrl).pathname.slice(1);
  const connectionsNow = async () => {
    const { rows } = await other.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity where application_name = 'trawler-gateway'`,
    );
    return rows[0]?.count ?? 0;
  };
  let most = 0;
  let looking = Promise.resolve();
  const looks = setInterval(() => {
    looking = looking.then(async () => {
      most = Math.max(most, await connectionsNow());
    });
  }, 500);

  return {
    async read(): Promise<Statistics> {
      // Sessions that are idle report what they did within a second.
      await sleep(1.5);
      // Each call of a worker is one statement, which is a transaction.
      const { rows: sums } = await other.query<Omit<Statistics, 'at' | 'functionCalls' | 'functionMs' | 'connections'>>(
        `select (xact_commit + xact_rollback)::int as statements, (pg_current_wal_insert_lsn() - '0/0')::float8 as "walBytes",
           pg_snapshot_xmax(pg_current_snapshot())::text::float8 as "transactionIds"
         from pg_stat_database where datname = $1`,
        [name],
      );
      const { rows: functions } = await measured.query<{ name: string; calls: number; ms: number }>(
        `select funcname as name, calls::int, total_time as ms from pg_stat_user_functions where funcname = any ($1)`,
        [
          [
            'claim_requests',
            'commit_outcomes',
            'write_heartbeat',
            'write_heartbeats',
            'run_of_gateway',
            'run_outlooks',
          ],
        ],
      );
      const [first] = sums;
      if (first === undefined) throw new Error('PostgreSQL has no statistics of the database');
      const functionCalls = new Map(functions.map(({ name, calls }) => [name, calls]));
      const functionMs = new Map(functions.map(({ name, ms }) => [name, ms]));
      return {
        ...first,
        at: performance.now() / 1_000,
        functionCalls,
        functionMs,
        connections: await connectionsNow(),
      };
    },
    async mostConnections(): Promise<number> {
      await looking;
      return most;
    },
    async close(): Promise<void> {
      clearInterval(looks);
      await looking;
      await Promise.all([measured.end(), other.end()]);
    },
  };
}

function difference(before: Statistics, after: Statistics): Statistics {
  return {
    at: after.at - before.at,
    statements: after.statements - before.statements,
    walBytes: after.walBytes - before.walBytes,
    transactionIds: after.transactionIds - before.transactionIds,
    functionCalls: grown(before.functionCalls, after.functionCalls),
    functionMs: grown(before.functionMs, after.functionMs),
    connections: after.connections,
  };
}

function grown(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)]));
}

function errorsOf(reports: readonly LightReport[]): Record<string, number> {
  const errors: Record<string, number> = {};
  for (const report of reports) {
    for (const [message, count] of Object.entries(report.errors)) errors[message] = (errors[message] ?? 0) + count;
  }
  return errors;
}

function prefixed(part: string, figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${part}_${name}`, value]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function perSecond(count: number, seconds: number): number {
  return Math.round((count / seconds) * 10) / 10;
}

function percent(cpuS: number, seconds: number): number {
  return Math.round((cpuS / seconds) * 1_000) / 10;
}
