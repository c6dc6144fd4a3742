// Whether a schedule's proxy works, through the API: the run that tries it out, and what that has shown. A real proxy is asked in
// tests/integration/crawler/proxy.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { claimSome, FAST, type Installation, never, urls } from '../store/fixture.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

const SITE = 'https://site.test/';
let started: ServerOnDatabase;
let installation: Installation;
let server: ServerFixture;
let token: string;

beforeAll(async () => {
  started = await startServerOnDatabase();
  ({ installation, server } = started);
  token = await server.account('default', 'tester', [
    { resources: ['crawlschedules'], verbs: ['run'] },
    { resources: ['crawlruns'], verbs: ['get'] },
  ]);
  const proxy = { urlSecretRef: { name: 'crawl-proxy' }, mode: 'Auto' };
  const fetch = { render: 'Browser', userAgent: 'Tester/1.0', headersSecretRef: { name: 'own' } };
  await schedule('shop', { proxy, fetch, pod: { nodeSelector: { zone: 'a' } } });
  await schedule('direct', {});
});
afterAll(() => started?.stop());

async function schedule(name: string, more: object): Promise<void> {
  const spec = { sources: [{ name: 'site', urls: [SITE] }], ...more };
  await server.kubectl(['create', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name, namespace: 'default' } },
    spec: { schedule: '@daily', runTemplate: { spec } },
  });
}

const call = (method: string, rest: string, body?: object) =>
  server.call(method, `/api/v1/namespaces/default/${rest}`, token, body === undefined ? {} : { body });

/** The run that was made. */
async function begun(body: object = {}): Promise<CrawlRun> {
  const answer = await expect
    .poll(() => call('POST', 'schedules/shop/proxy-test', body), { timeout: 10_000 })
    .toMatchObject({ status: 201 })
    .then(() => server.kubectl(['get', 'crawlruns', '--sort-by=.metadata.creationTimestamp', '-o', 'json']));
  return (JSON.parse(answer) as { items: CrawlRun[] }).items.at(-1) as CrawlRun;
}

test('a run of one document by the proxy is made, in the pods of the schedule, and is none of its runs', async () => {
  const { metadata, spec } = await begun();
  expect(metadata.name).toMatch(/^shop-\d+-proxy-test$/);
  expect(metadata.labels ?? {}).toEqual({});
  expect(metadata.ownerReferences).toMatchObject([{ kind: 'CrawlSchedule', name: 'shop', controller: false }]);
  expect(spec).toMatchObject({
    sources: [{ urls: [SITE], scope: { mode: 'Page' } }],
    proxy: { urlSecretRef: { name: 'crawl-proxy' }, mode: 'Always' },
    fetch: { render: 'HTTP', userAgent: 'Tester/1.0', maxRetries: 0 },
    limits: { maxPages: 1, maxDepth: 0 },
    pod: { nodeSelector: { zone: 'a' } },
  });
  expect(spec).not.toHaveProperty('scheduleName');
  expect(spec.fetch).not.toHaveProperty('headersSecretRef');
});

test('what it has shown is told: nothing yet, an answer, and that the proxy is down', async () => {
  for (const [outcome, found] of [
    [
      { type: 'done', items: [{ text: '203.0.113.9' }], facts: { status: 200, durationMs: 7 } },
      { verdict: 'Works', status: 200, durationMs: 7, exitAddress: '203.0.113.9' },
    ],
    [
      { type: 'dead', cause: 'ProxyError', message: 'the proxy http://p:1 cannot be reached', facts: {} },
      { verdict: 'Fails', cause: 'ProxyError', message: 'the proxy http://p:1 cannot be reached' },
    ],
  ] as const) {
    const { metadata } = await begun({ url: 'https://ip.test/' });
    const read = () => call('GET', `runs/${metadata.name}/proxy-test`);
    expect(await read()).toMatchObject({ status: 200, body: { verdict: 'Waiting', url: 'https://ip.test/' } });
    const run = await installation.createRun(FAST, { runId: metadata.uid, name: metadata.name });
    const worker = run.worker();
    await worker.seed(urls(1), never);
    const claims = await claimSome(worker, 1);
    expect(await read()).toMatchObject({ body: { verdict: 'Waiting' } });
    await worker.commit(
      claims.map((claim) => ({
        ...outcome,
        claim,
        links: [],
        ...('items' in outcome ? { items: [...outcome.items] } : {}),
      })),
      never,
    );
    expect(await read()).toEqual(
      expect.objectContaining({ status: 200, body: { run: metadata.name, url: 'https://ip.test/', ...found } }),
    );
  }
});

test('a schedule without a proxy, a run of another kind and an address that is none are refused', async () => {
  expect(await call('POST', 'schedules/direct/proxy-test', {})).toMatchObject({
    ...{ status: 409, body: { detail: 'schedule "direct" has no proxy (spec.proxy)' } },
  });
  expect(await call('POST', 'schedules/none/proxy-test', {})).toMatchObject({ status: 404 });
  expect(await call('POST', 'schedules/shop/proxy-test', { url: 'ftp://a.example/' })).toMatchObject({
    ...{ status: 400, body: { errors: [{ field: 'url' }] } },
  });
  await server.crawlRun('ordinary');
  expect(await call('GET', 'runs/ordinary/proxy-test')).toMatchObject({ status: 404 });
});
