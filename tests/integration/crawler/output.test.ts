// Output files by whole workers, as processes: one file whatever happens to who writes it, in bounded memory, and the
// truth when there is none.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';
import { testPool } from '../../support/database-connections.ts';
import { isRoot, mountedFolder } from '../../support/mounted-folder.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 300_000 };
let database: CrawlDatabase;
let admin: pg.Pool;

beforeAll(async () => {
  database = await startCrawlDatabase();
  admin = testPool(database.superuserUrl, { schema: 'trawler' });
});
afterAll(async () => {
  await admin.end();
  await database[Symbol.asyncDispose]();
});

/** A folder in place of the volume. */
async function volume(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'trawler-volume-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

type Output = NonNullable<CrawlRunSpecInput['output']>;

function specFor(site: TestSite, output: Partial<Output> = {}): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [site.url('/p/0').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
    extract: {
      fields: [
        { name: 'title', selector: 'title' },
        { name: 'price', selector: '.price', type: 'Number' },
        { name: 'words', selector: 'li', multiple: true },
      ],
    },
    output: { volumeClaim: 'results', ...output },
    heartbeat: { interval: '1s' },
  };
}

const PAGES = 20;

function shop(): Promise<TestSite> {
  const pages = Array.from({ length: PAGES }, (_, number) => {
    const next = number + 1 < PAGES ? `<a href="/p/${number + 1}">next</a>` : '';
    const words = number % 2 === 0 ? '<li>naïve</li><li>"quoted", 東京</li>' : '';
    return [
      `/p/${number}`,
      html(`<title>=Page ${number}</title><p class="price">-${number}.5</p><ul>${words}</ul>${next}`),
    ] as const;
  });
  return startSite(Object.fromEntries(pages));
}

