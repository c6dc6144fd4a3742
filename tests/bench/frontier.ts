// How fast the frontier is: claims and commits of several worker processes on a real PostgreSQL with everything on.
// One request counts when it was claimed and completed with a result row of 500 bytes. The last line is one JSON object.
// With --runs several runs share the hosts and the workers: requests are those of all runs together.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { dueTime } from '../../src/crawler/network/host-pacer.ts';
import type { Claim, Discovery, Place, WorkerStore } from '../../src/gateway/protocol/worker-store.ts';
import { crawlRunSpec } from '../../src/resources/crawl-run.ts';
import type { OperatorStore } from '../../src/store/operator-store.ts';
import { createOperatorStore } from '../../src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '../../src/store/run-token.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { testClient } from '../support/database-connections.ts';
import {
  type DatabaseWorker,
  databaseWorkerStore,
  type GatewayWorker,
  gatewayWorkerStore,
} from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-processes.ts';
import { startPostgres } from '../support/postgres.ts';
import { processorSeconds, processorSecondsOfEnded } from './process-usage.ts';

const DELAY_MS = 20;
const SCHEMA = 'trawler';
const RUN_DAY = new Date().toISOString().slice(0, 10);
const LINKS_A_COMMIT = 1_000;
const USAGE = `usage: npm run bench -- frontier [options]
  --requests N     requests in all (1000000)
  --hosts N        hosts that they are spread over (1000)
  --workers N      worker processes (4)
  --runs N         runs that share the hosts and the workers (1)
  --slots N        pages that a worker has in flight (600)
  --batch N        requests of one claim or commit (150)
  --postgres 15    that version instead of 18
  --days N         days of results that the database holds, the one of the runs among them (1)
  --gateway        workers reach a gateway, as pods do, and not PostgreSQL itself
  --snapshot       another session keeps a snapshot open while the requests are claimed and completed, as pg_dump does
  --explain        PostgreSQL's own plans of a fiftieth of the statements
  --json           nothing but the last line counts; it is one JSON object in any case`;

/** Rows of finished requests in each of the days before. */
const ROWS_OF_EARLIER_DAYS = 100;
const signal = new AbortController().signal;

/**
 * From `performance.now()` to the clock that all processes of the machine share, in milliseconds. Of several looks the one
 * counts between whose two halves least time passed.
 */
