// Items, dead letters, executions and totals through the API, from a real PostgreSQL with the login that only reads.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { testClient } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, type Installation, install, never, urls } from '../store/fixture.ts';
import { type ServerFixture, startFixture } from './fixture.ts';

let postgres: PostgresServer;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let databaseUrl: string;
const names: string[] = [];
const PAGES = 7;

/** A run of as many pages, whose last one dies; the others give an item each. */
async function crawl(): Promise<void> {
  const run = await installation.createRun({ ...FAST, scheduleName: 'shop' });
  const worker = run.worker();
  await worker.seed(urls(PAGES), never);
  for (let left = PAGES; left > 0; ) {
    const claims = await claimSome(worker, left);
    const facts = { status: 200, bytes: 10 };
    const outcomes = claims.map((claim, place) =>
      left - place === 1
        ? { type: 'dead' as const, claim, cause: 'HttpError' as const, message: 'gone', facts }
        : { type: 'done' as const, claim, items: [{ n: PAGES - left + place }], links: [], facts },
    );
    left -= claims.length;
    await worker.commit(outcomes, never);
  }
  expect(await worker.finish(never)).toBe(true);
  const { rows } = await installation.admin.query<{ name: string }>('select name from run where run_id = $1', [
    run.runId,
  ]);
  names.push(rows[0]?.name ?? '');
}

beforeAll(async () => {
  postgres = await startPostgres(18, { fsync: false });
  installation = await install(postgres);
  databaseUrl = await installation.operator.serverDatabaseUrl(never);
  store = createServerStore({ databaseUrl, schema: 'trawler', poolSize: 2 });
  server = await startFixture({ store: { ...store, exportRun } });
  token = await server.account('default', 'reader', [{ resources: ['crawlruns'], verbs: ['get', 'list'] }]);
  await crawl();
  await crawl();
});
afterAll(async () => {
  await server?.stop();
  await store?.close();
  await installation?.[Symbol.asyncDispose]();
  await postgres?.stop();
});

/** PostgreSQL goes away in the middle of the run "broken". */
const exportRun: ServerStore['exportRun'] = async (namespace, run, ...signals) => {
  if (run !== 'broken') return store.exportRun(namespace, run, ...signals);
  return (async function* () {
    yield [{ id: '1', source: 'site', url: 'http://site.test/', data: {} }];
    throw new Error('PostgreSQL is away');
  })();
};

type Page<T> = { readonly items: T[]; readonly nextCursor?: string };

/** All rows of a list, page by page. */
async function all<T>(path: string, limit: number): Promise<T[]> {
  const rows: T[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const separator = path.includes('?') ? '&' : '?';
    const more = cursor === '' ? '' : `&cursor=${cursor}`;
    const answer = await server.call(
      'GET',
      `/api/v1/namespaces/default/${path}${separator}limit=${limit}${more}`,
      token,
    );
    expect(answer, path).toMatchObject({ status: 200 });
    const page = answer.body as unknown as Page<T>;
    rows.push(...page.items);
    cursor = page.nextCursor;
  }
  return rows;
}

type Item = {
  readonly itemId: string;
  readonly run: string;
  readonly url: string;
  readonly time: string;
  readonly source: string;
};

test('items come the newest first, each once, whatever the size of a page', async () => {
  const ids = (items: readonly Item[]) => items.map(({ itemId }) => Number(itemId));
  const [newest] = await all<Item>('items', 500);
  expect(newest).toMatchObject({ run: names[1], source: expect.any(String), url: expect.stringContaining('http') });
  expect(new Date(newest?.time ?? '').toISOString()).toBe(newest?.time);
  for (const limit of [1, 2, 5, 500]) {
    const items = ids(await all<Item>('items', limit));
    expect(items, `pages of ${limit}`).toHaveLength(2 * (PAGES - 1));
    expect(items).toEqual([...items].sort((a, b) => b - a));
    const ofOne = await all<Item>(`runs/${names[0]}/items`, limit);
    expect(new Set(ofOne.map(({ run }) => run))).toEqual(new Set([names[0]]));
    expect(ofOne).toHaveLength(PAGES - 1);
  }
  expect(await all<Item>('items?schedule=shop', 500)).toHaveLength(2 * (PAGES - 1));
  expect(await all<Item>('items?schedule=other', 500)).toEqual([]);
  expect(await all<Item>('items?source=other', 500)).toEqual([]);
});

test('dead letters are listed with their causes, executions with their counts', async () => {
  const dead = await all<object>(`runs/${names[0]}/dead-letters`, 1);
  expect(dead).toEqual([expect.objectContaining({ cause: 'HttpError', message: 'gone', diedAt: expect.any(String) })]);
  expect(await all(`runs/${names[0]}/dead-letters?cause=Timeout`, 1)).toEqual([]);
  for (const limit of [1, 2, 500]) {
    const executions = await all<{ name: string }>('executions?schedule=shop&outcome=Partial', limit);
    expect(executions.map(({ name }) => name)).toEqual([names[1], names[0]]);
    expect(executions[0]).toMatchObject({ type: 'Crawl', succeeded: PAGES - 1, failed: 1, failedBy: { HttpError: 1 } });
  }
  expect(await all('executions?outcome=Failed', 500)).toEqual([]);
});

test('a run is exported whole, as lines or as one list, and what breaks off does not look whole', async () => {
  const read = (name: string, format: string) =>
    fetch(`${server.url}/api/v1/namespaces/default/runs/${name}/export?format=${format}`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const listed = (await all<Item>(`runs/${names[0]}/items`, 500)).map(({ itemId, url }) => ({ itemId, url })).reverse();
  const list = (await (await read(names[0] ?? '', 'json')).json()) as Item[];
  const text = await (await read(names[0] ?? '', 'jsonl')).text();
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Item);
  for (const items of [list, lines]) expect(items.map(({ itemId, url }) => ({ itemId, url }))).toEqual(listed);
  expect((await read('none', 'json')).status).toBe(404);
  const broken = await read('broken', 'json');
  expect(broken.status).toBe(200);
  await expect(broken.text()).rejects.toThrow();
});

test('what spans all namespaces needs a right in all of them', async () => {
  expect(await server.call('GET', '/api/v1/system/status', token)).toMatchObject({ status: 403 });
  expect(await server.call('GET', '/api/v1/namespaces/kube-system/items', token)).toMatchObject({ status: 403 });
  expect(await store.totals(never)).toMatchObject({ activeRuns: 0, waiting: 0, inProgress: 0 });
  expect(await server.call('GET', '/ready', undefined)).toMatchObject({ body: { checks: { database: true } } });
});

test("the server's login reads and writes nothing, and knows no token and no password", async () => {
  const client = testClient(databaseUrl);
  await client.connect();
  try {
    await client.query(`set search_path to trawler`);
    for (const statement of [
      'delete from item',
      "update run set name = 'x'",
      'select * from run_token',
      'select * from worker_login',
      'select stop_run(gen_random_uuid(), $$x$$)',
      'create table mine (x int)',
    ]) {
      await expect(client.query(statement), statement).rejects.toThrow(/permission denied|does not exist/);
    }
  } finally {
    await client.end();
  }
});
