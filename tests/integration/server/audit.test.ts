// Who did what through the API: rows that stay when the objects and their Events are gone.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import type { AuditEntry } from '#src/store/audit-store.ts';
import type { ServerStore } from '#src/store/server-store.ts';
import { type Installation, never } from '../store/fixture.ts';
import type { Answer, ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
/** Calls that write entries and are answered as if PostgreSQL were away. */
let failures = 0;

beforeAll(async () => {
  const writeAudit: ServerStore['writeAudit'] = async (...call) => {
    failures -= 1;
    if (failures >= 0) throw new StoreError('Unavailable', 'PostgreSQL is away');
    await store.writeAudit(...call);
  };
  started = await startServerOnDatabase({ changed: { writeAudit } });
  ({ installation, store, server } = started);
  token = await server.account('default', 'owner', [
    { resources: ['crawlschedules', 'crawlruns', 'audits'], verbs: ['*'] },
  ]);
});
afterAll(() => started?.stop());

const path = (rest: string) => `/api/v1/namespaces/default/${rest}`;
const call = (method: string, rest: string, body?: unknown): Promise<Answer> =>
  server.call(method, path(rest), token, body === undefined ? {} : { body });
const spec = {
  schedule: '0 6 * * *',
  runTemplate: { spec: { sources: [{ name: 'a', urls: ['https://a.example/'] }] } },
};

type Row = Record<string, unknown>;

/** Entries about the object, once there are so many; the newest first. */
async function entries(name: string, count: number, query = ''): Promise<Row[]> {
  return vi.waitFor(async () => {
    const { status, body } = await call('GET', `audit?name=${name}${query}`);
    expect(status).toBe(200);
    const items = body['items'] as Row[];
    expect(items).toHaveLength(count);
    return items;
  }, 20_000);
}

test('each change is a row with who, from where, and what it was before and after', async () => {
  await call('POST', 'schedules', { metadata: { name: 'shop' }, spec });
  await call('PATCH', 'schedules/shop', { metadata: { labels: { team: 'a' } }, spec: { schedule: '0 7 * * *' } });
  await call('POST', 'schedules/shop/suspend', { note: 'new shop' });
  await call('DELETE', 'schedules/shop');
  const [deleted, suspended, patched, created] = await entries('shop', 4);
  const by = { user: 'system:serviceaccount:default:owner', kind: 'CrawlSchedule', namespace: 'default', name: 'shop' };
  expect(created).toMatchObject({
    ...{ ...by, action: 'Created', origin: expect.stringMatching(/127\.0\.0\.1$/), at: expect.any(String) },
    after: { 'spec.schedule': '0 6 * * *', 'spec.suspend': false },
  });
  expect(created).not.toHaveProperty('before');
  expect(patched).toMatchObject({ ...by, action: 'Patched' });
  expect([patched?.['before'], patched?.['after']]).toEqual([
    { 'spec.schedule': '0 6 * * *' },
    { 'spec.schedule': '0 7 * * *', 'metadata.labels.team': 'a' },
  ]);
  expect(suspended).toMatchObject({ action: 'Suspended', detail: 'new shop', before: { 'spec.suspend': false } });
  expect(deleted).toMatchObject({ action: 'Deleted', before: { 'spec.schedule': '0 7 * * *', 'spec.suspend': true } });
  expect(deleted).not.toHaveProperty('after');
  expect(new Set([deleted, suspended, patched, created].map((row) => row?.['uid'])).size).toBe(1);
});

test('what is refused is no change, and a proxy is named beside the address', async () => {
  const headers = { 'x-forwarded-for': '192.0.2.7' };
  expect(await call('PATCH', 'schedules/none', { spec: {} })).toMatchObject({ status: 404 });
  await server.call('POST', path('schedules'), token, { body: { metadata: { name: 'far' }, spec }, headers });
  expect(await call('PUT', 'schedules/far', { spec: { ...spec, no: 1 } })).toMatchObject({ status: 400 });
  const [entry] = await entries('far', 1);
  expect(entry).toMatchObject({ action: 'Created', origin: expect.stringMatching(/^\S+ \(for 192\.0\.2\.7\)$/) });
  expect(await entries('none', 0)).toEqual([]);
});

test('entries wait for PostgreSQL in their order, and what is sent again is there once', async () => {
  failures = 2;
  for (const suspend of [true, false, true]) await call('PATCH', 'schedules/far', { spec: { suspend } });
  const rows = await entries('far', 3, '&action=Patched');
  expect(rows.map(({ after }) => (after as Row)['spec.suspend'])).toEqual([true, false, true]);
  const entry: AuditEntry = {
    ...{ id: crypto.randomUUID(), at: '2020-01-01T00:00:00.000Z', namespace: 'default', kind: 'CrawlRun', name: 'old' },
    ...{ uid: 'u', action: 'Paused', user: 'someone', detail: 'half of a pair \ud800 and a NUL \0' },
  };
  for (const _ of [1, 2]) await store.writeAudit([entry], never);
  expect(await entries('old', 1)).toMatchObject([
    { user: 'someone', detail: 'half of a pair \ufffd and a NUL \ufffd' },
  ]);
});

test('entries are listed page by page and by their filters, in their namespace alone, by who may list them', async () => {
  const { rows } = await installation.admin.query<{ count: number }>(
    `select count(*)::int as count from trawler.audit where namespace = 'default'`,
  );
  const seen: unknown[] = [];
  for (let cursor = ''; cursor !== 'end'; ) {
    const { body } = await call('GET', `audit?limit=2${cursor}`);
    seen.push(...(body['items'] as unknown[]).map((row) => JSON.stringify(row)));
    cursor = body['nextCursor'] === undefined ? 'end' : `&cursor=${body['nextCursor']}`;
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toHaveLength(rows[0]?.count ?? -1);
  expect((await call('GET', 'audit?user=someone')).body['items']).toHaveLength(1);
  expect((await call('GET', 'audit?kind=CrawlRun&action=Created')).body['items']).toEqual([]);
  const viewer = await server.account('default', 'viewer', [{ resources: ['crawlruns'], verbs: ['*'] }]);
  expect(await server.call('GET', path('audit'), viewer)).toMatchObject({
    ...{ status: 403, body: { detail: expect.stringContaining('may not list audits') } },
  });
  expect(await server.call('GET', '/api/v1/namespaces/kube-system/audit', token)).toMatchObject({ status: 403 });
  await server.kubectl(['create', 'namespace', 'other']);
  const other = await server.account('other', 'auditor', [{ resources: ['audits'], verbs: ['list'] }]);
  expect((await server.call('GET', '/api/v1/namespaces/other/audit', other)).body).toEqual({ items: [] });
});

test('entries are dropped when their time is over', async () => {
  expect(await installation.operator.forgetAudit('2020-01-01', never)).toBe(0);
  expect(await installation.operator.forgetAudit('2020-01-02', never)).toBe(1);
  expect(await entries('old', 0)).toEqual([]);
});