const TO_SHARED_CLOCK = Math.max(
  ...Array.from({ length: 1_000 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
);

type Access = DatabaseWorker | GatewayWorker;
type Job = { readonly store: Access } & (
  | { readonly phase: 'insert'; readonly links: number; readonly host: number; readonly hosts: number }
  | { readonly phase: 'crawl'; readonly slots: number; readonly batch: number }
);
type Report = {
  readonly claimMs: number[];
  readonly commitMs: number[];
  /** Claims that brought nothing. */
  readonly vain: number;
  /** When each commit was done, in milliseconds since the epoch, and of how many requests. */
  readonly doneAt: [number, number][];
  /** Places that were missed and taken anew. */
  readonly retaken: number;
  /** Processor time of the worker, in seconds. */
  readonly cpuS: number;
};

if (process.send) {
  process.once('message', async (job: Job) => {
    const report = job.phase === 'insert' ? await insert(job) : await crawl(job);
    process.send?.(report, () => process.disconnect());
  });
} else {
  await main();
}

function storeOf(access: Access): WorkerStore {
  return 'gatewayUrl' in access ? gatewayWorkerStore(access) : databaseWorkerStore(access);
}

function hostName(index: number): string {
  return `host${index}.test`;
}

function link(host: number, page: number, depth: number): Discovery {
  return { source: 'bench', url: `http://${hostName(host)}/section/page-${page}`, host: hostName(host), depth };
}

/** Completes the roots of this worker's hosts, each with its share of links; a tenth of what it offers is known. */
async function insert(job: Job & { phase: 'insert' }): Promise<Report> {
  const store = storeOf(job.store);
  let left = job.hosts;
  while (left > 0) {
    const result = await store.claim(1, signal);
    if (result.state === 'Wait') await new Promise((resolve) => setTimeout(resolve, result.retryInMs));
    if (result.state !== 'Claimed') continue;
    for (const claim of result.claims) {
      const host = Number(/\d+/.exec(claim.host)?.[0]);
      const links = Array.from({ length: job.links }, (_, page) => link(host, page + 1, 1));
      const known = links.slice(0, Math.floor(job.links / 10));
      await store.commit([{ claim, type: 'done', items: [], links: [...links, ...known] }], signal);
      left -= 1;
    }
  }
  await store.close();
  return { claimMs: [], commitMs: [], vain: 0, doneAt: [], retaken: 0, cpuS: cpuSeconds() };
}

type Sent = { readonly claim: Claim; readonly sentAt: number };

/**
 * Says when a claim is sent: by the rules of the crawler's pacer, with a new place from the store where one was missed,
 * and without its timers, which cost this process more than claims do. Times are of `performance.now()`.
 */
function createSender(store: WorkerStore) {
  const lastSends = new Map<string, number>();
  let retaken = 0;

  return {
    retaken: () => retaken,
    async send(claim: Claim): Promise<Sent> {
      let place: Place = claim;
      for (;;) {
        const sent = Math.max(
          performance.now(),
          dueTime(lastSends.get(claim.host), place.from, place.spacingMs ?? DELAY_MS),
        );
        if (place.by === undefined || sent <= place.by) {
          lastSends.set(claim.host, sent);
          return { claim, sentAt: sent };
        }
        place = await store.reserveHost(claim.host, signal);
        retaken += 1;
      }
    },
  };
}

/** Claims, lets the time of each send pass, and commits, until nothing is left. */
async function crawl(job: Job & { phase: 'crawl' }): Promise<Report> {
  const store = storeOf(job.store);
  const sender = createSender(store);
  const claimMs: number[] = [];
  const commitMs: number[] = [];
  const doneAt: [number, number][] = [];
  const payload = 'x'.repeat(440);
  let vain = 0;
  let inFlight: Sent[] = [];
  for (;;) {
    const asked = performance.now();
    const result = await store.claim(Math.min(job.batch, job.slots - inFlight.length), signal);
    if (result.state === 'Finished' || result.state === 'Stopping') break;
    if (result.state === 'Wait') vain += 1;
    if (result.state === 'Claimed') {
      claimMs.push(performance.now() - asked);
      for (const claim of result.claims) inFlight.push(await sender.send(claim));
    }
    const full = () => inFlight.length > job.slots - job.batch;
    // As long as the store tells it to wait: whoever looks all the time measures looks in vain.
    const lookAt = result.state === 'Wait' ? performance.now() + result.retryInMs : 0;
    do {
      const now = performance.now();
      const sent = inFlight.filter((one) => one.sentAt <= now).slice(0, job.batch);
      if (sent.length >= job.batch / 2 || (sent.length > 0 && result.state === 'Wait')) {
        const outcomes = sent.map(({ claim, sentAt }) => ({
          claim,
          type: 'done' as const,
          items: [{ host: claim.host, sentAt: sentAt + TO_SHARED_CLOCK, payload }],
          links: [],
        }));
        const ours = await store.commit(outcomes, signal);
        commitMs.push(performance.now() - now);
        if (ours.size !== sent.length) throw new Error('a lease was lost');
        doneAt.push([Date.now(), sent.length]);
        const gone = new Set(sent);
        inFlight = inFlight.filter((one) => !gone.has(one));
      } else if (full() || now < lookAt) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } while (full() || performance.now() < lookAt);
    if (result.state === 'Wait' && inFlight.length === 0 && (await store.finish(signal))) break;
  }
  await store.close();
  return { claimMs, commitMs, vain, doneAt, retaken: sender.retaken(), cpuS: cpuSeconds() };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function inWorkers(jobs: readonly Job[]): Promise<{ readonly reports: Report[]; readonly seconds: number }> {
  const start = performance.now();
  const reports = await Promise.all(
    jobs.map(async (job) => {
      const child = fork(fileURLToPath(import.meta.url));
      child.send(job);
      const [report] = await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => Promise.reject(new Error('a worker process ended early'))),
      ]);
      return report as Report;
    }),
  );
  return { reports, seconds: (performance.now() - start) / 1_000 };
}

/** The days before today, oldest first, with some results in each. */
async function addEarlierDays(operator: OperatorStore, superuserUrl: string, days: number): Promise<void> {
  const admin = testClient(superuserUrl, { schema: SCHEMA });
  await admin.connect();
  for (let age = days - 1; age > 0; age--) {
    const day = new Date(Date.now() - age * 24 * 3_600_000).toISOString().slice(0, 10);
    await operator.ensureDay(day, signal);
    await admin.query(
      `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, state, has_place,
         finished_at, url)
       select gen_random_uuid(), gen_random_uuid(), 0, now(), $1, 0, 0, 0, 'done', true, now(), 'http://earlier.test/' || n
       from generate_series(1, $2::int) n`,
      [day, ROWS_OF_EARLIER_DAYS],
    );
  }
  await admin.end();
}

