// Whole workers, as processes, against a real PostgreSQL and a real site: exact results whatever happens to them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { type AccessLogEntry, createSite } from '../../../dev/site/server.ts';
import { testClient } from '../../support/database-connections.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 180_000 };

/** A site of so many pages: each links to the home page, to the next two, and to one that robots.txt forbids. */
function pagesOf(count: number, delayMs = 0): Record<string, Answer> {
  const pages: Record<string, Answer> = {};
  for (let number = 0; number < count; number++) {
    const links = [0, number * 2 + 1, number * 2 + 2].filter((next) => next < count);
    const body = `<title>Page ${number}</title><h1>Heading ${number}</h1>
      ${links.map((next) => `<a href="/p/${next}">${next}</a>`)}<a href="/private/${number}">private</a>`;
    const answer = html(body);
    pages[`/p/${number}`] = (request, response) =>
      delayMs === 0 ? answer(request, response) : void setTimeout(() => answer(request, response), delayMs);
  }
  pages['/robots.txt'] = (_, response) =>
    void response.writeHead(200, { 'content-type': 'text/plain' }).end('User-agent: *\nDisallow: /private/');
  return pages;
}

function specFor(site: TestSite, more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [site.url('/p/0').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 10_000 },
    concurrency: 4,
    heartbeat: { interval: '1s' },
    ...more,
  };
}

const allow = (site: { readonly port: number }) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });

function titlesOf(count: number): string[] {
  return Array.from({ length: count }, (_, number) => `Page ${number}`).sort();
}

async function expectWhole(run: TestRun, count: number): Promise<void> {
  const snapshot = await run.snapshot();
  expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Succeeded' });
  expect(snapshot.progress).toMatchObject({ queued: 0, leased: 0, succeeded: count, failed: 0, items: count });
  const items = await run.items();
  expect(items.map((item) => item.data['title']).sort()).toEqual(titlesOf(count));
  expect(items.every((item) => item.data['heading'] === String(item.data['title']).replace('Page', 'Heading'))).toBe(
    true,
  );
}

function timesAsked(site: TestSite): number[] {
  const pages = site.requests.filter((path) => path.startsWith('/p/'));
  return [...Map.groupBy(pages, (path) => path).values()].map((requests) => requests.length);
}

async function leasesOf({ workerId }: TestWorker): Promise<number> {
  const client = testClient(database.superuserUrl, { schema: 'trawler' });
  await client.connect();
  try {
    const text = 'select count(*)::int as leases from request where leased_by = $1';
    return (await client.query<{ leases: number }>(text, [workerId])).rows[0]?.leases ?? 0;
  } finally {
    await client.end();
  }
}

const saysFinished = (worker: TestWorker) => worker.lines.find((line) => line.msg === 'run finished');

