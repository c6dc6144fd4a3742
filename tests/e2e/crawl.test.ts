// Real input, real pods: the PostgreSQL manual is crawled whole, by HTTP and in Chromium, by one worker and by two, and
// while pods are killed. The set of pages must always be the one that the files tell.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import type { Pod } from '../../src/kube/builtin-types.ts';
import { apply, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { accessesOf, deployManual, type ManualPage, manualPages, manualUrl } from './manual.ts';
import { itemsOf, requestsOf } from './results.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;
let pages: ReadonlyMap<string, ManualPage>;

beforeAll(async () => {
  namespace = await testNamespace('manual');
  await deployManual(namespace.name);
  pages = await manualPages(namespace.name);
});
afterAll(() => namespace?.remove());

const extract = {
  fields: [
    { name: 'title', selector: 'title' },
    { name: 'heading', selector: 'h1, h2, h3' },
  ],
};

/** Applies a run over the whole manual; its name is its user agent too. */
async function start(name: string, spec: Record<string, unknown>): Promise<void> {
  const { fetch, ...rest } = spec as { fetch?: object };
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: namespace.name },
    spec: {
      sources: [{ name: 'manual', urls: [`${manualUrl(namespace.name)}/index.html`], scope: { mode: 'Host' } }],
      fetch: { userAgent: name, ...fetch },
      politeness: { requestsPerSecond: 10_000 },
      extract,
      limits: { maxPages: 2_000 },
      concurrency: 4,
      heartbeat: { interval: '2s' },
      ...rest,
    },
  });
}

const read = (name: string) => getJson<CrawlRun>('crawlrun', name, '--namespace', namespace.name);

async function finished(name: string): Promise<CrawlRun> {
  await kubectl(
    'wait',
    '--for=condition=Finished',
    `crawlrun/${name}`,
    '--namespace',
    namespace.name,
    '--timeout=400s',
  );
  return read(name);
}

async function workersOf(name: string): Promise<Pod[]> {
  const selector = `trawler.dev/run=${name}`;
  const list = await getJson<{ items: Pod[] }>('pods', '--namespace', namespace.name, '--selector', selector);
  return list.items;
}

/** Waits until so many pages are done, and fails when the run ended before. */
async function untilDone(name: string, count: number): Promise<void> {
  await vi.waitFor(async () => expect((await read(name)).status?.progress?.done ?? 0).toBeGreaterThanOrEqual(count), {
    timeout: 180_000,
    interval: 300,
  });
  expect((await read(name)).status?.phase).toBe('Running');
}

/** Each page of the manual is stored once, with what the file says; status and Postgres agree. */
async function expectWholeManual(run: CrawlRun): Promise<void> {
  expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  const requests = await requestsOf(run.metadata.uid);
  const crawled = requests.filter((request) => request.state === 'done');
  expect(crawled.map((request) => request.url).toSorted()).toEqual([...pages.keys()].toSorted());
  const items = await itemsOf(run.metadata.uid);
  expect(items.length).toBe(pages.size);
  expect(new Map(items.map(({ url, data }) => [url, data]))).toEqual(pages);
  expect(run.status?.progress).toMatchObject({
    done: pages.size,
    succeeded: pages.size,
    failed: 0,
    skipped: requests.length - crawled.length,
    items: pages.size,
    queued: 0,
    inFlight: 0,
    percentage: '100.00%',
  });
  expect(run.status?.sources).toMatchObject([{ name: 'manual', state: 'Succeeded', succeeded: pages.size }]);
}

/** How often each page was asked for. */
async function visits(userAgent: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { path } of await accessesOf(namespace.name, userAgent)) counts.set(path, (counts.get(path) ?? 0) + 1);
  return counts;
}

