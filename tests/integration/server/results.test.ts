// Items, dead letters, executions and totals through the API, from a real PostgreSQL with the login that only reads.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServerStore } from '#src/store/server-store.ts';
import { testClient } from '../../support/database-connections.ts';
import { type Installation, never } from '../store/fixture.ts';
import { finishedCrawl } from './finished-crawl.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let started: ServerOnDatabase;
let installation: Installation;
let store: ServerStore;
let server: ServerFixture;
let token: string;
let databaseUrl: string;
const names: string[] = [];
const PAGES = 7;

async function crawl(): Promise<void> {
  const number = names.length;
  names.push(await finishedCrawl(installation, PAGES, (n) => ({ n, crawl: number })));
}

beforeAll(async () => {
  started = await startServerOnDatabase({ changed: { exportRun } });
  ({ installation, databaseUrl, store, server } = started);
  token = await server.account('default', 'reader', [{ resources: ['crawlruns'], verbs: ['get', 'list'] }]);
  await crawl();
  await crawl();
});
afterAll(() => started?.stop());

/** PostgreSQL goes away in the middle of the run "broken". */
const exportRun: ServerStore['exportRun'] = async (namespace, run, ...signals) => {
  if (run !== 'broken') return store.exportRun(namespace, run, ...signals);
  async function* pages() {
    yield [{ id: '1', source: 'site', url: 'http://site.test/', data: {} }];
    throw new Error('PostgreSQL is away');
  }
  return { pages: pages(), fields: async () => [] };
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
  expect(await all(`executions?run=${names[0]}`, 1)).toMatchObject([{ name: names[0] }]);
  expect(await all('executions?outcome=Failed', 500)).toEqual([]);
});

test('a run is shown with its sources, its workers and its hosts, page by page', async () => {
  const counts = { known: PAGES, succeeded: PAGES - 1, failed: 1, waiting: 0, inProgress: 0, percentage: 100 };
  expect(await all(`runs/${names[0]}/sources`, 1)).toEqual([
    expect.objectContaining({ name: 'site', active: true, items: PAGES - 1, ...counts }),
  ]);
  const [worker] = await all<Record<string, unknown>>(`runs/${names[0]}/workers`, 1);
  expect(worker).toMatchObject({ pod: 'pod-0', node: 'node-0', lastHeartbeatAt: expect.any(String), memoryBytes: 1 });
  expect(worker).not.toHaveProperty('stall');
  expect(await all(`runs/${names[0]}/hosts`, 1)).toEqual([
    expect.objectContaining({ host: 'site.test', waiting: 0, blocks: 1, evidence: 'a captcha', slowdown: 4 }),
  ]);
  expect(await all('runs/none/hosts', 1)).toEqual([]);
});

test('an execution by its id has its sources, its first items and what changed', async () => {
  const [newest] = await all<{ executionId: string }>('executions?schedule=shop', 1);
  const path = (namespace: string) => `/api/v1/namespaces/${namespace}/executions/${newest?.executionId}`;
  expect(await server.call('GET', path('default'), token)).toMatchObject({
    status: 200,
    body: {
      ...{ name: names[1], open: 0, sources: [{ name: 'site' }] },
      firstItems: Array.from({ length: PAGES - 1 }, () => ({ source: 'site' })),
      compared: { with: names[0], urls: { changed: PAGES - 1 } },
    },
  });
  await server.kubectl(['create', 'namespace', 'empty']);
  const reader = await server.account('empty', 'reader', [{ resources: ['crawlruns'], verbs: ['get', 'list'] }]);
  expect(await server.call('GET', path('empty'), reader)).toMatchObject({ status: 404 });
});

test('changes of a run are listed page by page, and a feed of the schedule goes on where its reader stopped', async () => {
  type Change = { readonly kind: string; readonly change: string; readonly url: string; readonly run?: string };
  for (const limit of [1, 3, 500]) {
    const changed = await all<Change>(`runs/${names[1]}/changes?kind=Url`, limit);
    expect(new Set(changed.map(({ url }) => url)).size, `pages of ${limit}`).toBe(PAGES - 1);
    expect(changed.every(({ change }) => change === 'Changed')).toBe(true);
  }
  expect(await all(`runs/${names[0]}/changes`, 500)).toEqual([]);
  expect(await all(`runs/${names[1]}/changes?change=Unchanged`, 500)).toEqual([]);
  const unlisted = `/api/v1/namespaces/default/runs/${names[1]}/changes?change=Unchanged&kind=Item`;
  expect(await server.call('GET', unlisted, token)).toMatchObject({ status: 400 });

  const feed = async (cursor?: unknown) => {
    const more = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
    const path = `/api/v1/namespaces/default/schedules/shop/changes?kind=Url&limit=4${more}`;
    return (await server.call('GET', path, token)).body as unknown as Page<Change>;
  };
  const first = await feed();
  const second = await feed(first.nextCursor);
  expect([...first.items, ...second.items].map(({ url }) => url)).toEqual(
    (await all<Change>(`runs/${names[1]}/changes?kind=Url`, 500)).map(({ url }) => url),
  );
  expect(await feed(second.nextCursor)).toEqual({ items: [], nextCursor: second.nextCursor });
  await crawl();
  const later = await feed(second.nextCursor);
  expect(new Set(later.items.map(({ run }) => run))).toEqual(new Set([names.pop()]));
});