describe('a worker', PATIENT, () => {
  it('crawls a site whole, each page once, and says so', async () => {
    await using site = await startSite(pagesOf(300));
    await using run = await database.accept(specFor(site));
    const worker = run.startWorker(allow(site));
    expect(await worker.ended).toBe(0);
    await expectWhole(run, 300);
    expect(site.requests).toHaveLength(301);
    expect(saysFinished(worker)).toMatchObject({ level: 'info', pages: 300, items: 300, failed: 0, skipped: 300 });
    const { workers, skipReasons } = await run.snapshot();
    expect(skipReasons).toEqual({ RobotsDisallowed: 300 });
    expect(workers).toMatchObject([
      { state: 'Completed', podName: 'pod', nodeName: 'node', pagesInFlight: 0, concurrency: 4, errors: 0 },
    ]);
  });

  it('crawls the demo shop with every trouble in it', async () => {
    const log: AccessLogEntry[] = [];
    await using site = await createSite({ onRequest: (entry) => log.push(entry) });
    const source = { name: 'shop', urls: [`${site.url}/`], scope: { mode: 'Host' as const } };
    const politeness = { requestsPerSecond: 1_000 };
    await using run = await database.accept({ sources: [source], politeness, concurrency: 4 });
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    const snapshot = await run.snapshot();
    expect(snapshot.outcome).toBe('Partial');
    expect(snapshot.failureCauses).toEqual({ HttpError: 2, TooManyRedirects: 1 });
    expect(snapshot.skipReasons).toEqual({
      NoIndex: 1,
      Nofollow: 2,
      NotHtml: 1,
      Redirected: 3,
      RobotsDisallowed: 1,
    });
    const times = (path: string) => log.filter((entry) => entry.path === path).length;
    expect(times('/errors/404')).toBe(1);
    expect(times('/errors/500')).toBe(4);
    expect(times('/errors/429')).toBe(2);
    expect(times('/redirects/end')).toBe(1);
    expect(times('/private/')).toBe(0);
    expect(times('/nofollow/')).toBe(0);
    expect(times('/noindex/next')).toBe(0);
    expect(times('/robots.txt')).toBe(1);
    const titles = (await run.items()).map((item) => item.data['title']);
    expect(titles).toEqual(expect.arrayContaining(['Café in Latin-1', 'Café by meta tag', 'End of the chain']));
  });

  it('keeps the cookies that a host sets: a page that asks for one by a redirect to itself is crawled', async () => {
    const needsCookie: Answer = (request, response) => {
      if (request.headers.cookie === 'consent=given')
        return html('<title>Page 0</title><h1>Heading 0</h1>')(request, response);
      response.writeHead(302, { location: '/p/0', 'set-cookie': 'consent=given; Path=/' }).end();
    };
    const stubborn: Answer = (_, response) => void response.writeHead(302, { location: '/p/1' }).end();
    await using site = await startSite({ '/p/0': needsCookie, '/p/1': stubborn });
    const source = { name: 'site', urls: [site.url('/p/0').href, site.url('/p/1').href] };
    await using run = await database.accept(specFor(site, { sources: [source] }));
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    const { failureCauses } = await run.snapshot();
    expect(failureCauses).toEqual({ TooManyRedirects: 1 });
    expect((await run.items()).map((item) => item.data['title'])).toEqual(['Page 0']);
    const times = (path: string) => site.requests.filter((asked) => asked === path).length;
    expect([times('/p/0'), times('/p/1')]).toEqual([2, 2]);
  });

  it('shares the run with another, keeping the spacing of the host as the server sees it', async () => {
    const times: number[] = [];
    const pages = Object.entries(pagesOf(60)).map(([path, answer]): [string, Answer] => [
      path,
      (request, response) => {
        times.push(performance.now());
        answer(request, response);
      },
    ]);
    await using site = await startSite(Object.fromEntries(pages));
    await using run = await database.accept(specFor(site, { politeness: { requestsPerSecond: 10 }, workers: 2 }));
    const workers = [run.startWorker(allow(site)), run.startWorker(allow(site))];
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);
    await expectWhole(run, 60);
    expect(site.requests).toHaveLength(61);
    // On a busy machine a single arrival may be late and the next in time: ten in a row must take their time.
    const overTen = times.slice(10).map((time, index) => time - (times[index] ?? 0));
    expect(Math.min(...overTen)).toBeGreaterThan(0.8 * 10 * 100);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(0.95 * 100 * (times.length - 1));
    for (const worker of workers) expect(saysFinished(worker)?.['pages']).toBeGreaterThan(0);
  });

  it('renders in the browser', async () => {
    await using site = await startSite(pagesOf(30));
    await using run = await database.accept(specFor(site, { fetch: { render: 'Browser' } }));
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    await expectWhole(run, 30);
    expect(site.requests).toHaveLength(31);
  });
});

