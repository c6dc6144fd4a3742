// One server per version and file, one database per test, and short ways to runs, workers and what is stored.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type {
  Claim,
  Discovery,
  FailureCause,
  Heartbeat,
  HeartbeatStore,
  Outcome,
  WorkerStore,
} from '#src/gateway/protocol/worker-store.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import type { Acceptance, OperatorStore } from '#src/store/operator-store.ts';
import { createOperatorStore, type OperatorStoreOptions } from '#src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '#src/store/run-token.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testPool } from '../../support/database-connections.ts';
import { gatewayHeartbeats, gatewayWorkerStore, startTestGateway } from '../../support/gateway.ts';
import type { PostgresServer, TestDatabase } from '../../support/postgres.ts';

export const SCHEMA = 'trawler';
export const RUN_DAY = '2026-11-22';
export const never = new AbortController().signal;

export type Installation = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly operator: OperatorStore;
  /** As the database's superuser: sees everything, for checks. */
  readonly admin: pg.Pool;
  readonly workerUrl: string;
  readonly gatewayUrl: string;
  createRun(spec?: Partial<CrawlRunSpecInput>, options?: RunOptions): Promise<TestRun>;
};

export type RunOptions = {
  readonly runId?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly scheduleUid?: string;
  readonly runDay?: string;
  readonly deadLettersOf?: string;
  readonly causes?: readonly FailureCause[];
  readonly image?: string;
};

export type TestRun = {
  readonly runId: string;
  readonly acceptance: Acceptance;
  readonly token: string;
  readonly spec: ReturnType<typeof crawlRunSpec.parse>;
  worker(workerId?: string): WorkerStore & { readonly workerId: string };
  heartbeats(workerId: string): HeartbeatStore;
};

