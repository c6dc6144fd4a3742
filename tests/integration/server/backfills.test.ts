// Backfills through the API; what the operator does with them is in tests/integration/controllers/backfill.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServerFixture, startFixture } from './fixture.ts';

const HASH = '0123456789ab';
const OTHER = 'ba9876543210';
const RANGE = { from: '2026-01-01T00:00:00Z', to: '2026-01-04T00:00:00Z' };

let server: ServerFixture;
let token: string;

beforeAll(async () => {
  server = await startFixture();
  token = await server.account('default', 'owner', [
    { resources: ['crawlbackfills'], verbs: ['get', 'list'] },
    { resources: ['crawlruns'], verbs: ['backfill'] },
  ]);
  for (const name of ['shop', 'blog']) {
    await server.kubectl(['apply', '-f', '-'], {
      ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name, namespace: 'default' } },
      spec: { schedule: '@daily', runTemplate: { spec: { sources: [{ name: 'a', urls: ['https://a.example/'] }] } } },
    });
  }
});
afterAll(() => server?.stop());

const call = (method: string, rest: string, body?: unknown, by = token) =>
  server.call(method, `/api/v1/namespaces/default/${rest}`, by, body === undefined ? {} : { body });

type Backfill = { metadata: { name: string; ownerReferences?: object[] }; spec: Record<string, unknown> };

async function planned(schedule: string, more: object = {}): Promise<string> {
  const { status, body } = await call('POST', 'backfills', { schedule, ...RANGE, ...more });
  expect(status, JSON.stringify(body)).toBe(201);
  return (body as Backfill).metadata.name;
}

/** As the operator would. */
async function writeStatus(name: string, status: object): Promise<void> {
  const patch = JSON.stringify({ status });
  await server.kubectl(['patch', 'crawlbackfill', name, '--subresource=status', '--type=merge', '-p', patch]);
}

const plan = (hash: string) => ({ hash, scheduleUid: 'u', template: hash, skipped: 0 });

async function read(name: string): Promise<Record<string, never>> {
  return JSON.parse(await server.kubectl(['get', 'crawlbackfill', name, '-o', 'json']));
}

test('is planned, listed by schedule and phase, approved with the plan that is shown, paused, resumed and cancelled', async () => {
  const name = await planned('shop', { reprocess: 'Failed', maxActive: 3 });
  expect(await read(name)).toMatchObject({
    metadata: { ownerReferences: [{ kind: 'CrawlSchedule', name: 'shop', blockOwnerDeletion: false }] },
    spec: { scheduleName: 'shop', ...RANGE, reprocess: 'Failed', maxActive: 3, suspend: false, cancel: false },
  });
  expect(await call('POST', `backfills/${name}/submit`, { plan: HASH })).toMatchObject({
    ...{ status: 409, body: { detail: 'there is no plan: the operator has not looked at the backfill yet' } },
  });
  await writeStatus(name, { phase: 'Planned', plan: plan(HASH) });
  expect(await call('GET', `backfills/${name}`)).toMatchObject({
    ...{ status: 200, body: { kind: 'CrawlBackfill', status: { phase: 'Planned', plan: { hash: HASH } } } },
  });
  const other = await planned('blog');
  const names = async (query: string) =>
    ((await call('GET', `backfills?${query}`)).body as { items: Backfill[] }).items.map(
      ({ metadata }) => metadata.name,
    );
  expect(await names('')).toEqual([other, name].sort());
  expect(await names('schedule=blog')).toEqual([other]);
  expect(await names('phase=Planned')).toEqual([name]);

  expect(await call('POST', `backfills/${name}/submit`, { plan: OTHER })).toMatchObject({
    ...{ status: 409, body: { detail: `the plan is ${HASH} by now: look at it again` } },
  });
  expect(await read(name)).not.toHaveProperty('spec.approvedPlan');
  for (const [verb, body, spec] of [
    ['submit', { plan: HASH }, { approvedPlan: HASH }],
    ['pause', undefined, { suspend: true }],
    ['resume', undefined, { suspend: false }],
    ['cancel', undefined, { cancel: true }],
  ] as const) {
    expect(await call('POST', `backfills/${name}/${verb}`, body), verb).toMatchObject({ status: 200, body: { spec } });
    expect(await read(name), verb).toMatchObject({ spec });
  }
});

test('one whose plan was approved takes no other plan, and one at its end no change', async () => {
  const name = await planned('shop', { to: '2026-01-03T00:00:00Z' });
  await writeStatus(name, { phase: 'Running', plan: plan(HASH), approvedPlan: HASH });
  expect(await call('POST', `backfills/${name}/submit`, { plan: OTHER })).toMatchObject({
    ...{ status: 409, body: { detail: `the plan ${HASH} was approved before` } },
  });
  expect(await call('POST', `backfills/${name}/submit`, { plan: HASH })).toMatchObject({ status: 200 });
  const finished = { type: 'Finished', status: 'True', reason: 'AllSucceeded', message: '' };
  const conditions = [{ ...finished, lastTransitionTime: '2026-01-05T00:00:00Z' }];
  await writeStatus(name, { phase: 'Succeeded', conditions });
  for (const verb of ['pause', 'resume', 'cancel']) {
    expect(await call('POST', `backfills/${name}/${verb}`)).toMatchObject({
      ...{ status: 409, body: { detail: `CrawlBackfill "${name}" has come to its end (Succeeded)` } },
    });
  }
});

test('what cannot be is named, field by field', async () => {
  expect(await call('POST', 'backfills', { schedule: 'none', ...RANGE })).toMatchObject({
    ...{ status: 404, body: { detail: 'there is no schedule "none" in the namespace "default"' } },
  });
  expect(await call('POST', 'backfills', { schedule: 'shop', from: RANGE.to, to: RANGE.from })).toMatchObject({
    ...{ status: 422, body: { errors: [{ field: 'spec.from', message: expect.stringContaining('before to') }] } },
  });
  expect(await call('POST', 'backfills', { schedule: 'shop', from: 'today', to: RANGE.to, no: 1 })).toMatchObject({
    ...{ status: 400, body: { errors: expect.arrayContaining([expect.objectContaining({ field: 'no' })]) } },
  });
  expect(await call('POST', 'backfills/none/cancel')).toMatchObject({ status: 404 });
});

test('the right to start runs is none to make those of past times', async () => {
  const starter = await server.account('default', 'starter', [
    { resources: ['crawlschedules'], verbs: ['run'] },
    { resources: ['crawlbackfills'], verbs: ['*'] },
  ]);
  expect(await call('POST', 'backfills', { schedule: 'shop', ...RANGE }, starter)).toMatchObject({
    ...{ status: 403, body: { detail: expect.stringContaining('may not backfill crawlruns') } },
  });
});