const start = (run: TestRun, folder: string, site?: TestSite, more: Record<string, string> = {}): TestWorker =>
  run.startWorker({
    TRAWLER_OUTPUT_DIR: folder,
    ...(site ? { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` } : {}),
    ...more,
  });

/** The file that the run says it wrote: it is there, alone, and as large as said. */
async function fileOf(snapshot: RunSnapshot, folder: string): Promise<string> {
  const { output } = snapshot;
  const file = path.join(folder, output?.path ?? '');
  expect(await readdir(path.dirname(file))).toEqual([path.basename(file)]);
  expect((await stat(file)).size).toBe(output?.bytes);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  expect(hash.digest('hex')).toBe(output?.sha256);
  return file;
}

const read = async (snapshot: RunSnapshot, folder: string) => readFile(await fileOf(snapshot, folder), 'utf8');

/**
 * A run whose crawl is over, with so many items of about 1 kB that no compression makes smaller: 0, 1, 2 … in `n`.
 */
async function crawledRun(count: number): Promise<TestRun> {
  const run = await database.accept({
    sources: [{ name: 'site', urls: ['http://127.0.0.1:9/'] }],
    output: { volumeClaim: 'results' },
    heartbeat: { interval: '1s' },
  });
  const key = '00000000-0000-0000-0000-000000000001';
  await admin.query(
    `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, state, url)
     values ($1, $2, 0, now(), $3, 0, 0, 0, 'done', 'http://127.0.0.1:9/')`,
    [run.runId, key, run.runDay],
  );
  await admin.query(
    `insert into item (run_id, url_key, run_day, source_no, data)
     select $1, $2, $3, 0, json_build_object('n', n, 'text', (
       select string_agg(md5(n || '/' || part), '') from generate_series(1, 30) part))
     from generate_series(0, $4::int - 1) n order by n`,
    [run.runId, key, run.runDay, count],
  );
  await admin.query('update run set seeded_at = now() where run_id = $1', [run.runId]);
  return run;
}

/** Whether the file holds the items 0, 1, 2 … count - 1, each once and in this order. */
async function expectNumbered(file: string, count: number): Promise<void> {
  let expected = 0;
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    const { n, text } = JSON.parse(line) as { n: number; text: string };
    if (n !== expected || text.length !== 960) throw new Error(`line ${expected} holds item ${n}`);
    expected++;
  }
  expect(expected).toBe(count);
}

const unfinishedIn = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith('.part'));

describe('the file of a run', PATIENT, () => {
  it.each(['JSON', 'JSONL'] as const)('holds its items as %s', async (format) => {
    await using site = await shop();
    await using folder = await volume();
    await using run = await database.accept(specFor(site, { format, path: 'shop/today', filenamePrefix: 'all-' }));
    expect(await start(run, folder.path, site).ended).toBe(0);
    const snapshot = await run.snapshot();
    expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Succeeded', output: { items: PAGES } });
    expect(snapshot.output?.path).toBe(`shop/today/all-${snapshot.name}.${format.toLowerCase()}`);
    const text = await read(snapshot, folder.path);
    const items: unknown[] = JSON.parse(format === 'JSON' ? text : `[${text.trim().split('\n').join(',')}]`);
    expect(items).toEqual((await run.items()).map(({ source, url, data }) => ({ source, url, ...data })));
    expect(items[0]).toEqual({
      source: 'site',
      url: site.url('/p/0').href,
      title: '=Page 0',
      price: -0.5,
      words: ['naïve', '"quoted", 東京'],
    });
  });

  it('holds them as CSV', async () => {
    await using site = await shop();
    await using folder = await volume();
    await using run = await database.accept(specFor(site, { format: 'CSV' }));
    expect(await start(run, folder.path, site).ended).toBe(0);
    const lines = (await read(await run.snapshot(), folder.path)).split('\r\n');
    expect(lines.slice(0, 3)).toEqual([
      'source,url,title,price,words',
      `site,${site.url('/p/0').href},'=Page 0,-0.5,"[""naïve"",""\\""quoted\\"", 東京""]"`,
      `site,${site.url('/p/1').href},'=Page 1,-1.5,[]`,
    ]);
    expect(lines).toHaveLength(PAGES + 2);
  });

  it('is written by one of several workers, and none ends before it is there', async () => {
    await using site = await shop();
    await using folder = await volume();
    await using run = await database.accept(specFor(site));
    const workers = [1, 2, 3].map(() => start(run, folder.path, site));
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0, 0]);
    expect((await read(await run.snapshot(), folder.path)).trim().split('\n')).toHaveLength(PAGES);
    const written = workers.filter((worker) => worker.lines.some(({ msg }) => msg === 'output written'));
    expect(written).toHaveLength(1);
  });

  it('has what there is of a run that was stopped, by a worker that crawls nothing', async () => {
    await using site = await shop();
    await using folder = await volume();
    const spec = { ...specFor(site), politeness: { requestsPerSecond: 20, robots: 'Ignore' as const } };
    await using run = await database.accept(spec);
    const worker = start(run, folder.path, site);
    await until('items', async () => (await run.snapshot()).progress.items >= 3);
    await database.store.requestStop(run.runId, 'Shutdown', never);
    expect(await worker.ended).toBe(143);
    expect(await readdir(folder.path)).toEqual([]);
    const asked = site.requests.length;
    expect(await database.store.closeCrawl(run.runId, 'Stopped', 'stopped (Shutdown)', never)).toBe(true);

    expect(await start(run, folder.path, site).ended).toBe(0);
    expect(site.requests).toHaveLength(asked);
    const snapshot = await run.snapshot();
    expect(snapshot).toMatchObject({ outcome: 'Stopped', output: { items: snapshot.progress.items } });
    const items = (await read(snapshot, folder.path)).trim().split('\n');
    expect(items.length).toBeGreaterThanOrEqual(3);
    expect(items.length).toBeLessThan(PAGES);
  });
});

