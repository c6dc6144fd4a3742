// The plugin's commands that ask Trawler's server: by its URL, and by the API server's proxy of its Service, with a kubeconfig alone.
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type ServerFixture, startFixture } from '../server/fixture.ts';
import { claimSome, FAST, type Installation, install, never, urls } from '../store/fixture.ts';

const PAGES = 3;
let postgres: PostgresServer;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let run: string;

beforeAll(async () => {
  postgres = await startPostgres(18, { fsync: false });
  installation = await install(postgres);
  store = createServerStore({
    ...{ databaseUrl: await installation.operator.serverDatabaseUrl(never), schema: 'trawler', poolSize: 2 },
  });
  server = await startFixture({ store });
  token = await server.account('default', 'reader', [{ resources: ['crawlruns'], verbs: ['get', 'list'] }]);
  run = await crawl();
});
afterAll(async () => {
  await server?.stop();
  await store?.close();
  await installation?.[Symbol.asyncDispose]();
  await postgres?.stop();
});

/** A run of the schedule "shop" whose first pages give an item each and whose last one dies; its name. */
async function crawl(): Promise<string> {
  const created = await installation.createRun({ ...FAST, scheduleName: 'shop' });
  const worker = created.worker();
  await worker.seed(urls(PAGES), never);
  for (let done = 0; done < PAGES; ) {
    const outcomes = (await claimSome(worker, PAGES - done)).map((claim) => {
      done += 1;
      const facts = { status: 200, bytes: 10 };
      return done === PAGES
        ? { type: 'dead' as const, claim, cause: 'HttpError' as const, message: 'gone', facts }
        : { type: 'done' as const, claim, items: [{ n: done, text: '=1+1' }], links: [], facts };
    });
    await worker.commit(outcomes, never);
  }
  await worker.finish(never);
  const { rows } = await installation.admin.query<{ name: string }>('select name from run');
  return rows[0]?.name ?? '';
}

/** Exit code and what was printed. */
async function trawler(...args: string[]) {
  const program = join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts');
  const { exitCode, stdout, stderr } = await execa(process.execPath, [program, ...args], {
    env: { KUBECONFIG: server.cluster.kubeconfigPath },
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

const byUrl = () => ['--server', server.url, '--token', token];

test('items of a run or of a schedule come as a table, JSON, JSON Lines or CSV', async () => {
  const table = await trawler('items', run, ...byUrl());
  expect(table).toMatchObject({ exitCode: 0, stderr: '' });
  expect(table.stdout.split('\n')).toEqual([
    expect.stringMatching(/^TIME +RUN +SOURCE +URL +DATA$/),
    ...Array.from({ length: PAGES - 1 }, () => expect.stringMatching(/Z +\S+ +site +http\S+ +\{"n":\d/)),
  ]);
  const lines = (await trawler('items', 'shop', '-o', 'jsonl', '--limit', '1', ...byUrl())).stdout.split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ run, source: 'site' })]);
  const { stdout: json } = await trawler('items', run, '-o', 'json', ...byUrl());
  expect(JSON.parse(json)).toMatchObject({ items: [{ run }, { run }] });
  const { stdout: csv } = await trawler('items', run, '-o', 'csv', ...byUrl());
  expect(csv.split('\n')[0]).toBe('itemId,run,source,url,time,n,text');
  expect(csv).toContain(",'=1+1");
  expect(await trawler('items', 'none', ...byUrl())).toMatchObject({ exitCode: 0, stderr: 'nothing was found' });
});

test('dead letters are listed with cause and message', async () => {
  const { stdout, exitCode } = await trawler('dead', 'list', run, ...byUrl());
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^TIME .*\n.* site +HttpError +\d+ +http\S+ +gone$/)]);
  const other = await trawler('dead', 'list', run, '--cause', 'Timeout', '-o', 'json', ...byUrl());
  expect(JSON.parse(other.stdout)).toEqual({ items: [] });
});

