// Lists of runs from memory: the same as those of the API server of Kubernetes, never without what this server has written, and never older
// than a watch that died without a word allows.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CRAWL_RUNS, type CrawlRun } from '#src/custom-resources/types.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { shown } from '#src/server/http/resources.ts';
import { createKnownRuns, STALE_MS } from '#src/server/runs/known-runs.ts';
import { startServer } from '#src/server/server.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { apiOf, configFrom } from '../kube/kube-test.ts';
import { callAt, type ServerFixture, startFixture } from './fixture.ts';

const never = new AbortController().signal;
const logger = createLogger('server-test', 'fatal');

let fixture: ServerFixture;
let proxy: FaultProxy;
let token: string;
let url: string;
let ending: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  fixture = await startFixture();
  token = await fixture.account('default', 'owner', [
    { resources: ['crawlruns'], verbs: ['get', 'list', 'patch', 'delete', 'pause'] },
  ]);
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  for (const end of ending.reverse()) await end();
  ending = [];
  await fixture.kubectl(['delete', 'crawlruns', '--all', '-n', 'default']);
});

/** A server behind the proxy, and the runs that there are. */
async function start(runs: readonly object[]): Promise<void> {
  if (runs.length > 0) await fixture.kubectl(['create', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: runs });
  proxy = await startFaultProxy(configFrom(fixture.cluster.kubeconfigPath));
  const { api, metrics } = apiOf(proxy.config);
  const server = await startServer({
    ...{ api, port: 0, identity: 'server-test', systemNamespace: 'default', metrics, rightsFreshMs: 1, logger },
  });
  url = `http://127.0.0.1:${server.port}`;
  ending.push(proxy.close, api.close, () => server.close(1_000));
}

const run = (name: string, { labels = {}, spec = {} }: { labels?: object; spec?: object } = {}) => ({
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name, namespace: 'default', labels } },
  spec: { sources: [{ name: 'site', urls: ['http://site.test/'] }], ...spec },
});

type Page = { readonly items: readonly CrawlRun[]; readonly nextCursor?: string };

const runsPath = '/api/v1/namespaces/default/runs';
const call = (method: string, rest: string, body?: object) =>
  callAt(url, method, `${runsPath}${rest}`, token, body === undefined ? {} : { body });

async function list(query = ''): Promise<Page> {
  const { status, body } = await call('GET', query);
  expect(status).toBe(200);
  return body as unknown as Page;
}

const namesOf = ({ items }: Page) => items.map(({ metadata }) => metadata.name);
const listsOfKubernetes = () => proxy.requests.filter((request) => /\/namespaces\/default\/crawlruns\?/.test(request));

/** Until a list asks the API server for nothing. */
async function inMemory(): Promise<void> {
  await expect
    .poll(
      async () => {
        const before = listsOfKubernetes().length;
        await list('?limit=1');
        return listsOfKubernetes().length - before;
      },
      { timeout: 20_000 },
    )
    .toBe(0);
}

test('a list from memory is that of the API server, by each filter, page by page', async () => {
  const runs = Array.from({ length: 25 }, (_, n) =>
    run(`${['shop', 'shop-eu', 'shop.eu'][n % 3]}-${n}`, {
      labels: { half: n % 2 === 0 ? 'even' : 'odd', ...(n % 5 === 0 ? { 'trawler.dev/fifth': '' } : {}) },
      spec: {
        ...(n % 4 === 0 ? {} : { scheduleName: ['shop', 'shop-eu', 'shop.eu'][n % 3] }),
        ...(n % 7 === 0 ? { trigger: { type: 'Manual' } } : {}),
        ...(n === 3 ? { workers: 2 } : {}),
      },
    }),
  );
  await start(runs);
  for (const phase of ['Running', 'Succeeded']) {
    const name = phase === 'Running' ? 'shop-0' : 'shop-eu-1';
    const patch = JSON.stringify({ status: { phase } });
    await fixture.kubectl(['patch', 'crawlrun', name, '--subresource=status', '--type=merge', '-p', patch]);
  }
  await inMemory();
  const all = JSON.parse(await fixture.kubectl(['get', 'crawlruns', '-n', 'default', '-o', 'json'])) as Page;
  const [filters, expected] = [
    [
      ...['', 'schedule=shop', 'schedule=shop.eu', 'schedule=none', 'phase=Running', 'phase=Failed', 'trigger=Manual'],
      ...['labelSelector=half=even', 'labelSelector=half!=even,trawler.dev/fifth', 'labelSelector=half in (odd)'],
      ...['labelSelector=!trawler.dev/fifth', 'labelSelector=half notin (odd)&schedule=shop-eu'],
    ],
    [] as string[],
  ];
  const seen: string[] = [];
  for (const filter of filters) {
    const parameters = new URLSearchParams(filter);
    const fields = { schedule: 'spec.scheduleName', phase: 'status.phase', trigger: 'spec.trigger.type' };
    const selectors = Object.entries(fields).flatMap(([name, field]) =>
      parameters.has(name) ? [`--field-selector=${field}=${parameters.get(name)}`] : [],
    );
    const labels = parameters.has('labelSelector') ? ['-l', parameters.get('labelSelector') ?? ''] : [];
    const names = await fixture.kubectl(['get', 'crawlruns', '-n', 'default', '-o', 'name', ...selectors, ...labels]);
    expected.push(`${filter}: ${names.replaceAll('crawlrun.trawler.dev/', '').split('\n').join(' ')}`);
    const found: CrawlRun[] = [];
    let cursor = '';
    do {
      const page = await list(`?limit=4&${parameters}${cursor}`);
      found.push(...page.items);
      cursor = page.nextCursor === undefined ? '' : `&cursor=${page.nextCursor}`;
    } while (cursor !== '');
    seen.push(`${filter}: ${found.map(({ metadata }) => metadata.name).join(' ')}`);
    const wholes = all.items.filter(({ metadata }) => found.some((one) => one.metadata.name === metadata.name));
    expect(found).toEqual(wholes.map(shown));
  }
  expect(seen).toEqual(expected);
  const before = listsOfKubernetes().length;
  expect(await call('GET', '?labelSelector=half>>1')).toMatchObject({ status: 400 });
  expect(listsOfKubernetes()).toHaveLength(before + 1);
});

