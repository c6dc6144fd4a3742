// Troubles of runs and schedules through the API: listed page by page, and acknowledged once, by whom may.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServerStore } from '#src/store/server-store.ts';
import { type Installation, never } from '../store/fixture.ts';
import { finishedCrawl } from './finished-crawl.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let run: string;

beforeAll(async () => {
  started = await startServerOnDatabase();
  ({ installation, store, server } = started);
  token = await server.account('default', 'guard', [{ resources: ['crawlruns'], verbs: ['list', 'acknowledge'] }]);
  // Refused once, and a page of it dies: Blocked and Partial.
  run = await finishedCrawl(installation, 3, (n) => ({ n }));
  const { notifications } = installation.operator;
  const late = { scheduleUid: crypto.randomUUID(), event: 'Late', occasion: '1' } as const;
  for (const namespace of ['default', 'elsewhere']) {
    const payload = { namespace, schedule: 'slow', message: 'an hour late' };
    await notifications.noteOfSchedule({ ...late, scheduleUid: crypto.randomUUID(), payload }, never);
  }
});
afterAll(() => started?.stop());

type Alert = Record<string, unknown> & { readonly alertId: string; readonly event: string };

async function all(query: string): Promise<Alert[]> {
  const rows: Alert[] = [];
  for (let cursor = ''; cursor !== 'end'; ) {
    const { status, body } = await server.call('GET', `/api/v1/namespaces/default/alerts?${query}${cursor}`, token);
    expect(status).toBe(200);
    rows.push(...(body['items'] as Alert[]));
    cursor = body['nextCursor'] === undefined ? 'end' : `&cursor=${body['nextCursor']}`;
  }
  return rows;
}
const acknowledge = (alertId: string, body: object, by = token, namespace = 'default') =>
  server.call('POST', `/api/v1/namespaces/${namespace}/alerts/${alertId}/acknowledge`, by, { body });

test('troubles of runs and of schedules are listed the newest first, each once, in their namespace', async () => {
  const rows = await all('limit=500');
  expect(rows.map(({ event }) => event)).toEqual(['Late', 'Partial', 'Blocked']);
  for (const limit of [1, 2]) expect(await all(`limit=${limit}`)).toEqual(rows);
  expect(rows).toMatchObject([
    { schedule: 'slow', message: 'an hour late' },
    { run, schedule: 'shop', items: 2 },
    { run, schedule: 'shop', message: 'site.test: a captcha' },
  ]);
  expect(rows[0]).not.toHaveProperty('run');
  expect(await all('event=Blocked')).toMatchObject([{ event: 'Blocked' }]);
  expect((await all('schedule=shop')).map(({ event }) => event)).toEqual(['Partial', 'Blocked']);
  expect(await server.call('GET', '/api/v1/namespaces/elsewhere/alerts', token)).toMatchObject({ status: 403 });
});

test('an alert is open until somebody has seen it; the first one stands, and the audit tells of it', async () => {
  const [partial] = await all('event=Partial');
  if (partial === undefined) return expect.fail('no alert');
  expect(await acknowledge(partial.alertId, { note: 'the shop moved a page' })).toMatchObject({
    ...{ status: 200, body: { isNew: true } },
  });
  const other = await server.account('default', 'other', [{ resources: ['crawlruns'], verbs: ['acknowledge'] }]);
  expect(await acknowledge(partial.alertId, { note: 'me, too' }, other)).toMatchObject({ body: { isNew: false } });
  expect(await all('acknowledged=true')).toMatchObject([
    {
      ...{ event: 'Partial', note: 'the shop moved a page', acknowledgedAt: expect.any(String) },
      acknowledgedBy: 'system:serviceaccount:default:guard',
    },
  ]);
  expect((await all('acknowledged=false')).map(({ event }) => event)).toEqual(['Late', 'Blocked']);
  await expect
    .poll(() => store.auditRows({ namespace: 'default', action: 'Acknowledged', limit: 9 }, never), { timeout: 10_000 })
    .toMatchObject([{ kind: 'CrawlRun', name: run, detail: 'Partial: the shop moved a page' }]);
});

test('what is no alert of the namespace is not found, and who may only look acknowledges nothing', async () => {
  const [blocked] = await all('event=Blocked');
  if (blocked === undefined) return expect.fail('no alert');
  expect(await acknowledge(crypto.randomUUID(), {})).toMatchObject({ status: 404 });
  await server.kubectl(['create', 'namespace', 'elsewhere']);
  const guard = await server.account('elsewhere', 'guard', [{ resources: ['crawlruns'], verbs: ['acknowledge'] }]);
  expect(await acknowledge(blocked.alertId, {}, guard, 'elsewhere')).toMatchObject({ status: 404 });
  const viewer = await server.account('default', 'viewer', [{ resources: ['crawlruns'], verbs: ['list'] }]);
  expect(await acknowledge(blocked.alertId, {}, viewer)).toMatchObject({ status: 403 });
  expect((await all('acknowledged=false')).map(({ event }) => event)).toContain('Blocked');
});
