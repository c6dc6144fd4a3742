// Retry-After as the server sees it kept, by all workers of a run.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite } from './site.ts';

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const SECONDS = 5;
/** What was given out before the host asked for patience is still sent: half a second's worth, and time to arrive. */
const STILL_ON_THEIR_WAY_MS = 1_500;

describe.concurrent('Retry-After', { timeout: 180_000 }, () => {
  it.for([
    ['429 in seconds', 'HTTP', 429, () => String(SECONDS), {}],
    ['503 as a date', 'HTTP', 503, () => new Date(Date.now() + (SECONDS + 1) * 1_000).toUTCString(), {}],
    ['a redirect within the host', 'HTTP', 302, () => String(SECONDS), { location: '/target' }],
    ['a redirect in the browser', 'Browser', 302, () => String(SECONDS), { location: '/target' }],
  ] as const)('of %s leaves the host alone, by two workers', async ([, render, status, after, headers], { expect }) => {
    const times: number[] = [];
    let askedAt: number | undefined;
    const page = html('<title>Page</title>');
    const timed =
      (answer: Answer): Answer =>
      (request, response) => {
        times.push(performance.now());
        answer(request, response);
      };
    const impatient: Answer = (request, response) => {
      if (askedAt !== undefined) return page(request, response);
      askedAt = performance.now();
      response.writeHead(status, { ...headers, 'retry-after': after() }).end();
    };
    const paths = Array.from({ length: 60 }, (_, number) => `/p/${number}`);
    await using site = await startSite({
      ...Object.fromEntries(paths.map((path, index) => [path, timed(index === 15 ? impatient : page)])),
      '/target': timed(page),
    });
    await using run = await database.accept({
      sources: [{ name: 'site', urls: paths.map((path) => site.url(path).href) }],
      politeness: { requestsPerSecond: 10, robots: 'Ignore' },
      fetch: { render },
      heartbeat: { interval: '1s' },
      workers: 2,
    });
    const allow = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` };
    const workers = [run.startWorker(allow), run.startWorker(allow)];
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);
    expect((await run.snapshot()).outcome).toBe('Succeeded');
    const start = askedAt ?? 0;
    const early = times.filter((time) => time > start + STILL_ON_THEIR_WAY_MS && time < start + SECONDS * 990);
    expect(early).toEqual([]);
    expect(times.filter((time) => time > start + SECONDS * 990).length).toBeGreaterThan(20);
    for (const worker of workers) expect(worker.lines.at(-1)).toMatchObject({ msg: 'run finished' });
  });

  it('does not let a redirect keep another host waiting', async ({ expect }) => {
    await using other = await startSite({ '/': html('<title>Other</title>') });
    await using site = await startSite({
      '/': (_, response) =>
        void response.writeHead(302, { location: other.url('/').href, 'retry-after': '3600' }).end(),
    });
    await using run = await database.accept({
      sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Any' } }],
      politeness: { requestsPerSecond: 100, robots: 'Ignore' },
    });
    const addresses = `127.0.0.1:${site.port},127.0.0.1:${other.port}`;
    expect(await run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: addresses }).ended).toBe(0);
    expect(other.requests).toEqual(['/']);
  });
});