/** A migrated database of its own. */
export async function install(
  server: PostgresServer,
  options: Partial<OperatorStoreOptions> = {},
): Promise<Installation> {
  const database = await server.createDatabase();
  const operator = createOperatorStore({
    databaseUrl: database.ownerUrl,
    schema: SCHEMA,
    logger: createLogger('test', 'fatal'),
    ...options,
  });
  await operator.migrate(never);
  const workerUrl = await operator.gatewayDatabaseUrl(never);
  const gateway = await startTestGateway({
    ...{ databaseUrl: workerUrl, schema: SCHEMA },
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  const admin = testPool(database.superuserUrl, { max: 3, schema: SCHEMA });
  const closers: (() => Promise<void>)[] = [];

  const createRun = async (spec: Partial<CrawlRunSpecInput> = {}, run: RunOptions = {}): Promise<TestRun> => {
    const runId = run.runId ?? randomUUID();
    const token = createToken();
    const resolved = crawlRunSpec.parse({ sources: [{ name: 'site', urls: ['http://site.test/'] }], ...spec });
    const acceptance = await operator.acceptRun(
      {
        runId,
        runDay: run.runDay ?? RUN_DAY,
        namespace: run.namespace ?? 'default',
        name: run.name ?? `run-${runId.slice(0, 8)}`,
        ...(run.scheduleUid === undefined ? {} : { scheduleUid: run.scheduleUid }),
        ...(run.deadLettersOf === undefined ? {} : { deadLettersOf: run.deadLettersOf }),
        ...(run.causes === undefined ? {} : { causes: run.causes }),
        ...(run.image === undefined ? {} : { image: run.image }),
        specVersion: 1,
        spec: resolved,
        tokenHash: hashToken(token),
      },
      never,
    );
    const access = { gatewayUrl: gateway.url, token };
    return {
      runId,
      acceptance,
      token,
      spec: resolved,
      worker(workerId = randomUUID()) {
        const store = gatewayWorkerStore({ ...access, workerId });
        let closed: Promise<void> | undefined;
        // A test may have closed it.
        const close = () => (closed ??= store.close());
        closers.push(close);
        return { ...store, close, workerId };
      },
      heartbeats(workerId) {
        const store = gatewayHeartbeats({ ...access, workerId });
        closers.push(() => store.close());
        return store;
      },
    };
  };

  return {
    database,
    operator,
    admin,
    workerUrl,
    gatewayUrl: gateway.url,
    createRun,
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      await gateway[Symbol.asyncDispose]();
      await operator.close();
      await admin.end();
    },
  };
}

/** Fast enough that politeness never makes a test wait. */
export const FAST = { politeness: { requestsPerSecond: 10_000 } } as const;

/** `count` URLs over `hosts` hosts of a source. */
export function urls(count: number, { hosts = 1, source = 'site', depth = 0, prefix = 'page' } = {}): Discovery[] {
  return Array.from({ length: count }, (_, index) => {
    const host = hosts === 1 ? 'site.test' : `host${index % hosts}.test`;
    return { source, url: `http://${host}/${prefix}${index}`, host, depth };
  });
}

export const heartbeat: Heartbeat = {
  state: 'Crawling',
  podName: 'pod-0',
  nodeName: 'node-0',
  pagesInFlight: 1,
  concurrency: 2,
  currentUrl: 'http://site.test/page0',
  idleMs: 0,
  rssBytes: 1,
  errors: 0,
};

export function done(claim: Claim, links: readonly Discovery[] = []): Outcome {
  return { claim, type: 'done', items: [{ url: claim.url }], links, facts: { status: 200 } };
}

/** The claims of one call; waits out what the store tells to wait, fails when the run has ended. */
export async function claimSome(worker: WorkerStore, slots: number): Promise<readonly Claim[]> {
  for (;;) {
    const result = await worker.claim(slots, never);
    if (result.state === 'Claimed') return result.claims;
    if (result.state !== 'Wait') throw new Error(`nothing to claim: ${JSON.stringify(result)}`);
    await new Promise((resolve) => setTimeout(resolve, result.retryInMs));
  }
}

export type WorkLog = { readonly claims: Claim[]; readonly refused: string[] };

/** Claims and completes until the run is finished, as a worker does; `complete` says how each claim ends. */
export async function workUntilFinished(
  worker: WorkerStore,
  slots = 5,
  complete: (claim: Claim) => Outcome = (claim) => done(claim),
): Promise<WorkLog> {
  const log: WorkLog = { claims: [], refused: [] };
  for (;;) {
    const result = await worker.claim(slots, never);
    if (result.state === 'Finished') return log;
    if (result.state === 'Stopping') throw new Error(`stopped: ${result.reason}`);
    if (result.state === 'Unseeded') throw new Error('the seeds are lost');
    if (result.state === 'Wait') {
      if (await worker.finish(never)) return log;
      await new Promise((resolve) => setTimeout(resolve, result.retryInMs));
      continue;
    }
    log.claims.push(...result.claims);
    const ours = await worker.commit(result.claims.map(complete), never);
    log.refused.push(...result.claims.filter((claim) => !ours.has(claim.requestId)).map((claim) => claim.url));
  }
}

/** The counters of a run beside what they count. Nothing is queued before the beginning of its lane's queue. */
export async function countersAndTruth(installation: Installation, runId: string): Promise<[object, object]> {
  const { rows: counted } = await installation.admin.query(
    `select sum(discovered)::int as total, sum(leased)::int as leased, sum(succeeded)::int as done,
       sum(failed)::int as dead, sum(skipped)::int as skipped, sum(places)::int as places, sum(items)::int as items,
       (select sum(queued)::int from lane where run_id = $1) as queued,
       (select sum(retries)::int from lane where run_id = $1) as retries, 0 as before_queue
     from progress where run_id = $1`,
    [runId],
  );
  const { rows: stored } = await installation.admin.query(
    `select count(*)::int as total, count(*) filter (where state = 'leased')::int as leased,
       count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'dead')::int as dead,
       count(*) filter (where state = 'skipped')::int as skipped, count(*) filter (where has_place)::int as places,
       (select count(*)::int from item where run_id = $1) as items,
       count(*) filter (where state = 'queued')::int as queued,
       count(*) filter (where state = 'queued' and has_place)::int as retries,
       count(*) filter (where state = 'queued' and case when has_place then available_at < retries_from
         else (priority, available_at) < (front_priority, front_from) end)::int as before_queue
     from request left join lane using (run_id, lane_id) where run_id = $1`,
    [runId],
  );
  return [counted[0], stored[0]];
}