describe('a writer', PATIENT, () => {
  const COUNT = 200_000;

  it('keeps 200,000 items of 1 kB out of its memory', async () => {
    await using folder = await volume();
    await using run = await crawledRun(COUNT);
    // 200 MB of text do not fit: a worker that gathers them dies.
    const worker = start(run, folder.path, undefined, { NODE_OPTIONS: '--max-old-space-size=96' });
    expect(await worker.ended).toBe(0);
    await expectNumbered(await fileOf(await run.snapshot(), folder.path), COUNT);
  });

  it('that is killed in the middle is followed by another, and there is one whole file', async () => {
    await using folder = await volume();
    await using run = await crawledRun(COUNT);
    const first = start(run, folder.path);
    await until('a part of the file', async () => {
      const [name] = await unfinishedIn(folder.path);
      return name !== undefined && (await stat(path.join(folder.path, name))).size > 1_000_000;
    });
    const second = start(run, folder.path);
    await until('the second worker waits', async () => (await run.snapshot()).workers.length === 2);
    first.process.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(await unfinishedIn(folder.path)).toHaveLength(1);
    // As the operator does when it sees that the pod is gone.
    await database.store.releaseWorker(run.runId, first.workerId, never);
    expect(await second.ended).toBe(0);
    await expectNumbered(await fileOf(await run.snapshot(), folder.path), COUNT);
  });

  it('that gets a SIGTERM leaves nothing behind and ends with 143', async () => {
    await using folder = await volume();
    await using run = await crawledRun(COUNT);
    const worker = start(run, folder.path);
    await until('a part of the file', async () => (await unfinishedIn(folder.path)).length === 1);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe(143);
    expect(await readdir(folder.path)).toEqual([]);
    expect((await run.snapshot()).state).toBe('Running');
    expect(await start(run, folder.path).ended).toBe(0);
    expect((await run.snapshot()).output?.items).toBe(COUNT);
  });
});

describe('a run whose file cannot be written', PATIENT, () => {
  async function expectFailed(folder: string, reason: string): Promise<void> {
    await using run = await crawledRun(2_000);
    const worker = start(run, folder);
    expect(await worker.ended).toBe(0);
    const snapshot = await run.snapshot();
    expect(snapshot).toMatchObject({ outcome: 'Failed', output: { error: expect.stringContaining(reason) } });
    expect(snapshot.message).toContain(reason);
    expect(worker.lines.find(({ msg }) => msg === 'output failed')).toMatchObject({ level: 'error' });
  }

  it.runIf(isRoot)('since the volume is full, has failed, and leaves nothing there', async () => {
    await using folder = await mountedFolder('size=1m');
    await expectFailed(folder.path, 'the volume is full');
    expect(await readdir(folder.path)).toEqual([]);
  });

  it.runIf(isRoot)('since the volume is read-only, has failed', async () => {
    await using folder = await mountedFolder('ro');
    await expectFailed(folder.path, 'the volume is read-only');
  });

  it('since the volume is not there, has failed', async () => {
    await expectFailed('/nowhere', 'no such file or directory');
  });

  it('since a link leads out of the volume, has failed, and nothing is written there', async () => {
    await using folder = await volume();
    await using outside = await volume();
    await symlink(outside.path, path.join(folder.path, 'shop'));
    await using site = await shop();
    await using run = await database.accept(specFor(site, { path: 'shop/today' }));
    expect(await start(run, folder.path, site).ended).toBe(0);
    expect((await run.snapshot()).output?.error).toContain('leads out of the volume');
    expect(await readdir(outside.path)).toEqual([]);
  });

  it('since a folder has its name, has failed, and the folder is as it was', async () => {
    await using folder = await volume();
    await using run = await crawledRun(10);
    const { name } = await run.snapshot();
    await mkdir(path.join(folder.path, `${name}.jsonl`));
    await writeFile(path.join(folder.path, `${name}.jsonl`, 'kept'), '');
    expect(await start(run, folder.path).ended).toBe(0);
    expect((await run.snapshot()).output?.error).toContain('a folder is where the file is wanted');
    expect(await readdir(folder.path)).toEqual([`${name}.jsonl`]);
  });
});