describe('a worker that ends early', PATIENT, () => {
  it('loses nothing by SIGKILL: another one takes over', async () => {
    await using site = await startSite(pagesOf(200, 5));
    await using run = await database.accept(specFor(site));
    const kills = 3;
    for (let kill = 1; kill <= kills; kill++) {
      const worker = run.startWorker(allow(site));
      await until('pages', () => site.requests.length > kill * 40);
      worker.process.kill('SIGKILL');
      expect(await worker.ended).toBe('SIGKILL');
      // As the operator does when it sees that the pod is gone.
      await database.store.releaseWorker(run.runId, worker.workerId, never);
    }
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    await expectWhole(run, 200);
    expect(Math.max(...timesAsked(site))).toBeLessThanOrEqual(1 + kills);
    // At each kill: what was under way, what waited for its commit, and what was being committed; and robots.txt.
    expect(site.requests.length).toBeLessThanOrEqual(201 + kills + kills * 3 * 4);
  });

  it('finishes its pages on SIGTERM, commits them and ends with 143', async () => {
    await using site = await startSite(pagesOf(100, 50));
    await using run = await database.accept(specFor(site));
    const worker = run.startWorker(allow(site));
    await until('pages', () => site.requests.length > 10);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe(143);
    const { progress, state, workers } = await run.snapshot();
    expect(state).toBe('Running');
    expect(progress.leased).toBe(0);
    expect(progress.succeeded).toBe(timesAsked(site).length);
    expect(workers).toMatchObject([{ state: 'Stopped' }]);
    expect(worker.lines.map((line) => line.msg)).toEqual(
      expect.arrayContaining(['shutdown signal received', 'worker stopped']),
    );
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    await expectWhole(run, 100);
    expect(timesAsked(site)).toEqual(Array.from({ length: 100 }, () => 1));
  });

  it('gives its pages up on a second SIGTERM', async () => {
    await using site = await startSite({ ...pagesOf(1), '/p/0': () => {} });
    await using run = await database.accept(specFor(site));
    const worker = run.startWorker(allow(site));
    await until('the page is asked for', () => site.requests.includes('/p/0'));
    worker.process.kill('SIGTERM');
    await until('the first signal', () => worker.lines.some((line) => line.msg === 'shutdown signal received'));
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe(143);
    expect((await run.snapshot()).progress).toMatchObject({ queued: 1, leased: 0 });
  });

  it('gives its pages up on the first SIGTERM when the run is terminated: what is stored stays, nothing is held', async () => {
    const pages = pagesOf(300, 20);
    // Every ninth page never answers.
    for (let number = 8; number < 300; number += 9) pages[`/p/${number}`] = () => {};
    await using site = await startSite(pages);
    const fetch = { maxRetries: 0 };
    // Nobody hears of it by a heartbeat of the usual interval.
    await using run = await database.accept(specFor(site, { workers: 3, fetch, heartbeat: { interval: '10m' } }));
    const workers = [1, 2, 3].map(() => run.startWorker(allow(site)));
    const stuck = () => new Set(site.requests.filter((path) => Number(path.slice('/p/'.length)) % 9 === 8)).size;
    await until('pages that hang, and others that do not', async () => {
      const { progress, workers: seen } = await run.snapshot();
      return stuck() >= 6 && progress.succeeded > 40 && seen.length === 3;
    });
    await database.store.terminateRun(run.runId, never);
    for (const { process } of workers) process.kill('SIGTERM');
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([143, 143, 143]);
    const { progress, workers: seen, failureCauses, stopReason, terminates } = await run.snapshot();
    expect({ stopReason, terminates }).toEqual({ stopReason: 'Shutdown', terminates: true });
    expect(seen.map(({ state, pagesInFlight }) => [state, pagesInFlight])).toEqual(Array(3).fill(['Stopped', 0]));
    // None was waited for until its time was over.
    expect(failureCauses).toEqual({});
    expect(progress).toMatchObject({ leased: 0, failed: 0 });
    expect(progress.total).toBe(progress.queued + progress.succeeded + progress.skipped);
    const urls = (await run.items()).map(({ url }) => url);
    expect([urls.length, new Set(urls).size]).toEqual([progress.succeeded, progress.succeeded]);
    expect(progress.succeeded).toBeGreaterThan(40);
    for (const worker of workers) expect(worker.lines.at(-1)).toMatchObject({ msg: 'worker stopped' });
  });

  it('says that it was stopped, and not that it failed, when that comes while it begins', async () => {
    await using site = await startSite(pagesOf(3, 0));
    await using run = await database.accept(specFor(site));
    const other = testClient(database.superuserUrl, { schema: 'trawler' });
    await other.connect();
    // No seed can be put in.
    await other.query('begin; lock table request in exclusive mode');
    const worker = run.startWorker(allow(site));
    const waits = `select from pg_locks where relation = 'request'::regclass and not granted`;
    await until('the seeds wait', async () => ((await other.query(waits)).rowCount ?? 0) > 0);
    worker.process.kill('SIGTERM');
    await until('it has heard', () => worker.lines.some(({ msg }) => msg === 'shutdown signal received'));
    await other.end();
    expect(await worker.ended).toBe(143);
    expect((await run.snapshot()).workers.map(({ state }) => state)).toEqual(['Stopped']);
  });

  it('loses no result by SIGTERM of one worker after the other under load, and holds nothing', async () => {
    let opened = Promise.withResolvers<void>();
    const held = ([path, answer]: [string, Answer]): [string, Answer] => [
      path,
      (request, response) => void opened.promise.then(() => answer(request, response)),
    ];
    await using site = await startSite(Object.fromEntries(Object.entries(pagesOf(800, 100)).map(held)));
    await using run = await database.accept(specFor(site, { workers: 3 }));
    const ended: TestWorker[] = [];
    const atWork = [1, 2, 3].map(() => run.startWorker(allow(site)));
    /** One that is still starting does not hear a signal; no page is answered until all have one. */
    const untilAllAtWork = async () => {
      opened = Promise.withResolvers();
      await until('all are at work', async () =>
        (await Promise.all(atWork.map(leasesOf))).every((leases) => leases > 0),
      );
      opened.resolve();
    };
    opened.resolve();
    for (let turn = 1; turn <= 4; turn++) {
      await until('pages', () => site.requests.length > turn * 60);
      await untilAllAtWork();
      const worker = atWork.shift();
      if (worker === undefined) throw new Error('no worker is left');
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe(143);
      expect(await leasesOf(worker)).toBe(0);
      ended.push(worker);
      atWork.push(run.startWorker(allow(site)));
    }
    await untilAllAtWork();
    expect(await Promise.all(atWork.map((worker) => worker.ended))).toEqual([0, 0, 0]);
    await expectWhole(run, 800);
    // Nobody asked for a page again.
    expect(timesAsked(site)).toEqual(Array.from({ length: 800 }, () => 1));
    const states = new Map((await run.snapshot()).workers.map(({ workerId, state }) => [workerId, state]));
    expect(ended.map(({ workerId }) => states.get(workerId))).toEqual(['Stopped', 'Stopped', 'Stopped', 'Stopped']);
    expect(atWork.map(({ workerId }) => states.get(workerId))).toEqual(['Completed', 'Completed', 'Completed']);
  });

  it('obeys a stop that the operator asked for', async () => {
    await using site = await startSite(pagesOf(100, 50));
    await using run = await database.accept(specFor(site));
    const worker = run.startWorker(allow(site));
    await until('pages', () => site.requests.length > 10);
    await database.store.requestStop(run.runId, 'Shutdown', never);
    expect(await worker.ended).toBe(143);
    expect((await run.snapshot()).progress.leased).toBe(0);
    expect(worker.lines.at(-1)).toMatchObject({ msg: 'worker stopped', reason: 'Shutdown' });
  });

  it('sits out a crash of the database', async () => {
    await using site = await startSite(pagesOf(150, 20));
    await using run = await database.accept(specFor(site));
    const worker = run.startWorker(allow(site));
    await until('pages', () => site.requests.length > 20);
    await database.server.crashAndRestart();
    expect(await worker.ended).toBe(0);
    await expectWhole(run, 150);
    expect(worker.lines.map((line) => line.msg)).toEqual(
      expect.arrayContaining(['waiting for the gateway', 'gateway answers again', 'run finished']),
    );
  });
});

