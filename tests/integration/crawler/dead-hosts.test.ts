// Workers at hosts that do not answer: a closed port, a server that accepts and says nothing, one that only fails, and a
// name that does not exist. Beside each is a host that works. Pauses are taken away as soon as they begin.
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testPool } from '../../support/database-connections.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker } from './fixture.ts';
import { html, startSite } from './site.ts';

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** How many URLs each dead host has, and how many tries it may get: 12, and those under way when it is parked. */
const URLS = 300;
const CONCURRENCY = 8;
const MOST_TRIES = 12 + CONCURRENCY;

/** Until the worker has ended, the pauses of parked hosts are over as soon as they begin. */
async function withoutPauses(worker: TestWorker): Promise<number | NodeJS.Signals> {
  const pool = testPool(database.superuserUrl, { max: 1, schema: 'trawler' });
  let hasEnded = false;
  const ended = worker.ended.finally(() => {
    hasEnded = true;
  });
  try {
    while (!hasEnded) {
      // Not while a try is under way: in truth the pause would be longer than that.
      await pool.query(`
        with parked as (
          update host set next_at = now()
          where outage_failures > 0 and next_at > now() and not exists (select from request where state = 'leased')
          returning host_id
        )
        update lane l set next_at = now() from parked
        where parked.host_id = l.host_id and l.next_at between now() and now() + interval '10 min'`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await ended;
  } finally {
    await pool.end();
  }
}

type DeadHost = AsyncDisposable & { readonly origin: string; readonly port: number; readonly tries: () => number };

/** Counts connections, and does with each what is said. */
async function rawServer(answer: (socket: Socket) => void): Promise<DeadHost> {
  const sockets = new Set<Socket>();
  let tries = 0;
  const server: Server = createServer((socket) => {
    tries++;
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    tries: () => tries,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

async function closedPort(): Promise<DeadHost> {
  const server = await rawServer(() => {});
  await server[Symbol.asyncDispose]();
  return { ...server, [Symbol.asyncDispose]: async () => {} };
}

/** Accepts connections and never answers. */
const blackHole = () => rawServer(() => {});

const broken = () =>
  rawServer((socket) =>
    socket.on('data', (request) => {
      const isRobots = request.toString('latin1').includes(' /robots.txt ');
      socket.end(
        `HTTP/1.1 ${isRobots ? '404 Not Found' : '502 Bad Gateway'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      );
    }),
  );

const noSuchName = async (): Promise<DeadHost> => ({
  ...{ origin: 'http://no-such-name.invalid', port: 80, tries: () => 0 },
  [Symbol.asyncDispose]: async () => {},
});

async function failuresOf(run: TestRun) {
  const { progress, failureCauses, outcome } = await run.snapshot();
  return { progress, failureCauses, outcome };
}

describe('a host that does not answer', { timeout: 180_000 }, () => {
  it.each([
    ['a closed port', closedPort, 'ConnectionError'],
    ['a server that says nothing', blackHole, 'Timeout'],
    ['a server that only fails', broken, 'HttpError'],
    ['a name that does not exist', noSuchName, 'DnsError'],
  ])('%s is tried a bounded number of times, and the rest of it is dead for one reason', async (_, start, cause) => {
    await using dead = await start();
    await using site = await startSite({ '/': html('<title>home</title><a href="/a">a</a>'), '/a': html('<title>a') });
    const urls = Array.from({ length: URLS }, (_, number) => `${dead.origin}/${number}`);
    await using run = await database.accept({
      sources: [
        { name: 'dead', urls },
        { name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } },
      ],
      // robots.txt of a server that says nothing is waited for longer than its pages.
      politeness: { requestsPerSecond: 10_000, robots: start === blackHole ? 'Ignore' : 'Obey' },
      concurrency: CONCURRENCY,
      fetch: { pageTimeout: '1s', maxRetries: 0 },
      heartbeat: { interval: '1s' },
    });
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${dead.port},127.0.0.1:${site.port}` });
    expect(await withoutPauses(worker)).toBe(0);
    const { progress, failureCauses, outcome } = await failuresOf(run);
    expect(outcome).toBe('Partial');
    expect(progress).toMatchObject({ succeeded: 2, failed: URLS, queued: 0, leased: 0 });
    const tried = URLS - (failureCauses['HostUnreachable'] ?? 0);
    expect(failureCauses).toEqual({ HostUnreachable: URLS - tried, [cause]: tried });
    expect(tried).toBeLessThanOrEqual(MOST_TRIES);
    // Besides pages robots.txt is asked for.
    expect(dead.tries()).toBeLessThanOrEqual(2 * MOST_TRIES);
    expect(worker.lines.filter(({ msg }) => msg === 'host does not answer: the run gives it up')).not.toEqual([]);
  });

  it('is crawled whole when it comes back', async () => {
    let isAway = true;
    const page = html('<title>page</title>');
    await using site = await startSite(
      Object.fromEntries(
        Array.from({ length: 60 }, (_, number) => [
          `/${number}`,
          (request, response) => (isAway ? void response.writeHead(503).end() : page(request, response)),
        ]),
      ),
    );
    await using run = await database.accept({
      sources: [{ name: 'site', urls: Array.from({ length: 60 }, (_, number) => site.url(`/${number}`).href) }],
      politeness: { requestsPerSecond: 10_000 },
      concurrency: 4,
      heartbeat: { interval: '1s' },
    });
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    const isParked = () => worker.lines.some(({ msg }) => msg === 'host does not answer: it is left alone');
    const watch = setInterval(() => {
      if (isParked()) isAway = false;
    }, 5);
    try {
      expect(await worker.ended).toBe(0);
    } finally {
      clearInterval(watch);
    }
    expect(isParked()).toBe(true);
    const { progress, outcome } = await failuresOf(run);
    expect(outcome).toBe('Succeeded');
    expect(progress).toMatchObject({ succeeded: 60, failed: 0 });
  });

  it('is none when one page in four fails among good ones', async () => {
    const page = html('<title>page</title>');
    await using site = await startSite(
      Object.fromEntries(
        Array.from({ length: 80 }, (_, number) => [
          `/${number}`,
          (request, response) => (number % 4 === 0 ? void response.writeHead(500).end() : page(request, response)),
        ]),
      ),
    );
    await using run = await database.accept({
      sources: [{ name: 'site', urls: Array.from({ length: 80 }, (_, number) => site.url(`/${number}`).href) }],
      politeness: { requestsPerSecond: 10_000 },
      concurrency: 4,
      fetch: { maxRetries: 1 },
      heartbeat: { interval: '1s' },
    });
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    expect(await worker.ended).toBe(0);
    const { progress, failureCauses } = await failuresOf(run);
    expect(progress).toMatchObject({ succeeded: 60, failed: 20 });
    expect(failureCauses).toEqual({ HttpError: 20 });
    expect(worker.lines.filter(({ msg }) => msg.startsWith('host does not answer'))).toEqual([]);
  });
});
