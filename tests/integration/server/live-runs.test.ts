// A live run through the API: what a change of its patterns would do, and a host that is to be asked as at first.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServerStore } from '#src/store/server-store.ts';
import { FAST, type Installation, never, type TestRun, urls } from '../store/fixture.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let live: TestRun;

beforeAll(async () => {
  started = await startServerOnDatabase();
  ({ installation, store, server } = started);
  token = await server.account('default', 'changer', [{ resources: ['crawlruns'], verbs: ['get', 'patch'] }]);
  live = await installation.createRun(FAST, { runId: await server.crawlRun('live'), name: 'live' });
  await live.worker().seed([...urls(30, { prefix: 'old/' }), ...urls(5, { prefix: 'deep/', depth: 4 })], never);
});
afterAll(() => started?.stop());

const post = (rest: string, body: object, by = token) =>
  server.call('POST', `/api/v1/namespaces/default/runs/${rest}`, by, { body });

test('a change of patterns and depth is previewed, and nothing is stored', async () => {
  const sources = [{ name: 'site', urls: ['http://site.test/'], scope: { exclude: ['**/old/**'] } }];
  const preview = await post('live/preview', { spec: { sources, limits: { maxDepth: 3 } } });
  expect(preview).toMatchObject({ status: 200, body: { excluded: 30, tooDeep: 5, queuedAgain: 0, readAgain: 0 } });
  expect(preview.body['skipped']).toHaveLength(20);
  expect(preview.body['skipped']).toContain('http://site.test/old/0');
  const stored = JSON.parse(await server.kubectl(['get', 'crawlrun', 'live', '-o', 'json'])) as { spec: object };
  expect(JSON.stringify(stored.spec)).not.toMatch(/maxDepth|exclude/);
  expect(await post('live/preview', { spec: { limits: { maxDepth: -1 } } })).toMatchObject({
    ...{ status: 422, body: { errors: [{ field: 'spec.limits.maxDepth' }] } },
  });
  expect(await post('live/preview', { spec: { no: 1 } })).toMatchObject({
    ...{ status: 400, body: { detail: 'there is no field spec.no', errors: [{ field: 'spec.no' }] } },
  });
  await server.crawlRun('early');
  expect(await post('early/preview', { spec: {} })).toMatchObject({ status: 409 });
  const reader = await server.account('default', 'reader', [{ resources: ['crawlruns'], verbs: ['get'] }]);
  expect(await post('live/preview', { spec: {} }, reader)).toMatchObject({ status: 403 });
});

test('a host is asked at its own pace and on the direct way again, and an Event and the audit say by whom', async () => {
  const worker = live.worker();
  await worker.reportBlock('site.test', 'a captcha', never);
  await installation.admin.query(
    `update host set proxy_until = '2100-01-01T00:00:00Z', failures = 3 where name = 'site.test'`,
  );
  const hostNow = async () => {
    const { body } = await server.call('GET', '/api/v1/namespaces/default/runs/live/hosts', token);
    return (body['items'] as Record<string, unknown>[]).find(({ host }) => host === 'site.test');
  };
  expect(await hostNow()).toMatchObject({ slowdown: 2, viaProxy: true });
  expect(await post('live/hosts/reset', { host: 'site.test' })).toMatchObject({
    ...{
      status: 200,
      body: { host: 'site.test', slowdown: 2, proxyUntil: expect.stringContaining('2100-01-01T00:00:00') },
    },
  });
  expect(await hostNow()).toMatchObject({ slowdown: 1, viaProxy: false });
  const { rows } = await installation.admin.query(`select failures from host where name = 'site.test'`);
  expect(rows).toEqual([{ failures: 0 }]);
  const again = await post('live/hosts/reset', { host: 'site.test' });
  expect(again).toMatchObject({ status: 200, body: { slowdown: 1 } });
  expect(again.body).not.toHaveProperty('proxyUntil');
  await expect
    .poll(() => store.auditRows({ namespace: 'default', action: 'HostReset', limit: 9 }, never), { timeout: 10_000 })
    .toMatchObject([
      { detail: 'site.test: slowed 1 times' },
      {
        user: 'system:serviceaccount:default:changer',
        detail: expect.stringMatching(/slowed 2 times, by the proxy until/),
      },
    ]);
});

test('a host that the run does not know is not found, also where another run knows it', async () => {
  const other = await installation.createRun(FAST, { name: 'other' });
  await other.worker().seed([{ ...urls(1)[0], url: 'http://elsewhere.test/', host: 'elsewhere.test' } as never], never);
  expect(await post('live/hosts/reset', { host: 'elsewhere.test' })).toMatchObject({
    ...{ status: 404, body: { detail: expect.stringContaining('"elsewhere.test"') } },
  });
  expect(await store.resetHost(other.runId, 'elsewhere.test', never)).toEqual({ slowdown: 1, proxyUntil: null });
});
