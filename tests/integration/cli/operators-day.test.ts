// A day of somebody who looks after crawls, by the plugin and the API alone: a schedule breaks at night, and is brought in order. On a real
// API server with the controllers that make pods, the real operator, PostgreSQL and Trawler's server. There is no kubelet: the test is
// what runs in a pod, and the site that answers with errors.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { type ApiServer, startServer } from '#src/server/server.ts';
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { databaseHeartbeats, databaseWorkerStore } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { JOB_SETTINGS } from '../../support/job-settings.ts';
import { pluginProgram } from '../../support/plugin-program.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { connect, type RunningOperator, startOperator } from '../../support/running-operator.ts';
import { heartbeat } from '../store/fixture.ts';

const never = new AbortController().signal;
const HOST = 'shop.example';
/** On the night of the test the shop answers with errors below /new, and for good below /archive. */
const PAGES = ['/', '/a', '/b', '/new/1', '/new/2', '/archive/1', '/archive/2'].map((path) => `http://${HOST}${path}`);

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;
let store: ServerStore;
let server: ApiServer;
let token: string;
let pager: Awaited<ReturnType<typeof startPager>>;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(18)]);
  await installCrds(cluster);
  database = await postgres.createDatabase({ createRole: true });
  pager = await startPager();
  const settings = { ...JOB_SETTINGS, allowedAddresses: [`127.0.0.1:${pager.port}`] };
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl, { settings });
  const metrics = createKubeMetrics(createRegistry());
  const logger = createLogger('server-test', 'fatal');
  const api = connect(cluster.kubeconfigPath);
  const databaseUrl = await vi.waitFor(() => operator.store.serverDatabaseUrl(never), { timeout: 60_000 });
  store = createServerStore({ databaseUrl, schema: 'trawler', poolSize: 2 });
  server = await startServer({
    ...{ api, port: 0, identity: 'server', systemNamespace: 'default', metrics, logger, store },
  });
  await kubectl(['create', 'serviceaccount', 'keeper']);
  await kubectl(['create', 'clusterrolebinding', 'keeper', '--clusterrole=admin', '--serviceaccount=default:keeper']);
  await kubectl([
    'create',
    'clusterrole',
    'crawls',
    '--verb=*',
    '--resource=crawlruns.trawler.dev,crawlschedules.trawler.dev',
  ]);
  await kubectl(['create', 'clusterrolebinding', 'crawls', '--clusterrole=crawls', '--serviceaccount=default:keeper']);
  token = (await kubectl(['create', 'token', 'keeper'])).trim();
}, 120_000);
afterAll(async () => {
  await operator?.stop();
  await server?.close(1_000);
  await store?.close();
  pager?.close();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const options = input === undefined ? {} : { input: JSON.stringify(input) };
  return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], options)).stdout;
}

/** What wakes people up: a receiver of notifications. */
async function startPager() {
  const calls: { type: string; data: { run: string } }[] = [];
  const http = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    calls.push(JSON.parse(body));
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as { port: number };
  return { calls, port, close: () => void http.close() };
}

/** What the plugin prints; it has to end well. */
async function trawler(...words: string[]): Promise<string> {
  const { stdout } = await execa(process.execPath, [await pluginProgram(), ...words], {
    env: {
      ...{ KUBECONFIG: cluster.kubeconfigPath, TRAWLER_TOKEN: token },
      TRAWLER_SERVER: `http://127.0.0.1:${server.port}`,
    },
  });
  return stdout;
}

type Alert = { readonly alertId: string; readonly event: string; readonly run: string };

async function alerts(...words: string[]): Promise<Alert[]> {
  return (JSON.parse(await trawler('alerts', 'list', '-o', 'json', ...words)) as { items: Alert[] }).items;
}

const eventually = <T>(assertion: () => Promise<T>) => vi.waitFor(assertion, { timeout: 60_000, interval: 200 });
const untilPhase = (run: string, phase: string) =>
  eventually(async () =>
    expect(await trawler('describe', `run/${run}`)).toMatch(new RegExp(`^Phase: +${phase}\\b`, 'm')),
  );

/** What runs in the run's pod. */
async function workerOf(run: string) {
  const workerId = await eventually(async () => {
    const selector = ['-l', `batch.kubernetes.io/job-name=${run}`, '-o', 'jsonpath={.items[0].metadata.uid}'];
    const uid = await kubectl(['get', 'pods', ...selector]);
    expect(uid).not.toBe('');
    return uid;
  });
  const encoded = await kubectl(['get', 'secret', run, '-o', 'jsonpath={.data.token}']);
  const databaseUrl = await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl);
  const access = { databaseUrl, token: Buffer.from(encoded, 'base64').toString(), schema: 'trawler', workerId };
  const [calls, heartbeats] = [databaseWorkerStore(access), databaseHeartbeats(access)];
  await heartbeats.beat(heartbeat, never);
  return {
    ...calls,
    /** Crawls what it is given until there is no more; the paths that it has asked for. */
    async crawl(answer: (claim: Claim) => Outcome): Promise<string[]> {
      const asked: string[] = [];
      for (;;) {
        const result = await calls.claim(10, never);
        if (result.state === 'Claimed') {
          asked.push(...result.claims.map(({ url }) => new URL(url).pathname));
          await calls.commit(result.claims.map(answer), never);
        } else if (result.state === 'Wait' && !(await isEmpty())) await new Promise((wake) => setTimeout(wake, 50));
        else return asked.toSorted();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([calls.close(), heartbeats.close()]);
    },
  };

  /** Nothing waits any more. */
  async function isEmpty(): Promise<boolean> {
    const rows = await store.sources({ namespace: 'default', run }, { limit: 1 }, never);
    return (rows[0]?.waiting ?? 0) + (rows[0]?.inProgress ?? 0) === 0;
  }
}

