// What became of a schedule's notifications, through the API: listed page by page, and sent again.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NotificationStore } from '#src/store/notification-store.ts';
import type { ServerStore } from '#src/store/server-store.ts';
import { type Installation, never } from '../store/fixture.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let notifications: NotificationStore;
let scheduleUid: string;

beforeAll(async () => {
  started = await startServerOnDatabase();
  ({ installation, store, server } = started);
  ({ notifications } = installation.operator);
  token = await server.account('default', 'owner', [{ resources: ['crawlschedules'], verbs: ['get', 'update'] }]);
  scheduleUid = await schedule('shop');
  for (const occasion of ['1', '2', '3']) {
    await notifications.noteOfSchedule({ scheduleUid, event: 'Late', occasion, payload: {} }, never);
  }
  const events = await notifications.unrouted(9, never);
  for (const { notificationId } of events) await notifications.route(notificationId, ['chat', 'pager'], never);
  const due = await notifications.dueDeliveries(9, never);
  for (const delivery of due) {
    const isGone = delivery.target === 'pager';
    if (isGone) await notifications.record(delivery, { state: 'disabled', status: 410, error: 'gone' }, never);
    else if (delivery.notificationId !== events[0]?.notificationId)
      await notifications.record(delivery, { state: 'delivered', status: 200 }, never);
  }
  await notifications.disable(scheduleUid, 'pager', Buffer.from('hash'), never);
});
afterAll(() => started?.stop());

/** A schedule of that name; its uid. */
const schedule = (name: string) =>
  server.kubectl(['create', '-o', 'jsonpath={.metadata.uid}', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name, namespace: 'default' } },
    spec: { schedule: '@daily', runTemplate: { spec: { sources: [{ name: 'a', urls: ['https://a.example/'] }] } } },
  });

type Row = Record<string, unknown> & { readonly notificationId: string; readonly target: string };
const path = (name: string) => `/api/v1/namespaces/default/schedules/${name}/deliveries`;

async function all(query: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor = ''; cursor !== 'end'; ) {
    const { status, body } = await server.call('GET', `${path('shop')}?${query}${cursor}`, token);
    expect(status).toBe(200);
    rows.push(...(body['items'] as Row[]));
    cursor = body['nextCursor'] === undefined ? 'end' : `&cursor=${body['nextCursor']}`;
  }
  return rows;
}
const redeliver = (name: string, { notificationId, target }: Row, by = token) =>
  server.call('POST', `${path(name)}/redeliver`, by, { body: { notificationId, target } });

test('deliveries are listed the newest first, each once, with what became of them', async () => {
  const rows = await all('limit=500');
  expect(rows).toHaveLength(6);
  for (const limit of [1, 2, 5]) expect(await all(`limit=${limit}`)).toEqual(rows);
  const times = rows.map(({ occurredAt }) => String(occurredAt));
  expect(times).toEqual(times.toSorted().reverse());
  expect(await all('state=pending')).toMatchObject([
    { target: 'chat', event: 'Late', tries: 0, nextAt: expect.any(String) },
  ]);
  const gone = await all('target=pager');
  expect(gone).toHaveLength(3);
  expect(gone[0]).toMatchObject({
    state: 'disabled',
    status: 410,
    error: 'gone',
    tries: 1,
    triedAt: expect.any(String),
  });
  expect(gone[0]).not.toHaveProperty('nextAt');
});

test('what was delivered, given up or switched off is sent again with the same id', async () => {
  const [disabled] = await all('target=pager');
  if (disabled === undefined) return expect.fail('no delivery');
  expect(await redeliver('shop', disabled)).toMatchObject({ status: 200, body: { was: 'disabled' } });
  expect(await notifications.isDisabled(scheduleUid, 'pager', Buffer.from('hash'), never)).toBe(false);
  const due = await notifications.dueDeliveries(9, never);
  expect(due).toContainEqual(
    expect.objectContaining({ notificationId: disabled.notificationId, target: 'pager', tries: 0 }),
  );
  expect(await redeliver('shop', disabled)).toMatchObject({ status: 200, body: { was: 'pending' } });
  await expect
    .poll(() => store.auditRows({ namespace: 'default', action: 'Redelivered', limit: 9 }, never), { timeout: 10_000 })
    .toMatchObject([{ name: 'shop', detail: expect.stringContaining('to pager, which was disabled') }]);
});

test('a delivery of another schedule is not found, and who may not update the schedule sends nothing', async () => {
  const [row] = await all('state=delivered');
  if (row === undefined) return expect.fail('no delivery');
  await schedule('other');
  expect(await redeliver('other', row)).toMatchObject({ status: 404 });
  expect(await redeliver('shop', { ...row, target: 'nobody' })).toMatchObject({ status: 404 });
  const reader = await server.account('default', 'reader', [{ resources: ['crawlschedules'], verbs: ['get'] }]);
  expect(await redeliver('shop', row, reader)).toMatchObject({ status: 403 });
  expect(await all('state=delivered')).toHaveLength(2);
});

test('a receiver of the schedule is tried out, whatever events it wants, and no other', async () => {
  const spec = { notifications: [{ name: 'chat', url: 'https://chat.example/', events: ['Failed'] }] };
  await server.kubectl(['patch', 'crawlschedule', 'shop', '--type=merge', '-p', JSON.stringify({ spec })]);
  const tried = (target: string) => server.call('POST', `${path('shop')}/test`, token, { body: { target } });
  expect(await tried('pager')).toMatchObject({
    ...{ status: 404, body: { detail: expect.stringContaining('no receiver "pager"') } },
  });
  const { status, body } = await tried('chat');
  expect(status).toBe(200);
  const due = await notifications.dueDeliveries(9, never);
  expect(due).toContainEqual(
    expect.objectContaining({
      ...{ notificationId: body['notificationId'], scheduleUid, target: 'chat', event: 'Test' },
      payload: expect.objectContaining({ namespace: 'default', schedule: 'shop', reason: 'Test' }),
    }),
  );
});
