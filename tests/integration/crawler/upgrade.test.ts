// Runs in flight while an operator of another version works on the database.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { FUNCTIONS_VERSION } from '#src/store/function-versions.ts';
import { testPool } from '../../support/database-connections.ts';
import { startTestGateway } from '../../support/gateway.ts';
import { type CrawlDatabase, startCrawlDatabase, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const PATIENT = { timeout: 180_000 };
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

const PAGES = 300;

/** @param mayEnd when the last page is answered: until then the crawl goes on */
function site(mayEnd: Promise<void> = Promise.resolve()): Promise<TestSite> {
  const pages: Record<string, Answer> = {};
  for (let number = 0; number < PAGES; number++) {
    const links = [2 * number + 1, 2 * number + 2].filter((next) => next < PAGES);
    pages[`/p/${number}`] = html(`<title>Page ${number}</title>${links.map((next) => `<a href="/p/${next}">n</a>`)}`);
  }
  const last = `/p/${PAGES - 1}`;
  const answer = pages[last];
  pages[last] = (request, response) => void mayEnd.then(() => answer?.(request, response));
  return startSite(pages);
}

const specFor = ({ url }: TestSite, requestsPerSecond: number): CrawlRunSpecInput => ({
  sources: [{ name: 'site', urls: [url('/p/0').href], scope: { mode: 'Host' } }],
  politeness: { requestsPerSecond, robots: 'Ignore' },
  concurrency: 4,
  heartbeat: { interval: '1s' },
});

const allow = ({ port }: TestSite) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${port}` });

/** What the database says that it has. */
async function setVersions(version: number, oldestWorker: number): Promise<void> {
  await admin.query('update function_set set version = $1, oldest_worker = $2', [version, oldestWorker]);
}

/** As after an operator whose functions differ: the next one makes its own again. */
const outdate = () => admin.query("update function_set set checksum = 'another'");

describe('a worker', PATIENT, () => {
  it('goes on while the functions are replaced under it', async () => {
    const enough = Promise.withResolvers<void>();
    await using pages = await site(enough.promise);
    await using run = await database.accept(specFor(pages, 200));
    const worker = run.startWorker(allow(pages));
    await until('pages', () => pages.requests.length > 20);
    let replaced = 0;
    while (worker.process.exitCode === null && replaced < 30) {
      await outdate();
      await database.store.migrate(never);
      replaced++;
      if (replaced > 3) enough.resolve();
    }
    expect(await worker.ended).toBe(0);
    expect(replaced).toBeGreaterThan(3);
    const snapshot = await run.snapshot();
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: PAGES, items: PAGES } });
    expect(pages.requests).toHaveLength(PAGES);
  });

  it('that is older than the functions goes on, as long as they serve it', async () => {
    await using pages = await site();
    await using run = await database.accept(specFor(pages, 10_000));
    await setVersions(FUNCTIONS_VERSION + 3, FUNCTIONS_VERSION);
    expect(await run.startWorker(allow(pages)).ended).toBe(0);
    await setVersions(FUNCTIONS_VERSION, FUNCTIONS_VERSION);
    expect((await run.snapshot()).progress.succeeded).toBe(PAGES);
  });
});

describe('a gateway', PATIENT, () => {
  it.each([
    { what: 'too old for the functions', version: 3, oldest: 2, message: 'use a newer image' },
    { what: 'newer than the functions', version: -1, oldest: -1, message: 'upgrade the operator first' },
  ])('that is $what is not ready, and says why', async ({ version, oldest, message }) => {
    const databaseUrl = await database.store.gatewayDatabaseUrl(never);
    await using gateway = await startTestGateway({ databaseUrl, schema: 'trawler' });
    await setVersions(FUNCTIONS_VERSION + version, FUNCTIONS_VERSION + oldest);
    const trouble = await gateway.gateway.check(never).catch((error: unknown) => error);
    await setVersions(FUNCTIONS_VERSION, FUNCTIONS_VERSION);
    expect(trouble).toMatchObject({ reason: 'SchemaMismatch', message: expect.stringContaining(message) });
    await gateway.gateway.check(never);
  });
});

describe('an operator that is older than the database', PATIENT, () => {
  const functions = async () => (await admin.query('select oid from pg_proc order by oid')).rows;

  it('leaves it as it is', async () => {
    await outdate();
    await setVersions(FUNCTIONS_VERSION + 1, FUNCTIONS_VERSION);
    const before = await functions();
    await database.store.migrate(never);
    expect(await functions()).toEqual(before);
    await setVersions(FUNCTIONS_VERSION, FUNCTIONS_VERSION);
    await database.store.migrate(never);
    expect(await functions()).not.toEqual(before);
  });

  it('refuses to work on one that has left its version behind', async () => {
    await setVersions(FUNCTIONS_VERSION + 2, FUNCTIONS_VERSION + 1);
    await expect(database.store.migrate(never)).rejects.toMatchObject({ reason: 'SchemaMismatch' });
    await setVersions(FUNCTIONS_VERSION, FUNCTIONS_VERSION);
  });
});
