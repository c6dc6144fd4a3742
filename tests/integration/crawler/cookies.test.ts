// Cookies over the life of a run: each worker has those that it was given, by HTTP/2 and a proxy as without, and takes
// none over from a worker that it replaces.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCertificate } from '../../support/certificate.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, until } from './fixture.ts';
import { startProxy } from './proxy-server.ts';
import { type Answer, html, startSite } from './site.ts';

const PATIENT = { timeout: 180_000 };
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Gives a session to everybody who comes without one, and keeps a book of who came with which. */
class Sessions {
  readonly seen: string[] = [];
  readonly paths: string[] = [];
  given = 0;

  /** @return the header that gives a session, if one is given */
  visit(url: string, cookie = ''): Record<string, string> {
    this.seen.push(cookie);
    this.paths.push(url);
    if (cookie !== '') return {};
    this.given++;
    return { 'set-cookie': `session=${this.given}; Path=/` };
  }
}

/** Page number so many of a site of `count` pages, a tree. */
function pageOf(url: string, count: number): string {
  const number = Number(url.replace('/p/', ''));
  const links = [2 * number + 1, 2 * number + 2].filter((next) => next < count);
  return `<title>${number}</title>${links.map((next) => `<a href="/p/${next}">${next}</a>`).join('')}`;
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => String(number)).sort();
const titlesIn = async (run: TestRun) => (await run.items()).map((item) => String(item.data['title'])).sort();

it('come back by HTTP/2 and a proxy, to each of two workers its own', PATIENT, async () => {
  const COUNT = 150;
  const sessions = new Sessions();
  const versions = new Set<string>();
  const bothAreThere = Promise.withResolvers<void>();
  const certificate = createCertificate(['shop.test']);
  const server = createSecureServer(
    { key: certificate.key, cert: certificate.certificate, allowHTTP1: true },
    (request, response) => {
      versions.add(request.httpVersion);
      const headers = { 'content-type': 'text/html', ...sessions.visit(request.url, request.headers.cookie) };
      const answer = () => void response.writeHead(200, headers).end(pageOf(request.url, COUNT));
      // Time enough for a worker that idled to come.
      void bothAreThere.promise.then(() => setTimeout(answer, 50));
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using proxy = await startProxy();
  const folder = await mkdtemp(path.join(tmpdir(), 'trawler-cookies-'));
  const files = { authority: path.join(folder, 'ca.pem'), proxy: path.join(folder, 'proxy') };
  await writeFile(files.authority, certificate.certificate);
  await writeFile(files.proxy, proxy.url);
  try {
    await using run = await database.accept({
      sources: [{ name: 'shop', urls: [`https://shop.test:${port}/p/0`], scope: { mode: 'Host' } }],
      politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
      proxy: { urlSecretRef: { name: 'proxy', key: 'url' }, mode: 'Always' },
      concurrency: 4,
      workers: 2,
    });
    const environment = {
      NODE_EXTRA_CA_CERTS: files.authority,
      TRAWLER_PROXY_FILE: files.proxy,
      TRAWLER_ALLOWED_PROXIES: proxy.authority,
    };
    const workers = [run.startWorker(environment), run.startWorker(environment)];
    await until('both', () => workers.every((worker) => worker.lines.some((line) => line.msg === 'run started')));
    bothAreThere.resolve();
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);

    expect(await titlesIn(run)).toEqual(numbers(COUNT));
    expect(sessions.paths).toHaveLength(COUNT);
    expect(versions).toEqual(new Set(['2.0']));
    expect(new Set(proxy.log)).toEqual(new Set([`CONNECT shop.test:${port}`]));
    // Pages that are asked for at once at the beginning come without one each.
    expect(sessions.given).toBeGreaterThanOrEqual(2);
    expect(sessions.given).toBeLessThanOrEqual(2 * 4);
    const used = new Set(sessions.seen.filter((cookie) => cookie !== ''));
    expect(used.size).toBeGreaterThanOrEqual(2);
    for (const cookie of used) expect(cookie).toMatch(/^session=[1-8]$/);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

it(
  'go with the worker: the one that replaces it begins without, and crawls the rest all the same',
  PATIENT,
  async () => {
    const COUNT = 60;
    const sessions = new Sessions();
    const answer: Answer = (request, response) => {
      const headers = sessions.visit(request.url ?? '', request.headers.cookie);
      setTimeout(() => html(pageOf(request.url ?? '', COUNT), headers)(request, response), 20);
    };
    await using site = await startSite(Object.fromEntries(numbers(COUNT).map((number) => [`/p/${number}`, answer])));
    await using run = await database.accept({
      sources: [{ name: 'shop', urls: [site.url('/p/0').href], scope: { mode: 'Host' } }],
      politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
      concurrency: 1,
    });
    const allowed = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` };
    const first = run.startWorker(allowed);
    await until('some pages', () => sessions.seen.length >= 10);
    first.process.kill('SIGTERM');
    expect(await first.ended).toBe(143);
    const before = sessions.seen.length;
    expect(before).toBeLessThan(COUNT);
    expect(await run.startWorker(allowed).ended).toBe(0);

    expect(await titlesIn(run)).toEqual(numbers(COUNT));
    expect(sessions.paths).toHaveLength(COUNT);
    const [firstCookie, ...others] = sessions.seen.slice(0, before);
    const [newCookie, ...newOthers] = sessions.seen.slice(before);
    expect([firstCookie, newCookie]).toEqual(['', '']);
    expect([new Set(others), new Set(newOthers)]).toEqual([new Set(['session=1']), new Set(['session=2'])]);
  },
);

/** Who comes to a page without a cookie is sent to the front page, or to one that asks for consent, which gives it. */
it.each([
  { where: 'front page', wall: '/p/0', givesAtOnce: false },
  { where: 'page that asks for consent', wall: '/consent', givesAtOnce: false },
  { where: 'front page, with the cookie', wall: '/p/0', givesAtOnce: true },
])('are what sends a visitor to a known $where: no worker loses a page by that', PATIENT, async (site) => {
  const COUNT = 40;
  const paths: string[] = [];
  const given = { 'set-cookie': 'consent=1; Path=/' };
  const answer: Answer = ({ url = '', headers }, response) => {
    paths.push(url);
    const isStranger = headers.cookie === undefined;
    const isSent = isStranger && !['/p/0', site.wall].includes(url);
    if (isSent) response.writeHead(302, { location: site.wall, ...(site.givesAtOnce ? given : {}) }).end();
    else
      html(url === '/consent' ? '<title>consent</title>' : pageOf(url, COUNT), isStranger ? given : {})(
        { url } as never,
        response,
      );
  };
  const pages = ['/consent', ...numbers(COUNT).map((number) => `/p/${number}`)];
  await using server = await startSite(Object.fromEntries(pages.map((page) => [page, answer])));
  await using run = await database.accept({
    sources: [
      { name: 'shop', urls: ['/p/0', '/consent'].map((page) => server.url(page).href), scope: { mode: 'Host' } },
    ],
    politeness: { requestsPerSecond: 50, robots: 'Ignore' },
    concurrency: 1,
  });
  const allowed = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${server.port}` };
  const first = run.startWorker(allowed);
  await until('some pages', () => paths.length >= 10);
  first.process.kill('SIGTERM');
  expect(await first.ended).toBe(143);
  expect(await run.startWorker(allowed).ended).toBe(0);

  expect(await titlesIn(run)).toEqual([...numbers(COUNT), 'consent'].sort());
  // The second worker has come to know the wall, and has asked for the page that led there once more.
  expect(paths.length).toBeLessThanOrEqual(COUNT + 1 + 2);
});
