// Runs for the crawler's tests: a real PostgreSQL that accepts them as the operator does, a real gateway, and
// workers as processes.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { SPEC_VERSION } from '#src/resources/group.ts';
import type { OperatorStore, RunSnapshot, StoredItem } from '#src/store/operator-store.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '#src/store/run-token.ts';
import { startTestGateway } from '../../support/gateway.ts';
import { type LoggingProcess, startLoggingProcess } from '../../support/logging-process.ts';
import { type PostgresOptions, type PostgresServer, startPostgres } from '../../support/postgres.ts';

const SCHEMA = 'trawler';
const never = new AbortController().signal;

export type CrawlDatabase = AsyncDisposable & {
  readonly server: PostgresServer;
  readonly store: OperatorStore;
  /** For a look at the tables, and a hand in them. */
  readonly superuserUrl: string;
  accept(spec: CrawlRunSpecInput, options?: AcceptOptions): Promise<TestRun>;
};

export type AcceptOptions = { readonly specVersion?: number; readonly scheduleUid?: string };

export type TestRun = AsyncDisposable & {
  readonly runId: string;
  readonly runDay: string;
  /** What a pod of the run would be started with. */
  environment(extra?: Record<string, string>): Record<string, string>;
  snapshot(): Promise<RunSnapshot>;
  items(): Promise<readonly StoredItem[]>;
  startWorker(extra?: Record<string, string>): TestWorker;
};

export type TestWorker = LoggingProcess & { readonly workerId: string };

/** Starts a server, with the schema as the operator makes it, and a gateway before it. */
export async function startCrawlDatabase(options: PostgresOptions = {}): Promise<CrawlDatabase> {
  const server = await startPostgres(18, options);
  const database = await server.createDatabase();
  const store = createOperatorStore({
    databaseUrl: database.ownerUrl,
    schema: SCHEMA,
    logger: pino({ level: 'silent' }),
  });
  await store.migrate(never);
  const gateway = await startTestGateway({ databaseUrl: await store.gatewayDatabaseUrl(never), schema: SCHEMA });

  return {
    server,
    store,
    superuserUrl: database.superuserUrl,
    async accept(input, { specVersion = SPEC_VERSION, scheduleUid } = {}) {
      const runId = randomUUID();
      const runDay = new Date().toISOString().slice(0, 10);
      const token = createToken();
      await store.acceptRun(
        {
          runId,
          runDay,
          namespace: 'default',
          name: `run-${runId.slice(0, 8)}`,
          ...(scheduleUid === undefined ? {} : { scheduleUid }),
          specVersion,
          spec: crawlRunSpec.parse(input),
          tokenHash: hashToken(token),
        },
        never,
      );
      return createTestRun({ store, gatewayUrl: gateway.url, runId, runDay, token });
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await store.close();
      await server.stop();
    },
  };
}

type TestRunOptions = {
  readonly store: OperatorStore;
  readonly gatewayUrl: string;
  readonly runId: string;
  readonly runDay: string;
  readonly token: string;
};

async function createTestRun({ store, gatewayUrl, runId, runDay, token }: TestRunOptions): Promise<TestRun> {
  const credentials = await mkdtemp(path.join(tmpdir(), 'trawler-credentials-'));
  await writeFile(path.join(credentials, 'token'), token);
  const workers: TestWorker[] = [];

  function environment(extra: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: tmpdir(),
      TRAWLER_RUN_ID: runId,
      TRAWLER_RUN_DAY: runDay,
      TRAWLER_WORKER_ID: randomUUID(),
      TRAWLER_POD_NAME: 'pod',
      TRAWLER_NODE_NAME: 'node',
      TRAWLER_GATEWAY_URL: gatewayUrl,
      TRAWLER_LOG_LEVEL: 'debug',
      TRAWLER_ALLOWED_ADDRESSES: '',
      TRAWLER_CREDENTIALS_DIR: credentials,
      ...extra,
    };
  }

  return {
    runId,
    runDay,
    environment,
    async snapshot() {
      const found = (await store.snapshots(never, [runId])).get(runId);
      if (found === undefined) throw new Error('the run is not stored');
      return found;
    },
    items: () => store.firstItems(runId, 100_000, never),
    startWorker(extra) {
      const variables = environment(extra);
      const worker = {
        ...startLoggingProcess(['crawler-image/main.ts'], variables),
        workerId: variables['TRAWLER_WORKER_ID'] ?? '',
      };
      workers.push(worker);
      return worker;
    },
    async [Symbol.asyncDispose]() {
      for (const worker of workers) worker.process.kill('SIGKILL');
      await Promise.all(workers.map((worker) => worker.ended));
      await rm(credentials, { recursive: true });
    },
  };
}

/** Resolves when the condition holds; it is looked at every 20 ms, so the test ends as soon as it can. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 120_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