test('a list has what this server has written, also while its watch is late', async () => {
  await start(['one', 'two', 'three'].map((name) => run(name)));
  await inMemory();
  const release = proxy.holdWatches();
  expect(await call('PATCH', '/one', { spec: { workers: 2 } })).toMatchObject({ status: 200 });
  expect((await list()).items[0]).toMatchObject({ metadata: { name: 'one' }, spec: { workers: 2 } });
  expect(await call('POST', '/three/pause', {})).toMatchObject({ status: 200 });
  expect((await list()).items[1]).toMatchObject({ metadata: { name: 'three' }, spec: { suspend: true } });
  expect(await call('DELETE', '/two')).toMatchObject({ status: 200 });
  expect(namesOf(await list())).toEqual(['one', 'three']);
  release();
  await inMemory();
  const { items } = await list();
  expect(items.map(({ metadata, spec }) => [metadata.name, spec.workers, spec.suspend])).toEqual([
    ['one', 2, undefined],
    ['three', undefined, true],
  ]);
});

test('a run that this server has deleted is not listed while the watch is late', async () => {
  await start([run('one'), run('two')]);
  await inMemory();
  const release = proxy.holdWatches();
  expect(await call('DELETE', '/one')).toMatchObject({ status: 200 });
  expect(namesOf(await list())).toEqual(['two']);
  release();
  await inMemory();
  expect(namesOf(await list())).toEqual(['two']);
});

test('a list that was begun in memory goes on where the API server has to be asked', async () => {
  const names = Array.from({ length: 9 }, (_, n) => `run-${n}`);
  await start(names.map((name) => run(name)));
  await inMemory();
  const first = await list('?limit=4');
  expect(namesOf(first)).toEqual(names.slice(0, 4));
  const release = proxy.holdWatches();
  expect(await call('PATCH', '/run-0', { spec: { workers: 2 } })).toMatchObject({ status: 200 });
  const second = await list(`?limit=4&cursor=${first.nextCursor}`);
  expect(namesOf(second)).toEqual(names.slice(4, 8));
  release();
  await inMemory();
  expect(namesOf(await list(`?limit=4&cursor=${second.nextCursor}`))).toEqual(names.slice(8));
  expect(await call('GET', '?cursor=bm9uZQ')).toMatchObject({ status: 400 });
});

test('what a watch has not confirmed for long is not told, and is again when the watch is back', async () => {
  proxy = await startFaultProxy(configFrom(fixture.cluster.kubeconfigPath));
  const { api } = apiOf(proxy.config);
  const end = new AbortController();
  let passed = 0;
  const known = createKnownRuns({
    ...{ runs: api.resource<CrawlRun>(CRAWL_RUNS), logger, metrics: createKubeMetrics(createRegistry()) },
    ...{ signal: end.signal, now: () => performance.now() + passed },
    timing: { shortestWatchSeconds: 4, longestWatchSeconds: 4, silenceMs: 60_000, retry: { baseMs: 20, maxMs: 200 } },
  });
  const page = () => known.page({ namespace: 'default', after: '', limit: 10 });
  const endWatch = () => {
    end.abort();
    return known.follow().done;
  };
  ending.push(proxy.close, api.close, endWatch);
  expect(page()).toBeUndefined();
  await known.follow().synced(never);
  expect(page()).toEqual({ texts: [] });
  passed = STALE_MS + 1;
  const syncedAt = known.follow().confirmedAt() ?? 0;
  expect(page()).toBeUndefined();
  passed = 0;
  // Each watch ends at its time, also where nothing changes.
  await expect.poll(() => (known.follow().confirmedAt() ?? 0) > syncedAt, { timeout: 20_000 }).toBe(true);
  // Half open: the watch is there and says nothing, while a run is made.
  const release = proxy.holdWatches();
  await fixture.crawlRun('unseen');
  expect(page()).toEqual({ texts: [] });
  passed = STALE_MS + 1;
  expect(page()).toBeUndefined();
  passed = 0;
  release();
  await expect.poll(() => page()?.texts.length, { timeout: 20_000 }).toBe(1);
});
