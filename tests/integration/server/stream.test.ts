// Live updates: what is there, what changes, where a broken stream goes on, what a thousand streams cost, and who may read them.
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { claimSome, FAST, type Installation, never, urls } from '../store/fixture.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

const WATCHER = [{ resources: ['crawlschedules', 'crawlruns'], verbs: ['watch'] }];

let started: ServerOnDatabase;
let installation: Installation;
let server: ServerFixture;
let token: string;

beforeAll(async () => {
  started = await startServerOnDatabase({ keepAliveMs: 300 });
  ({ installation, server } = started);
  await server.kubectl(['create', 'namespace', 'other']);
  token = await server.account('default', 'watcher', WATCHER);
});
afterAll(() => started?.stop());

type Told = { readonly event: string; readonly id: string; readonly data: Record<string, unknown> };

/** A client: what it has been told so far, and what ends it. */
class Stream {
  readonly told: Told[] = [];
  keepAlives = 0;
  isOver = false;
  readonly #leaving = new AbortController();

  static async open(query = 'namespace=default', options: { lastEventId?: string; token?: string } = {}) {
    const stream = new Stream();
    const { lastEventId } = options;
    const answer = await fetch(`${server.url}/api/v1/stream?${query}`, {
      headers: {
        authorization: `Bearer ${options.token ?? token}`,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
      signal: stream.#leaving.signal,
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    void stream.#read(answer.body as ReadableStream<Uint8Array>);
    open.push(stream);
    return stream;
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = '';
    try {
      for await (const text of body.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
        const parts = (rest + text).split('\n\n');
        rest = parts.pop() ?? '';
        for (const part of parts) this.#take(part);
      }
    } catch {
      // Left.
    }
    this.isOver = true;
  }

  #take(part: string): void {
    if (part.startsWith(':')) {
      this.keepAlives += 1;
      return;
    }
    const fields = Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
    this.told.push({ event: fields['event'], id: fields['id'] ?? '', data: JSON.parse(fields['data']) });
  }

  /** Events and names, without the states. */
  get names(): string[] {
    return this.told.map(({ event, data }) => [event, data['change'], data['name']].filter(Boolean).join(' '));
  }

  async until(name: string): Promise<Told> {
    return vi.waitFor(() => {
      const index = this.names.lastIndexOf(name);
      expect(this.names).toContain(name);
      return this.told[index] as Told;
    }, 20_000);
  }

  leave(): void {
    this.#leaving.abort();
  }
}

const open: Stream[] = [];
afterEach(() => {
  for (const stream of open.splice(0)) stream.leave();
});

async function apply(name: string, namespace = 'default', spec: object = {}): Promise<void> {
  const sources = [{ name: 'site', urls: ['https://site.example/'] }];
  await server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name, namespace } },
    spec: { schedule: '@daily', runTemplate: { spec: { sources } }, ...spec },
  });
}

test('a client is told what is there, then each change, and goes on where it stopped', async () => {
  await apply('one');
  await apply('elsewhere', 'other');
  const first = await Stream.open('namespace=default&kinds=schedule,run');
  await first.until('synced');
  expect(first.names).toEqual(['schedule Current one', 'synced']);
  await apply('one', 'default', { suspend: true });
  await vi.waitFor(() => expect(first.told).toHaveLength(3), 20_000);
  const changed = first.told[2];
  expect(changed).toMatchObject({
    event: 'schedule',
    data: { namespace: 'default', state: { metadata: { name: 'one' }, spec: { suspend: true } } },
  });
  first.leave();
  await apply('two');
  await server.kubectl(['delete', 'crawlschedule', 'one']);
  const second = await Stream.open('namespace=default', { lastEventId: changed?.id ?? '' });
  await second.until('schedule Gone one');
  await second.until('synced');
  expect(second.names.filter((name) => name.startsWith('schedule'))).toEqual([
    'schedule Current two',
    'schedule Gone one',
  ]);
  const third = await Stream.open('namespace=default&kinds=schedule', { lastEventId: 'of-another-replica.7' });
  await third.until('synced');
  expect(third.names).toEqual(['reset', 'schedule Current two', 'synced']);
});