/** As a crash does it; its container begins anew with the same files. */
async function crashPostgres(): Promise<void> {
  const pod = ['trawler-postgres-0', '--namespace', 'trawler-system'];
  const restarts = async () => {
    const { status } = await getJson<Pod>('pod', ...pod);
    const [container] = status?.containerStatuses ?? [];
    return container?.ready ? container.restartCount : undefined;
  };
  const before = (await restarts()) ?? 0;
  await kubectl('exec', ...pod, '--', 'sh', '-c', 'kill -QUIT 1');
  await vi.waitFor(async () => expect(await restarts()).toBe(before + 1), { timeout: 180_000, interval: 500 });
}

test('the files hold the manual that is expected', () => {
  expect(pages.size).toBe(1_169);
});

test('the manual is crawled whole by HTTP, each page asked for once', async () => {
  await start('http', {});
  await expectWholeManual(await finished('http'));
  const counts = await visits('http');
  expect(counts.size).toBe(pages.size);
  expect(Math.max(...counts.values())).toBe(1);
});

test('what a user looks at tells the truth', async () => {
  const table = await kubectl('get', 'crawlruns', 'http', '--namespace', namespace.name);
  expect(table).toMatch(/PHASE\s+PROGRESS\s+DONE\s+FAILED\s+ITEMS\s+HEARTBEAT\s+AGE/);
  expect(table).toMatch(/http\s+Succeeded\s+100\.00%\s+1169\s+0\s+1169/);
  const description = await kubectl('describe', 'crawlrun', 'http', '--namespace', namespace.name);
  expect(description).toMatch(/Reason:\s+JobCreated/);
  expect(description).toContain('RunSucceeded');
  const log = await kubectl('logs', 'job/http', '--namespace', namespace.name);
  expect(log).toContain('"msg":"run finished"');
  const [worker] = await workersOf('http');
  expect((await read('http')).status?.imageID).toBe(worker?.status?.containerStatuses?.[0]?.imageID);
});

test('150 pages in Chromium carry the same titles and headings', async () => {
  await start('browser', { fetch: { render: 'Browser' }, limits: { maxPages: 150 }, concurrency: 2 });
  const run = await finished('browser');
  expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  const items = await itemsOf(run.metadata.uid);
  expect(items.length).toBe(150);
  for (const { url, data } of items) expect(data, url).toEqual(pages.get(url));
  expect(new Set(items.map(({ url }) => url)).size).toBe(150);
  expect(run.status?.progress).toMatchObject({ done: 150, succeeded: 150, failed: 0 });
});

describe('a worker that is killed in the middle', () => {
  const concurrency = 4;
  const kill: Record<string, (pod: string) => Promise<unknown>> = {
    'by a forced delete': (pod) =>
      kubectl('delete', 'pod', pod, '--namespace', namespace.name, '--grace-period=0', '--force'),
    'by SIGKILL of its process': (pod) =>
      kubectl('exec', pod, '--namespace', namespace.name, '--', 'sh', '-c', 'kill -9 $(pidof node)').catch(
        () => undefined,
      ),
    'by a normal delete': (pod) => kubectl('delete', 'pod', pod, '--namespace', namespace.name, '--wait=false'),
  };

  test.each(Object.keys(kill).map((how, index) => [how, `killed-${index}`] as const))(
    '%s costs no page',
    async (how, name) => {
      await start(name, { concurrency, politeness: { requestsPerSecond: 50 } });
      await untilDone(name, 100);
      const [worker] = await workersOf(name);
      await kill[how]?.(worker?.metadata.name ?? '');
      await expectWholeManual(await finished(name));
      const counts = await visits(name);
      expect(Math.max(...counts.values())).toBeLessThanOrEqual(1 + concurrency);
      const repeated = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
      expect(repeated).toBeLessThanOrEqual(concurrency);
    },
  );
});

