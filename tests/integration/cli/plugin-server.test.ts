// The plugin's commands that ask Trawler's server: by its URL, and by the API server's proxy of its Service, with a kubeconfig alone.
import { networkInterfaces } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { pluginProgram } from '../../support/plugin-program.ts';
import { finishedCrawl } from '../server/finished-crawl.ts';
import type { ServerFixture } from '../server/fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from '../server/server-on-database.ts';
import { claimSome, FAST, heartbeat, type Installation, never, urls } from '../store/fixture.ts';

const PAGES = 3;
let program: string;
let started: ServerOnDatabase;
let installation: Installation;
let server: ServerFixture;
let token: string;
let earlier: string;
let run: string;

beforeAll(async () => {
  program = await pluginProgram();
  started = await startServerOnDatabase();
  ({ installation, server } = started);
  token = await server.account('default', 'reader', [{ resources: ['crawlruns'], verbs: ['get', 'list'] }]);
  earlier = await finishedCrawl(installation, PAGES, (n) => ({ n, text: 'old' }));
  run = await finishedCrawl(installation, PAGES, (n) => ({ n, text: '=1+1' }));
});
afterAll(() => started?.stop());

/** Exit code and what was printed. */
async function trawler(...args: string[]) {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [program, ...args], {
    env: { KUBECONFIG: server.cluster.kubeconfigPath },
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

/** One that goes on: what it has said on standard error, and its end. */
function trawlerProcess(...args: string[]) {
  const child = execa(process.execPath, [program, ...args], {
    env: { KUBECONFIG: server.cluster.kubeconfigPath },
    reject: false,
  });
  let said = '';
  child.stderr.on('data', (part) => {
    said += part;
  });
  return {
    output: () => said,
    async end() {
      const { exitCode, stdout } = await child;
      return { exitCode, stdout };
    },
  };
}

/** As the operator would. */
async function writeStatus(name: string, status: object): Promise<void> {
  const patch = JSON.stringify({ status });
  await server.kubectl(['patch', 'crawlrun', name, '--subresource=status', '--type=merge', '--patch', patch]);
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
  // The host has refused a page and is asked slowly.
  for (let left = 3; left > 0; ) {
    const claims = await claimSome(worker, left);
    left -= claims.length;
    const dead = claims.map((claim) => ({
      type: 'dead' as const,
      claim,
      cause: 'Timeout' as const,
      message: 'no answer',
    }));
    await worker.commit(dead, never);
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

test('sources, workers and hosts of a run are listed', async () => {
  const lines = async (...args: string[]) => (await trawler(...args, ...byUrl())).stdout.split('\n');
  expect(await lines('sources', run)).toEqual([
    expect.stringMatching(/^SOURCE +RESULT +DONE /),
    expect.stringMatching(/^site +Partial +100% +3 +0 +0 +2 +1 +0 +2$/),
  ]);
  expect(await lines('workers', run)).toEqual([
    expect.stringMatching(/^POD +NODE +STATE /),
    expect.stringMatching(/^pod-0 +node-0 .* 0Mi /),
  ]);
  expect(await lines('hosts', run)).toEqual([
    expect.stringMatching(/^HOST +WAITING /),
    expect.stringMatching(/^site\.test +0 .* 4x +direct +1 +a captcha$/),
  ]);
  const { stdout: json } = await trawler('hosts', run, '-o', 'json', ...byUrl());
  expect(JSON.parse(json)).toMatchObject({ items: [{ host: 'site.test', blocks: 1 }] });
});

test('top shows the runs at work with their pages a second and the memory of their workers; watch follows one to its end', async () => {
  const name = 'busy';
  const live = await installation.createRun(FAST, { runId: await server.crawlRun(name), name });
  const worker = live.worker();
  await worker.seed(urls(60, { prefix: 'busy', hosts: 3 }), never);
  const beat = { ...heartbeat, rssBytes: 300 * 1_048_576 };
  await live.heartbeats(worker.workerId).beat(beat, never);
  await writeStatus(name, { phase: 'Running' });
  const crawl = async (pages: number) => {
    for (let left = pages; left > 0; ) {
      const claims = await claimSome(worker, left);
      left -= claims.length;
      await worker.commit(
        claims.map((claim) => ({
          ...{ type: 'done' as const, claim, items: [{ n: 1 }], links: [] },
          facts: { status: 200, bytes: 10 },
        })),
        never,
      );
    }
  };
  const top = trawler('top', '--over', '4s', '-o', 'json', ...byUrl());
  const pages = Array.from({ length: 30 }, () => crawl(1));
  for (const page of pages) await page;
  const { items } = JSON.parse((await top).stdout) as { items: { run: string; rate: number }[] };
  expect(items).toEqual([
    expect.objectContaining({ run: name, phase: 'Running', workers: 1, memoryBytes: 300 * 1_048_576, known: 60 }),
  ]);

  const watched = trawlerProcess('watch', name, ...byUrl());
  const seen = () => String(watched.output());
  await vi.waitFor(() => expect(seen()).toMatch(/^site: 30\/60 pages/m), { timeout: 30_000 });
  await crawl(30);
  await vi.waitFor(() => expect(seen()).toMatch(/^site: 60\/60 pages, .*; all that is known is done$/m), 30_000);
  const condition = { type: 'Finished', status: 'True', reason: 'Partial', message: 'x', observedGeneration: 1 };
  const conditions = [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }];
  await writeStatus(name, { phase: 'Partial', message: '60 succeeded, 2 failed', conditions });
  expect(await watched.end()).toMatchObject({ exitCode: 3, stdout: 'busy is Partial: 60 succeeded, 2 failed' });
  // A bar is written over and over with \r: a file would hold but one line.
  expect(seen()).not.toContain('\r');
  expect((await trawler('top', ...byUrl())).stderr).toBe('nothing was found');
}, 120_000);

test('watch follows the status of a run where no server answers', async () => {
  await server.crawlRun('alone');
  await writeStatus('alone', {
    ...{ phase: 'Succeeded', message: 'all done' },
    progress: { total: 4, done: 3, succeeded: 3, skipped: 1, items: 3 },
    conditions: [
      {
        ...{ type: 'Finished', status: 'True', reason: 'Succeeded', message: 'x', observedGeneration: 1 },
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  });
  expect(await trawler('watch', 'alone')).toEqual({
    ...{ exitCode: 0, stdout: 'alone is Succeeded: all done' },
    stderr: 'alone: 4/4 pages, 0.0/s, 3 items; nothing moves',
  });
  expect(await trawler('watch', 'nothing')).toMatchObject({
    ...{ exitCode: 1, stderr: 'error: there is no CrawlRun "nothing" in namespace default' },
  });
});

test('what has ended is told by the server: runs, one of them, and what it has changed', async () => {
  const rows = (await trawler('history', 'shop', ...byUrl())).stdout.split('\n');
  expect(rows.slice(1).map((row) => row.split(/ +/).slice(0, 3))).toEqual(
    [run, earlier].map((name) => [name, 'Manual', 'Partial']),
  );
  expect((await trawler('executions', 'shop', '--outcome', 'Failed', ...byUrl())).stderr).toBe('nothing was found');
  const { stdout: one } = await trawler('history', '--run', run, ...byUrl());
  expect(JSON.parse(one)).toMatchObject({ name: run, sources: [{ name: 'site' }], compared: { with: earlier } });
  expect(await trawler('history', '--run', 'none', ...byUrl())).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('nothing is kept of a run "none"'),
  });

  const changes = (await trawler('changes', run, '--kind', 'Url', ...byUrl())).stdout.split('\n');
  expect(changes.map((line) => JSON.parse(line))).toEqual(
    Array.from({ length: PAGES - 1 }, () => expect.objectContaining({ kind: 'Url', change: 'Changed' })),
  );
  const { stdout: counts } = await trawler('changes', run, '-o', 'counts', ...byUrl());
  expect(JSON.parse(counts)).toMatchObject({ with: earlier, urls: { changed: PAGES - 1 } });
  expect(await trawler('changes', earlier, ...byUrl())).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('is not compared'),
  });
});

test('logs come from the server, also of the newest run of a schedule', async () => {
  const messages = async (...args: string[]) => {
    const { stdout, stderr } = await trawler('logs', ...args, ...byUrl());
    return [stderr, ...stdout.split('\n').map((line) => JSON.parse(line).msg)];
  };
  expect(await messages(run, '--level', 'warn')).toEqual(['', 'page failed']);
  expect(await trawler('logs', 'shop@latest', ...byUrl())).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('there is no CrawlRun of "shop"'),
  });
  const sources = [{ name: 'site', urls: ['https://site.test/'] }];
  for (const [name, scheduleName] of [
    [run, 'shop'],
    ['other-1', 'other'],
  ] as const) {
    await server.kubectl(['apply', '-f', '-'], {
      ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name, namespace: 'default' } },
      spec: { scheduleName, sources },
    });
  }
  expect(await messages('shop@latest', '--tail', '1', '-f')).toEqual(['', 'page failed']);
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