test('dead letters of a run that lives are queued again or, with --yes, cleared; which ones has to be said', async () => {
  const name = 'alive';
  const live = await installation.createRun(FAST, { runId: await server.crawlRun(name), name });
  const worker = live.worker();
  await worker.seed(urls(3), never);
  for (const claim of await claimSome(worker, 3)) {
    await worker.commit([{ type: 'dead', claim, cause: 'Timeout', message: 'no answer' }], never);
  }
  const rights = [{ resources: ['crawlruns'], verbs: ['get', 'retry', 'clear'] }];
  const keeper = ['--server', server.url, '--token', await server.account('default', 'keeper', rights)];
  expect(await trawler('dead', 'requeue', name, ...keeper)).toMatchObject({
    ...{ exitCode: 1, stderr: expect.stringContaining('--all') },
  });
  expect(await trawler('dead', 'requeue', name, '--url', 'http://site.test/page1', ...keeper)).toEqual({
    ...{ exitCode: 0, stderr: '', stdout: '1 dead letters of crawlrun.trawler.dev/alive queued again' },
  });
  expect(await trawler('dead', 'clear', name, '--host', 'site.test', ...keeper)).toMatchObject({
    ...{ exitCode: 1, stderr: expect.stringContaining('this skips 2 dead letters of CrawlRun "alive" for good') },
  });
  expect(await trawler('--json', 'dead', 'clear', name, '--host', 'site.test', '--yes', ...keeper)).toEqual({
    ...{ exitCode: 0, stderr: '', stdout: '{"cleared":2}' },
  });
  expect(await trawler('dead', 'clear', name, '--all', ...keeper)).toMatchObject({
    ...{ exitCode: 0, stdout: '0 dead letters of crawlrun.trawler.dev/alive cleared' },
  });
  expect(await trawler('dead', 'clear', name, '--all', ...byUrl())).toMatchObject({
    ...{ exitCode: 1, stderr: expect.stringContaining('may not clear crawlruns') },
  });
  const { rows } = await installation.admin.query('select state, reason from request where run_id = $1 order by url', [
    live.runId,
  ]);
  expect(rows).toEqual([
    { state: 'skipped', reason: 'Cleared' },
    { state: 'queued', reason: null },
    { state: 'skipped', reason: 'Cleared' },
  ]);
});

test('a kubeconfig reaches the server through the proxy of its Service, with the rights of its token', async () => {
  const missing = await trawler('items', run, '--token', token);
  expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('server.enabled=true') });
  await serve();
  const found = await trawler('items', run, '-o', 'json', '--token', token);
  expect(found).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(found.stdout)).toMatchObject({ items: [{ run }, { run }] });
  const weak = await server.account('default', 'weak', []);
  const refused = await trawler('items', run, '--token', weak);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('may not get crawlruns') });
  const cannotReach = await trawler('--as', 'stranger', 'items', run, '--token', token);
  expect(cannotReach).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('services/proxy "trawler-server:http" in namespace trawler-system'),
  });
  const inSystem = ['-n', 'trawler-system'];
  const right = ['--verb=get', '--resource=services/proxy', '--resource-name=trawler-server:http'];
  await server.kubectl(['create', 'role', 'callers', ...inSystem, ...right]);
  await server.kubectl(['create', 'rolebinding', 'callers', ...inSystem, '--role=callers', '--user=stranger']);
  expect(await trawler('--as', 'stranger', 'items', run, '--token', token)).toMatchObject({ exitCode: 0, stderr: '' });
});

test('a kubeconfig without a token says how to give one, and --as goes no further than Kubernetes', async () => {
  expect(await trawler('items', run)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('kubectl create token'),
  });
  expect(await trawler('--as', 'jane', 'items', run)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('--as does not reach'),
  });
});

test('a server that does not answer is named', async () => {
  const { exitCode, stderr } = await trawler('items', run, '--server', 'http://127.0.0.1:1', '--token', token);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('http://127.0.0.1:1 does not answer')]);
});

/** The Service of the chart in front of the test's own server, which takes the place of a pod; loopback is passed nothing. */
async function serve(): Promise<void> {
  const ip = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  const namespace = 'trawler-system';
  const metadata = { name: 'trawler-server', namespace };
  const port = Number(new URL(server.url).port);
  await server.kubectl(['create', 'namespace', namespace]);
  await server.kubectl(['create', 'serviceaccount', 'default', '-n', namespace]);
  await server.kubectl(['apply', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'server', image: 'server' }] } },
      { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'http', port: 80, targetPort: port }] } },
      {
        ...{ apiVersion: 'v1', kind: 'Endpoints', metadata },
        subsets: [
          {
            addresses: [{ ip, targetRef: { kind: 'Pod', name: metadata.name, namespace } }],
            ports: [{ name: 'http', port }],
          },
        ],
      },
    ],
  });
  const status = JSON.stringify({ status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] } });
  await server.kubectl(['patch', 'pod', metadata.name, '-n', namespace, '--subresource=status', '--patch', status]);
}