describe('a worker that cannot work', PATIENT, () => {
  const spec = (more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput => ({
    sources: [{ name: 'site', urls: ['http://127.0.0.1:9/'] }],
    ...more,
  });

  it('ends like the others when it comes after the end of the run', async () => {
    await using site = await startSite({ '/': html('<title>One</title>') });
    await using run = await database.accept({ sources: [{ name: 'site', urls: [site.url('/').href] }] });
    const allowed = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` };
    expect(await run.startWorker(allowed).ended).toBe(0);
    const late = run.startWorker(allowed);
    expect(await late.ended).toBe(0);
    expect(late.lines.at(-1)).toMatchObject({ msg: 'run finished', pages: 0 });
    expect((await run.snapshot()).progress).toMatchObject({ total: 1, succeeded: 1 });
  });

  it('ends with 65 when its token is refused', async () => {
    await using run = await database.accept(spec());
    await database.store.finishStopped(run.runId, 'Stopped', 'gone', never);
    await database.store.revokeToken(run.runId, never);
    const worker = run.startWorker();
    expect(await worker.ended).toBe(65);
    expect(worker.lines.at(-1)).toMatchObject({ level: 'fatal', reason: 'TokenRefused' });
  });

  it('ends with 64 when the spec is newer than it', async () => {
    await using run = await database.accept(spec(), { specVersion: 99 });
    const worker = run.startWorker();
    expect(await worker.ended).toBe(64);
    expect(worker.lines.at(-1)).toMatchObject({ level: 'fatal', reason: 'SpecTooNew' });
  });

  it('ends with 64 when a selector is none, and names its field', async () => {
    await using run = await database.accept(spec({ extract: { fields: [{ name: 'price', selector: 'p[' }] } }));
    const worker = run.startWorker();
    expect(await worker.ended).toBe(64);
    expect(worker.lines.at(-1)).toMatchObject({ reason: 'BadSpec', error: expect.stringContaining('fields[price]') });
  });

  it('ends with 64 when its environment is wrong, and names the key', async () => {
    await using run = await database.accept(spec());
    const worker = run.startWorker({ TRAWLER_RUN_ID: 'x', TRAWLER_ALLOWED_ADDRESSES: 'nonsense' });
    expect(await worker.ended).toBe(64);
    const line = worker.lines.at(-1);
    expect(line).toMatchObject({ level: 'fatal', msg: 'failed to load config' });
    expect(line?.['error']).toContain('TRAWLER_RUN_ID');
    expect(line?.['error']).toContain('"nonsense"');
  });

  it('fails pages that it may not connect to, not the run', async () => {
    await using run = await database.accept(spec({ fetch: { maxRetries: 0 } }));
    expect(await run.startWorker().ended).toBe(0);
    expect(await run.snapshot()).toMatchObject({ outcome: 'Failed', failureCauses: { AddressForbidden: 1 } });
  });
});