const done = (claim: Claim): Outcome => {
  const items = [{ path: new URL(claim.url).pathname }];
  return { type: 'done', claim, items, links: [], facts: { status: 200 } };
};
const dead = (claim: Claim): Outcome => {
  const message = 'HTTP 503';
  return { type: 'dead', claim, cause: 'HttpError', message, facts: { status: 503 } };
};
const isBroken = ({ url }: Claim) => url.includes('/new/') || url.includes('/archive/');

test('a schedule that broke at night is brought in order by plugin and API alone', async () => {
  const receiver = { name: 'pager', url: `http://127.0.0.1:${pager.port}/`, events: ['Partial', 'Failed'] };
  const sources = [{ name: 'shop', urls: [PAGES[0]] }];
  await kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name: 'shop', namespace: 'default' } },
    spec: {
      ...{ schedule: '0 3 * * *', notifications: [receiver] },
      runTemplate: { spec: { sources, politeness: { requestsPerSecond: 1_000 }, timeoutSeconds: 3_600 } },
    },
  });

  // The night: four of seven pages die.
  const { runs } = JSON.parse(await trawler('--json', 'run', 'shop')) as { runs: string[] };
  const night = runs[0] ?? '';
  {
    await using worker = await workerOf(night);
    const seeds = PAGES.map((url) => ({ source: 'shop', url, host: HOST, depth: 0 }));
    await worker.seed(seeds, never);
    await worker.crawl((claim) => (isBroken(claim) ? dead(claim) : done(claim)));
    expect(await worker.finish(never)).toBe(true);
  }

  // The pager goes off, and names the run.
  await eventually(async () => expect(pager.calls.map(({ type }) => type)).toEqual(['run.partial']));
  expect(JSON.stringify(pager.calls[0]?.data)).toContain(night);

  // What has happened? One trouble is open, and nobody is at it yet.
  const open = await alerts();
  expect(open).toMatchObject([{ event: 'Partial', run: night, schedule: 'shop', items: 3 }]);
  await untilPhase(night, 'Partial');
  expect(await trawler('describe', 'shop')).toMatch(new RegExp(`^ {2}${night} +Manual +Partial +7 +4 +3`, 'm'));
  expect(await trawler('explain', night)).toMatch(/SomeRequestsFailed.*\n.*retry the dead letters/);
  const letters = JSON.parse(await trawler('dead', 'list', night, '-o', 'json')) as { items: { url: string }[] };
  expect(letters.items.map(({ url }) => new URL(url).pathname).toSorted()).toEqual([
    ...['/archive/1', '/archive/2', '/new/1', '/new/2'],
  ]);

  // Its dead letters again, but gently, and without what is gone for good.
  await trawler('retry', night, '--dead');
  const retry = `${night}-retry-1`;
  {
    await using worker = await workerOf(retry);
    await untilPhase(retry, 'Running');
    await trawler('set', 'rate', retry, '500');
    await trawler('exclude', retry, `http://${HOST}/archive/**`);
    await eventually(async () => {
      const counts = JSON.parse(await trawler('sources', retry, '-o', 'json')) as { items: object[] };
      expect(counts.items).toEqual([expect.objectContaining({ skipped: 2, waiting: 2 })]);
    });
    expect(
      await kubectl(['get', 'events', '--field-selector=reason=SpecChanged', '-o', 'jsonpath={.items[*].message}']),
    ).toMatch(/requestsPerSecond/);

    // The shop is not well yet: they die once more, and are queued again when it is.
    expect(await worker.crawl(dead)).toEqual(['/new/1', '/new/2']);
    expect(await trawler('dead', 'requeue', retry, '--all')).toContain('2 dead letters');
    expect(await worker.crawl(done)).toEqual(['/new/1', '/new/2']);
    expect(await worker.finish(never)).toBe(true);
  }
  await untilPhase(retry, 'Succeeded');

  // The trouble has been seen: it is open no more, and whoever looks later finds who has seen it.
  const [trouble] = open;
  const words = ['alerts', 'ack', trouble?.alertId ?? '', '--note', 'new ones crawled again, the archive moves'];
  expect(await trawler(...words)).toBe(`alert ${trouble?.alertId} acknowledged`);
  expect(await trawler(...words)).toBe(`alert ${trouble?.alertId} had been acknowledged before`);
  expect(await alerts('--schedule', 'shop')).toEqual([]);
  expect(await alerts('--all')).toMatchObject([
    {
      ...{ event: 'Partial', run: night, note: 'new ones crawled again, the archive moves' },
      acknowledgedBy: 'system:serviceaccount:default:keeper',
    },
  ]);

  // Until the archive is there again, nobody is to be woken up for it.
  await trawler('suspend', 'shop', '--note', 'the archive moves', '--until', '8h');
  await eventually(async () => expect(await trawler('describe', 'schedule/shop')).toMatch(/the archive moves/));
  await trawler('resume', 'schedule/shop');

  // What there is goes to those who wait for it.
  expect(await trawler('history', 'shop', '-o', 'csv')).toMatch(new RegExp(`${retry}[^\\n]*\\n[^\\n]*${night}`));
  const exported = async (run: string) => {
    const path = `/api/v1/namespaces/default/runs/${run}/export?format=jsonl`;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
    return (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).data.path as string);
  };
  expect([...(await exported(night)), ...(await exported(retry))].toSorted()).toEqual([
    '/',
    '/a',
    '/b',
    '/new/1',
    '/new/2',
  ]);
  expect(pager.calls).toHaveLength(1);
}, 240_000);