test('what pods have logged is read as lines, by level and by number', async () => {
  const read = async (query: string) => {
    const path = `/api/v1/namespaces/default/runs/${names[0]}/logs?${query}`;
    const answer = await fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } });
    const text = await answer.text();
    return [
      answer.status,
      ...text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).msg),
    ];
  };
  expect(await read('')).toEqual([200, 'page done', 'page failed']);
  expect(await read('level=warn')).toEqual([200, 'page failed']);
  expect(await read('tail=1&follow=true')).toEqual([200, 'page failed']);
  expect(await read('since=1ms')).toEqual([200]);
  const missing = await server.call('GET', '/api/v1/namespaces/default/runs/none/logs', token);
  expect(missing).toMatchObject({ status: 404, body: { reason: 'NotFound' } });
});

test('a run is exported whole, as lines, as one list or as CSV, and what breaks off does not look whole', async () => {
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
  const csv = (await (await read(names[0] ?? '', 'csv')).text()).trimEnd().split('\r\n');
  expect(csv[0]).toBe('itemId,run,source,url,crawl,n');
  expect(csv.slice(1).map((row) => row.split(',')[0])).toEqual(listed.map(({ itemId }) => itemId));
  expect((await read('none', 'json')).status).toBe(404);
  const broken = await read('broken', 'json');
  expect(broken.status).toBe(200);
  await expect(broken.text()).rejects.toThrow();
});

test('a cursor that is forged, and text that cannot be stored, is refused before PostgreSQL sees it', async () => {
  const run = `runs/${names[0]}`;
  const cursorOf = (position: object) => `cursor=${Buffer.from(JSON.stringify(position)).toString('base64url')}`;
  const id = '00000000-0000-4000-8000-000000000000';
  const at = '2030-01-02 03:04:05.678+00';
  const tooLarge = '9999999999999999999';
  const forged: [path: string, query: string][] = [
    ...['yesterday', '2030-02-31 00:00:00+00', '2030-01-02 03:04:05\0'].flatMap((time): [string, string][] => [
      [`${run}/dead-letters`, cursorOf({ at: time, key: id })],
      ['executions', cursorOf({ at: time, id })],
      ['schedules/shop/changes', cursorOf({ at: time, runId: id, after: '1' })],
    ]),
    [`${run}/dead-letters`, cursorOf({ at, key: 'x' })],
    ['schedules/shop/changes', cursorOf({ at, runId: id, after: tooLarge })],
    ['items', cursorOf({ before: tooLarge })],
    [`${run}/items`, cursorOf({ before: '-1' })],
    [`${run}/changes`, cursorOf({ after: tooLarge })],
    [`${run}/changes`, cursorOf({ after: id })],
    [`${run}/changes`, `change=Unchanged&${cursorOf({ after: '7' })}`],
    [`${run}/sources`, cursorOf({ after: id })],
    [`${run}/workers`, cursorOf({ after: '7' })],
    [`${run}/hosts`, cursorOf({ after: tooLarge })],
    ...['source', 'host', 'url'].map((name): [string, string] => [`${run}/dead-letters`, `${name}=a%00`]),
    ['items', 'source=a%00'],
    ['items', 'schedule=a%00'],
    ['executions', 'run=a%00'],
    ['runs', 'schedule=a%00'],
    ['runs/a%00/items', ''],
    // The path of the namespace itself.
    ['schedules/none%2F..%2F../changes', ''],
  ];
  const taken: string[] = [];
  for (const [path, query] of [...forged, ['../Default/items', '']]) {
    const { status, body } = await server.call('GET', `/api/v1/namespaces/default/${path}?${query}`, token);
    if (status !== 400 || body['reason'] !== 'BadRequest') taken.push(`${status} ${path}?${query}`);
  }
  expect(taken).toEqual([]);
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