test('an operator that is killed in the middle changes nothing', async () => {
  await start('orphaned', { politeness: { requestsPerSecond: 50 } });
  await untilDone('orphaned', 100);
  const operator = ['--namespace', 'trawler-system', '--selector', 'app.kubernetes.io/component=operator'];
  await kubectl('delete', 'pod', ...operator, '--grace-period=0', '--force');
  await expectWholeManual(await finished('orphaned'));
  const counts = await visits('orphaned');
  expect(Math.max(...counts.values())).toBe(1);
  await kubectl('rollout', 'status', 'deployment/trawler-operator', '--namespace', 'trawler-system', '--timeout=120s');
});

test('two workers share a run and are one polite visitor', async () => {
  const requestsPerSecond = 50;
  await start('shared', { workers: 2, politeness: { requestsPerSecond } });
  await expectWholeManual(await finished('shared'));
  const accesses = (await accessesOf(namespace.name, 'shared')).toSorted((a, b) => a.time - b.time);
  expect(accesses.length).toBe(pages.size);

  const byWorker = Map.groupBy(accesses, (access) => access.remoteAddress);
  expect(byWorker.size).toBe(2);
  for (const own of byWorker.values()) expect(own.length).toBeGreaterThan(pages.size * 0.3);

  // Single gaps are blurred by the network and the scheduler of a busy machine; the pace over 25 requests is not.
  const stretch = 25;
  const least = 0.8 * stretch * (1_000 / requestsPerSecond);
  const tooFast = accesses.filter((access, index) => {
    const later = accesses[index + stretch];
    return later !== undefined && later.time - access.time < least;
  });
  expect(tooFast).toEqual([]);
});

test('a run that is paused in the middle goes on where it stood, though all that it lived on was started anew', async () => {
  const name = 'paused';
  const suspend = (wanted: boolean) =>
    kubectl(
      ...['patch', 'crawlrun', name, '--namespace', namespace.name],
      ...['--type=merge', '--patch', JSON.stringify({ spec: { suspend: wanted } })],
    );
  await start(name, { politeness: { requestsPerSecond: 50 } });
  await untilDone(name, 100);
  await suspend(true);
  await vi.waitFor(async () => expect((await read(name)).status?.phase).toBe('Paused'), 120_000);
  await vi.waitFor(async () => expect(await workersOf(name)).toEqual([]), { timeout: 120_000, interval: 500 });
  const before = await accessesOf(namespace.name, name);
  expect(before.length).toBeGreaterThanOrEqual(100);
  expect(before.length).toBeLessThan(pages.size);

  const system = ['--namespace', 'trawler-system'];
  const selector = 'app.kubernetes.io/component in (operator, gateway)';
  await kubectl('delete', 'pods', '--selector', selector, ...system, '--grace-period=0', '--force');
  await crashPostgres();
  for (const deployment of ['trawler-gateway', 'trawler-operator']) {
    await kubectl('rollout', 'status', `deployment/${deployment}`, ...system, '--timeout=180s');
  }
  expect(await accessesOf(namespace.name, name)).toEqual(before);
  await suspend(false);
  await expectWholeManual(await finished(name));
  expect(Math.max(...(await visits(name)).values())).toBe(1);
});

test.each([
  ['stopped', 'Stop'],
  ['terminated', 'Terminate'],
])('a run that is %s in the middle keeps what it has', async (name, shutdown) => {
  await start(name, { politeness: { requestsPerSecond: 50 } });
  await untilDone(name, 100);
  await kubectl(
    'patch',
    'crawlrun',
    name,
    '--namespace',
    namespace.name,
    '--type=merge',
    '--patch',
    JSON.stringify({ spec: { shutdown } }),
  );
  const run = await finished(name);
  expect(run.status?.phase, run.status?.message).toBe('Stopped');
  const items = await itemsOf(run.metadata.uid);
  expect(items.length).toBeGreaterThanOrEqual(100);
  expect(run.status?.progress).toMatchObject({ items: items.length, succeeded: items.length, failed: 0, inFlight: 0 });
  for (const { url, data } of items) expect(data, url).toEqual(pages.get(url));
});
