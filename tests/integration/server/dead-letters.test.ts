// Dead letters of a run that lives, through the API: queued again, cleared once somebody has seen how many there are, refused when
// the run ends. Each change is an Event of the run that names who made it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServerStore } from '#src/store/server-store.ts';
import { claimSome, FAST, type Installation, never, type TestRun, urls } from '../store/fixture.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;

beforeAll(async () => {
  started = await startServerOnDatabase({ changed: { requeueDeadLetters } });
  ({ installation, store, server } = started);
  token = await server.account('default', 'keeper', [{ resources: ['crawlruns'], verbs: ['get', 'retry', 'clear'] }]);
});
afterAll(() => started?.stop());

/** PostgreSQL goes away when dead letters of the host "broken.test" are under way. */
const requeueDeadLetters: ServerStore['requeueDeadLetters'] = async (runId, filter, signal) =>
  filter.host === 'broken.test'
    ? { state: 'Interrupted', changed: 500, cause: new Error('PostgreSQL is away') }
    : store.requeueDeadLetters(runId, filter, signal);

/** A run at work with three dead letters of the cause Timeout at one host and three of HttpError at another. */
async function runWithDeadLetters(name: string): Promise<TestRun> {
  const runId = await server.crawlRun(name);
  const run = await installation.createRun(FAST, { runId, name });
  const worker = run.worker();
  await worker.seed(urls(6, { hosts: 2 }), never);
  for (let left = 6; left > 0; ) {
    const claims = await claimSome(worker, left);
    left -= claims.length;
    await worker.commit(
      claims.map((claim) => {
        const cause = claim.host === 'host0.test' ? 'Timeout' : 'HttpError';
        return { type: 'dead', claim, cause, message: 'no answer' };
      }),
      never,
    );
  }
  return run;
}

const pathOf = (name: string) => `/api/v1/namespaces/default/runs/${name}/dead-letters`;
const post = (name: string, what: 'requeue' | 'clear', body: object) =>
  server.call('POST', `${pathOf(name)}/${what}`, token, { body });

async function urlsOf(name: string, query = ''): Promise<string[]> {
  const { body } = await server.call('GET', `${pathOf(name)}?${query}`, token);
  return (body['items'] as { url: string }[]).map(({ url }) => url);
}

/** The messages of Events of the run with this reason. */
async function eventsOf(name: string, reason: string): Promise<string[]> {
  const selector = `regarding.name=${name},reason=${reason}`;
  const text = await server.kubectl(['get', 'events.events.k8s.io', '--field-selector', selector, '-o', 'json']);
  return (JSON.parse(text) as { items: { note: string }[] }).items.map(({ note }) => note);
}

test('what is chosen by cause, host or URL is queued again, and an Event tells how many and by whom', async () => {
  await runWithDeadLetters('requeued');
  expect(await urlsOf('requeued', 'host=host1.test')).toHaveLength(3);
  expect(await urlsOf('requeued', 'url=http%3A%2F%2Fhost0.test%2Fpage0')).toEqual(['http://host0.test/page0']);
  expect(await post('requeued', 'requeue', { url: 'http://host0.test/page0' })).toMatchObject({
    ...{ status: 200, body: { requeued: 1 } },
  });
  expect(await post('requeued', 'requeue', { cause: 'HttpError', host: 'host1.test' })).toMatchObject({
    body: { requeued: 3 },
  });
  expect((await urlsOf('requeued')).toSorted()).toEqual(['http://host0.test/page2', 'http://host0.test/page4']);
  expect(await post('requeued', 'requeue', { cause: 'Timout' })).toMatchObject({ status: 400 });
  await expect
    .poll(() => eventsOf('requeued', 'DeadLettersRequeued'), { timeout: 10_000 })
    .toContain('by system:serviceaccount:default:keeper through the API: 3 dead letters of HttpError at host1.test');
});

test('clearing counts first, and does it for what was counted and for nothing else', async () => {
  await runWithDeadLetters('cleared');
  const first = await post('cleared', 'clear', { cause: 'Timeout' });
  expect(first).toMatchObject({ status: 200, body: { count: 3, confirm: expect.any(String) } });
  const { confirm } = first.body;
  expect(await urlsOf('cleared')).toHaveLength(6);
  for (const body of [{ confirm }, { cause: 'HttpError', confirm }, { cause: 'Timeout', confirm: 'x' }]) {
    expect(await post('cleared', 'clear', body)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'confirm' }] },
    });
  }
  await runWithDeadLetters('other');
  expect(await post('other', 'clear', { cause: 'Timeout', confirm })).toMatchObject({ status: 400 });
  await post('cleared', 'requeue', { url: 'http://host0.test/page0' });
  expect(await post('cleared', 'clear', { cause: 'Timeout', confirm })).toMatchObject({
    ...{ status: 409, body: { detail: expect.stringContaining('there were 3 dead letters') } },
  });
  expect(await urlsOf('cleared')).toHaveLength(5);
  const { body: counted } = await post('cleared', 'clear', { cause: 'Timeout' });
  const again = { cause: 'Timeout', confirm: counted['confirm'] };
  expect(await post('cleared', 'clear', again)).toMatchObject({ status: 200, body: { cleared: 2 } });
  expect(await urlsOf('cleared', 'cause=Timeout')).toEqual([]);
  expect(await urlsOf('cleared')).toHaveLength(3);
  expect(await post('cleared', 'clear', again)).toMatchObject({ status: 409 });
  expect(await post('cleared', 'clear', { cause: 'Timeout' })).toMatchObject({ body: { count: 0 } });
  await expect
    .poll(() => eventsOf('cleared', 'DeadLettersCleared'), { timeout: 10_000 })
    .toEqual(['by system:serviceaccount:default:keeper through the API: 2 dead letters of Timeout']);
});

test('a run that stops, has ended or has not begun refuses, and says what to do', async () => {
  const stopping = await runWithDeadLetters('stopping');
  await installation.operator.requestStop(stopping.runId, 'Shutdown', never);
  await runWithDeadLetters('ended');
  const lastTransitionTime = new Date().toISOString();
  const finished = { type: 'Finished', status: 'True', reason: 'SomeRequestsFailed', message: '', lastTransitionTime };
  const status = JSON.stringify({ status: { phase: 'Partial', conditions: [finished] } });
  await server.kubectl(['patch', 'crawlrun', 'ended', '--subresource=status', '--type=merge', '--patch', status]);
  await server.crawlRun('early');
  for (const [name, said] of [
    ['stopping', 'is being stopped; when it has ended, a retry takes its dead letters: kubectl trawler retry stopping'],
    ['ended', 'has ended; retry its dead letters: kubectl trawler retry ended --dead'],
    ['early', 'has not begun'],
  ] as const) {
    expect(await post(name, 'requeue', {}), name).toMatchObject({
      ...{ status: 409, body: { detail: expect.stringContaining(said) } },
    });
  }
});

test('a call that breaks off says how many were changed, and the Event is there', async () => {
  await runWithDeadLetters('broken');
  expect(await post('broken', 'requeue', { host: 'broken.test' })).toMatchObject({
    status: 503,
    body: { detail: '500 dead letters were queued again; then: PostgreSQL is away. Call again for the rest' },
  });
  await expect
    .poll(() => eventsOf('broken', 'DeadLettersRequeued'), { timeout: 10_000 })
    .toEqual([expect.stringContaining('500 dead letters at broken.test')]);
});