test('the progress of a live run is told as PostgreSQL has it, and its end', async () => {
  const run = await installation.createRun(FAST);
  const { rows } = await installation.admin.query<{ name: string }>('select name from run where run_id = $1', [
    run.runId,
  ]);
  const name = rows[0]?.name ?? '';
  const stream = await Stream.open('namespace=default&kinds=progress');
  await stream.until(`progress Current ${name}`);
  const worker = run.worker();
  await worker.seed(urls(3), never);
  const told = (state: object) =>
    vi.waitFor(() => expect(stream.told.at(-1)?.data['state']).toMatchObject(state), 20_000);
  const done = async (count: number) => {
    const claims = await claimSome(worker, count);
    const facts = { status: 200, bytes: 1 };
    const outcomes = claims.map((claim) => ({ type: 'done' as const, claim, items: [{ n: 1 }], links: [], facts }));
    return () => worker.commit(outcomes, never);
  };
  const commitFirst = await done(1);
  await told({ known: 3, waiting: 2, inProgress: 1, succeeded: 0, failed: 0, skipped: 0, items: 0 });
  await commitFirst();
  await told({ known: 3, waiting: 2, inProgress: 0, succeeded: 1, items: 1 });
  await (await done(2))();
  expect(await worker.finish(never)).toBe(true);
  await stream.until(`progress Gone ${name}`);
});

test('many clients cost one watch of each resource, and one connection to PostgreSQL', async () => {
  const watches = async () => {
    const metrics = await server.kubectl(['get', '--raw', '/metrics']);
    return [...metrics.matchAll(/^apiserver_longrunning_requests\{(.*resource="crawl.*)\} (\d+)$/gm)]
      .filter(([, labels = '']) => labels.includes('verb="WATCH"'))
      .reduce((sum, [, , count]) => sum + Number(count), 0);
  };
  const streams = await Promise.all(Array.from({ length: 200 }, () => Stream.open()));
  for (const stream of streams) await stream.until('synced');
  expect(await watches()).toBe(2);
  await apply('many');
  for (const stream of streams) await stream.until('schedule Current many');
  const { rows } = await installation.admin.query<{ count: number }>(
    "select count(*)::int as count from pg_stat_activity where application_name = 'trawler-server'",
  );
  expect(rows[0]?.count).toBeLessThanOrEqual(2);
});

test('a silent stream is kept alive, and ends when the right that it was begun with is taken away', async () => {
  const leaving = await server.account('default', 'leaving', WATCHER);
  const stream = await Stream.open('namespace=default&kinds=run', { token: leaving });
  await stream.until('synced');
  await vi.waitFor(() => expect(stream.keepAlives).toBeGreaterThan(1), 20_000);
  expect(stream.isOver).toBe(false);
  await server.account('default', 'leaving', []);
  expect((await stream.until('end')).data).toEqual({ reason: 'Forbidden' });
  await vi.waitFor(() => expect(stream.isOver).toBe(true), 20_000);
});

test('who may not watch is refused, in a namespace and in all of them', async () => {
  const runsAlone = await server.account('default', 'runs', [{ resources: ['crawlruns'], verbs: ['watch'] }]);
  const get = (query: string) => server.call('GET', `/api/v1/stream?${query}`, runsAlone);
  expect(await get('namespace=default')).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining('may not watch crawlschedules') },
  });
  expect(await get('namespace=other&kinds=run')).toMatchObject({ status: 403 });
  expect(await get('kinds=run')).toMatchObject({ status: 403 });
  expect(await get('namespace=default&kinds=run,no')).toMatchObject({ status: 400 });
  await Stream.open('namespace=default&kinds=run', { token: runsAlone });
});
