// How often the status of one busy run is written: what the API server's audit log counted while a worker committed page
// after page.
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Secret } from '#src/kube/builtin-types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { auditEvents, succeeded } from '../../support/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { databaseHeartbeats, databaseWorkerStore } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator } from '../../support/running-operator.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;

beforeAll(async () => {
  const options = { controllerManager: true, audit: true };
  [cluster, postgres] = await Promise.all([startControlPlane(options), startPostgres(15)]);
  await installCrds(cluster);
  database = await postgres.createDatabase({ createRole: true });
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl);
});
afterAll(async () => {
  await operator?.stop();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

const read = async () =>
  JSON.parse(await kubectl(['get', 'crawlrun', 'busy', '-n', 'default', '-o', 'json'])) as CrawlRun;

/** Times of the status writes of the run, in milliseconds since 1970. */
async function statusWrites(): Promise<number[]> {
  const times: number[] = [];
  for await (const event of auditEvents(cluster.auditLogPath)) {
    const { objectRef, verb, stageTimestamp } = event;
    if (objectRef?.name === 'busy' && objectRef.subresource === 'status' && verb === 'patch' && succeeded(event)) {
      times.push(Date.parse(stageTimestamp));
    }
  }
  return times;
}

test('a run whose worker commits all the time is written at most every two seconds', async () => {
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  const spec = {
    sources: [{ name: 'shop', urls: ['http://shop.example/'] }],
    ...{ politeness: { requestsPerSecond: 10_000 }, limits: { maxPages: 100_000 } },
  };
  await kubectl(['apply', '-f', '-'], { ...kind, metadata: { name: 'busy', namespace: 'default' }, spec });
  await kubectl(['wait', '-n', 'default', '--for=condition=JobCreated', 'crawlrun/busy', '--timeout=60s']);
  const secret = JSON.parse(await kubectl(['get', 'secret', 'busy', '-n', 'default', '-o', 'json'])) as Secret;
  const pod = JSON.parse(await kubectl(['get', 'pods', '-n', 'default', '-o', 'json'])).items[0].metadata;
  const decode = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const access = {
    ...{
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: decode('token'),
    },
    ...{ workerId: pod.uid as string },
  };
  const signal = AbortSignal.timeout(120_000);
  const heartbeats = databaseHeartbeats(access);
  const worker = databaseWorkerStore(access);
  try {
    const figures = { pagesInFlight: 0, concurrency: 1, idleMs: 0, rssBytes: 0, errors: 0 };
    await heartbeats.beat({ state: 'Crawling', podName: pod.name, nodeName: 'none', ...figures }, signal);
    const page = (n: number) => ({ source: 'shop', url: `http://shop.example/${n}`, host: 'shop.example', depth: 0 });
    await worker.seed(
      Array.from({ length: 5_000 }, (_, n) => page(n)),
      signal,
    );
    await vi.waitFor(async () => expect((await read()).status?.phase).toBe('Running'), { timeout: 60_000 });

    const begin = Date.now();
    let written: number[] = [];
    let commits = 0;
    // Until the status has been written several times since.
    while (written.length < 4) {
      const claimed = await worker.claim(1, signal);
      if (claimed.state === 'Claimed') {
        const claims = claimed.claims.map((claim) => ({
          claim,
          type: 'done' as const,
          items: [{ n: commits }],
          links: [],
        }));
        await worker.commit(claims, signal);
        commits += claims.length;
      }
      if (commits % 20 === 0) written = (await statusWrites()).filter((time) => time > begin);
    }
    expect(commits).toBeGreaterThan(100);
    const gaps = written.slice(1).map((time, index) => time - (written[index] ?? time));
    // The operator measures from one answer to the next request: a slow answer shortens what the API server sees.
    expect(Math.min(...gaps)).toBeGreaterThan(1_500);
  } finally {
    await Promise.all([worker.close(), heartbeats.close()]);
  }
}, 180_000);
