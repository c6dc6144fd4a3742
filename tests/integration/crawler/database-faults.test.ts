// PostgreSQL that stands still, has no connection left, or no room on its disk, under the crawl of a real worker: the worker waits with
// what it has, and afterwards the crawl is exact, no page asked for twice.
import { randomBytes } from 'node:crypto';
import { appendFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { testClient } from '../../support/database-connections.ts';
import { isRoot, mountedFolder } from '../../support/mounted-folder.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const PATIENT = { timeout: 240_000 };
const PAGES = 60;
/** Of the text of each page: more than a few pages of a table. */
const TEXT_BYTES = 20_000;
const TOO_MANY_CONNECTIONS = '53300';

const paths = Array.from({ length: PAGES }, (_, page) => `/p/${page}`);

function startPages(): Promise<TestSite> {
  const links = paths.map((to) => `<a href="${to}">n</a>`).join('');
  const text = () => `<p>${randomBytes(TEXT_BYTES / 2).toString('hex')}</p>`;
  return startSite(
    Object.fromEntries(paths.map((at, page): [string, Answer] => [at, html(text() + (page === 0 ? links : ''))])),
  );
}

/** A worker in the middle of its crawl. */
async function startCrawl(database: CrawlDatabase, site: TestSite): Promise<{ run: TestRun; worker: TestWorker }> {
  const run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/p/0').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 20, robots: 'Ignore' },
    extract: { fields: [{ name: 'text', selector: 'p' }] },
    heartbeat: { interval: '1s' },
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  await until('some pages', async () => (await run.snapshot()).progress.succeeded >= 5);
  return { run, worker };
}

const untilItWaits = ({ lines }: TestWorker) =>
  until('the worker waits', () => lines.some(({ msg }) => msg === 'waiting for the gateway'));

async function expectExact(run: TestRun, worker: TestWorker, site: TestSite): Promise<void> {
  expect(await worker.ended).toBe(0);
  expect(await run.snapshot()).toMatchObject({
    outcome: 'Succeeded',
    progress: { total: PAGES, succeeded: PAGES, items: PAGES },
  });
  const items = await run.items();
  expect(items.map(({ url }) => new URL(url).pathname).toSorted()).toEqual(paths.toSorted());
  expect(site.requests.toSorted()).toEqual(paths.toSorted());
}

describe('a crawl whose database', PATIENT, () => {
  it('stands still for most of a minute waits until it goes on', async () => {
    await using database = await startCrawlDatabase();
    await using site = await startPages();
    const { run, worker } = await startCrawl(database, site);
    await using _ = run;
    await database.server.freeze();
    try {
      await untilItWaits(worker);
    } finally {
      database.server.thaw();
    }
    await expectExact(run, worker, site);
  });

  it('has no connection left waits until others give theirs back', async () => {
    await using database = await startCrawlDatabase();
    await using site = await startPages();
    const { run, worker } = await startCrawl(database, site);
    await using _ = run;
    const admin = testClient(database.superuserUrl);
    await admin.connect();
    const others: pg.Client[] = [];
    try {
      await takeConnections(database.superuserUrl, admin, others);
      await untilItWaits(worker);
    } finally {
      await Promise.all([admin, ...others].map((client) => client.end()));
    }
    await expectExact(run, worker, site);
  });

  it.runIf(isRoot)('has no room on its disk waits until there is some', async () => {
    await using disk = await mountedFolder('size=400m');
    await using database = await startCrawlDatabase({
      folder: disk.path,
      settings: { min_wal_size: '32MB', max_wal_size: '64MB' },
    });
    await using site = await startPages();
    const { run, worker } = await startCrawl(database, site);
    await using _ = run;
    const filler = path.join(disk.path, 'filler');
    await fill(filler);
    await untilItWaits(worker);
    expect(database.server.log()).toContain('No space left on device');
    await rm(filler);
    await expectExact(run, worker, site);
  });
});

/** Every connection that the server has, those of the gateway as well. */
async function takeConnections(url: string, admin: pg.Client, taken: pg.Client[]): Promise<void> {
  for (;;) {
    await takeFreeConnections(url, taken);
    const { rowCount } = await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'trawler-gateway'`,
    );
    if (rowCount === 0) return;
  }
}

async function takeFreeConnections(url: string, taken: pg.Client[]): Promise<void> {
  for (;;) {
    const client = testClient(url);
    try {
      await client.connect();
      taken.push(client);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === TOO_MANY_CONNECTIONS) return;
      throw error;
    }
  }
}

/** Until nothing more has room. */
async function fill(file: string): Promise<void> {
  for (let part = Buffer.alloc(1 << 20); part.length > 0; ) {
    try {
      await appendFile(file, part);
    } catch {
      part = part.subarray(0, part.length >> 1);
    }
  }
}