/** A snapshot that stays open until it is disposed of: no row that it may still see can be removed. */
async function openSnapshot(superuserUrl: string): Promise<AsyncDisposable> {
  const reader = testClient(superuserUrl, { schema: SCHEMA });
  await reader.connect();
  await reader.query('begin isolation level repeatable read');
  await reader.query('select from run');
  return { [Symbol.asyncDispose]: () => reader.end() };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '1000000' },
      hosts: { type: 'string', default: '1000' },
      workers: { type: 'string', default: '4' },
      runs: { type: 'string', default: '1' },
      slots: { type: 'string', default: '600' },
      batch: { type: 'string', default: '150' },
      postgres: { type: 'string', default: '18' },
      days: { type: 'string', default: '1' },
      gateway: { type: 'boolean', default: false },
      snapshot: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      explain: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const [hosts, workers, runs] = [Number(values.hosts), Number(values.workers), Number(values.runs)];
  if (workers % runs !== 0) throw new RangeError('each run needs as many workers as the others');
  const requests = Math.ceil(Number(values.requests) / hosts / runs) * hosts * runs;
  await using server = await startPostgres(values.postgres === '15' ? 15 : 18, {
    settings: {
      shared_buffers: '512MB',
      max_wal_size: '8GB',
      track_functions: 'pl',
      ...(values.explain
        ? {
            shared_preload_libraries: 'auto_explain',
            'auto_explain.log_min_duration': '0',
            'auto_explain.log_nested_statements': 'on',
            'auto_explain.log_analyze': 'on',
            'auto_explain.log_buffers': 'on',
            'auto_explain.sample_rate': '0.02',
          }
        : {}),
    },
  });
  const database = await server.createDatabase();
  const operator = createOperatorStore({
    databaseUrl: database.ownerUrl,
    schema: SCHEMA,
    logger: createLogger('bench', 'warn'),
  });
  await operator.migrate(signal);
  await addEarlierDays(operator, database.superuserUrl, Number(values.days));
  const runIds = Array.from({ length: runs }, () => ({ runId: randomUUID(), token: createToken() }));
  for (const { runId, token } of runIds) {
    await operator.acceptRun(
      {
        runId,
        runDay: RUN_DAY,
        namespace: 'bench',
        name: `bench-${runId}`,
        specVersion: 1,
        spec: crawlRunSpec.parse({
          sources: [{ name: 'bench', urls: ['http://host0.test/'] }],
          politeness: { requestsPerSecond: 1_000 / DELAY_MS },
          limits: { maxPages: 10_000_000 },
        }),
        tokenHash: hashToken(token),
      },
      signal,
    );
  }
  const databaseUrl = await operator.gatewayDatabaseUrl(signal);
  const gateway = values.gateway
    ? startGatewayProcess({ TRAWLER_DATABASE_URL: databaseUrl, TRAWLER_DATABASE_SCHEMA: SCHEMA })
    : undefined;
  const way = gateway ? { gatewayUrl: `http://127.0.0.1:${await gateway.port}` } : { databaseUrl, schema: SCHEMA };
  const access = (worker: number): Access => {
    const { token = '' } = runIds[worker % runs] ?? {};
    return { ...way, token, workerId: randomUUID() };
  };

  for (const run of runIds.keys()) {
    const seeder = storeOf(access(run));
    await seeder.seed(
      Array.from({ length: hosts }, (_, host) => link(host, 0, 0)),
      signal,
    );
    await seeder.close();
  }
  const links = requests / hosts / runs;
  if (links > LINKS_A_COMMIT * 10) throw new RangeError('too many requests for so few hosts');
  const workersOfRun = workers / runs;
  const share = (worker: number) =>
    Math.floor(hosts / workersOfRun) + (Math.floor(worker / runs) < hosts % workersOfRun ? 1 : 0);
  const inserted = await inWorkers(
    Array.from({ length: workers }, (_, worker) => ({
      phase: 'insert',
      store: access(worker),
      links,
      host: worker,
      hosts: share(worker),
    })),
  );
  console.log(`inserted ${requests} requests in ${inserted.seconds.toFixed(1)} s`);

  const admin = testClient(database.superuserUrl, { schema: SCHEMA });
  await admin.connect();
  const { rows: partitions } = await admin.query<{ part: string }>(
    `select to_char(first_day, 'YYYYMMDD') as part from day_partitions() where first_day <= $1 and next_day > $1`,
    [RUN_DAY],
  );
  const today = partitions[0]?.part;
  const sizes = async () =>
    (
      await admin.query<{ relation: string; bytes: string; dead: string }>(
        `select relname as relation, pg_total_relation_size(relid) as bytes, n_dead_tup as dead from pg_stat_user_tables
         where relname ~ '^(host|lane)' or relname in ('request_${today}', 'item_${today}') order by 1`,
      )
    ).rows;
  const functionSeconds = async () =>
    new Map(
      (
        await admin.query<{ name: string; seconds: number }>(
          `select funcname as name, total_time / 1000 as seconds from pg_stat_user_functions
           where funcname in ('claim_requests', 'commit_outcomes', 'reserve_host')`,
        )
      ).rows.map(({ name, seconds }) => [name, seconds] as const),
    );
  await using _snapshot = values.snapshot ? await openSnapshot(database.superuserUrl) : undefined;
  const before = await sizes();
  const functionsBefore = await functionSeconds();
  const postgresBefore = await processorSecondsOfEnded(server.pid);
  const gatewayBefore = await gatewayCpu(gateway);
  const { reports, seconds } = await inWorkers(
    Array.from({ length: workers }, (_, worker) => ({
      phase: 'crawl',
      store: access(worker),
      slots: Number(values.slots),
      batch: Number(values.batch),
    })),
  );
  const gatewayS = (await gatewayCpu(gateway)) - gatewayBefore;
  gateway?.child.kill('SIGTERM');
  await gateway?.ended;
  const after = await sizes();
  const functions = [...(await functionSeconds())].map(
    ([name, seconds]) => [name, Math.round(seconds - (functionsBefore.get(name) ?? 0))] as const,
  );
  // The checker reads what was committed, and knows nothing of how it came about.
  const { rows: checked } = await admin.query<{ items: string; pages: string; violations: string; closest: number }>(
    `select count(*) as items, count(distinct (run_id, url_key)) as pages, count(*) filter (where gap < $1) as violations,
       min(gap) as closest from (
       select run_id, url_key, (data->>'sentAt')::float8
         - lag((data->>'sentAt')::float8) over (partition by data->>'host' order by (data->>'sentAt')::float8) as gap
       from item) sends`,
    [0.8 * DELAY_MS],
  );
  // By now the sessions of the workers have ended.
  const postgresS = (await processorSecondsOfEnded(server.pid)) - postgresBefore;
  await admin.end();
  await operator.close();
  if (values.explain) console.log(server.log());

  const [check] = checked;
  if (Number(check?.items) !== requests || Number(check?.pages) !== requests) throw new Error('items are missing');
  const ends = reports.flatMap((report) => report.doneAt).sort(([a], [b]) => a - b);
  console.log(
    JSON.stringify({
      requests_per_s: Math.round(requests / seconds),
      p99_claim_ms: percentile(
        reports.flatMap((report) => report.claimMs),
        0.99,
      ),
      p99_commit_ms: percentile(
        reports.flatMap((report) => report.commitMs),
        0.99,
      ),
      inserts_per_s: Math.round(requests / inserted.seconds),
      violations: Number(check?.violations),
      closest_ms: Math.round((check?.closest ?? 0) * 10) / 10,
      claims: sum(reports.map(({ claimMs }) => claimMs.length)),
      claims_in_vain: sum(reports.map(({ vain }) => vain)),
      retaken: sum(reports.map(({ retaken }) => retaken)),
      worker_cpu_s: Math.round(sum(reports.map(({ cpuS }) => cpuS))),
      ...(gateway ? { gateway_cpu_s: Math.round(gatewayS * 10) / 10 } : {}),
      postgres_cpu_s: Math.round(postgresS * 10) / 10,
      postgres_cpu_ms_a_request: Math.round((postgresS / requests) * 10_000_000) / 10_000,
      // With the time that they waited for a processor.
      functions_s: Object.fromEntries(functions),
      decay: decay(ends, requests),
      requests,
      hosts,
      workers,
      runs,
      postgres: values.postgres,
      days: Number(values.days),
      gateway: values.gateway,
      snapshot: values.snapshot,
      growth: Object.fromEntries(
        after.map((table, index) => [
          table.relation,
          {
            mb: Math.round(Number(table.bytes) / 2 ** 20),
            grew: Math.round((Number(table.bytes) - Number(before[index]?.bytes)) / 2 ** 20),
            dead: Number(table.dead),
          },
        ]),
      ),
    }),
  );
}

async function gatewayCpu(gateway: GatewayProcess | undefined): Promise<number> {
  return gateway === undefined ? 0 : processorSeconds(gateway.child.pid ?? 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return Math.round((values[Math.floor(values.length * share)] ?? 0) * 10) / 10;
}

/** 1 - the speed of the last tenth of the requests over that of the first. */
function decay(ends: readonly [number, number][], requests: number): number {
  const tenth = requests / 10;
  let count = 0;
  const marks: number[] = [ends[0]?.[0] ?? 0];
  for (const [at, completed] of ends) {
    count += completed;
    if (count >= marks.length * tenth) marks.push(at);
  }
  const duration = (index: number) => (marks[index] ?? 0) - (marks[index - 1] ?? 0);
  return Math.round((1 - duration(1) / duration(10)) * 1_000) / 1_000;
}
