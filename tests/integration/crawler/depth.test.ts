// Real workers on a site where the shorter path to pages answers last: with a depth limit they find what a breadth-first search finds.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun } from './fixture.ts';
import { type Answer, startSite } from './site.ts';

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const MAX_DEPTH = 4;
/** Pages and their links. The pages behind /chain and /place are one link deeper by /long than by /short. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  '/': ['/short', '/long'],
  '/short': ['/chain', '/moved'],
  '/long': ['/longer'],
  '/longer': ['/chain', '/place'],
  '/chain': ['/chain-1'],
  '/chain-1': ['/chain-2', '/'],
  '/chain-2': ['/chain-3'],
  '/chain-3': [],
  '/place': ['/place-1'],
  '/place-1': ['/place-2'],
  '/place-2': ['/place-3'],
  '/place-3': [],
};
const REDIRECTS: Readonly<Record<string, string>> = { '/moved': '/place' };
/** The pages that are within the limit without /short. */
const WITHOUT_SHORT = ['/', '/chain', '/chain-1', '/long', '/longer', '/place', '/place-1'];

/** The pages within the limit, level by level; what a redirect leads to is as deep as the redirect. */
function breadthFirst(start: string): string[] {
  const found = new Set([start]);
  let level = [start];
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const next = level.flatMap((path) => LINKS[path] ?? []).map((path) => REDIRECTS[path] ?? path);
    level = next.filter((path) => !found.has(path));
    for (const path of level) found.add(path);
  }
  return [...found].sort();
}

/** /short is answered when all pages that are within reach without it are stored. */
function answers(run: () => TestRun | undefined): Record<string, Answer> {
  const pages = Object.entries(LINKS).map(([path, links]): [string, Answer] => [
    path,
    async ({ headers }, response) => {
      while (path === '/short' && ((await run()?.snapshot())?.progress.succeeded ?? 0) < WITHOUT_SHORT.length) {
        await delay(20);
      }
      const etag = `"${path}"`;
      if (headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end();
      response.writeHead(200, { 'content-type': 'text/html', etag });
      response.end(`<title>${path}</title>${links.map((link) => `<a href="${link}">${link}</a>`).join(' ')}`);
    },
  ]);
  const redirects = Object.entries(REDIRECTS).map(([path, location]): [string, Answer] => [
    path,
    (_, response) => void response.writeHead(302, { location }).end(),
  ]);
  return Object.fromEntries([...pages, ...redirects]);
}

it.each([
  { of: 'run', by: 'no schedule' },
  { of: 'source', by: 'no schedule' },
  { of: 'run', by: 'a schedule, which reads unmodified pages from its memory' },
])('finds what a breadth-first search finds, each page once, with a limit of the $of and $by', async ({ of, by }) => {
  let current: TestRun | undefined;
  await using site = await startSite(answers(() => current));
  const limits = { maxDepth: MAX_DEPTH };
  const source = { name: 'site', urls: [site.url('/').href] };
  const spec: CrawlRunSpecInput = {
    politeness: { requestsPerSecond: 10_000 },
    extract: { fields: [{ name: 'title', selector: 'title' }] },
    ...(of === 'run' ? { limits, sources: [source] } : { sources: [{ ...source, limits }] }),
  };
  await using run = await database.accept(spec, by === 'no schedule' ? {} : { scheduleUid: randomUUID() });
  current = run;
  const workers = [1, 2].map(() => run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` }));
  expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([0, 0]);

  const reached = breadthFirst('/');
  expect(reached.length).toBeGreaterThan(WITHOUT_SHORT.length + 1);
  expect((await run.items()).map((item) => item.data['title']).sort()).toEqual(reached);
  const { progress } = await run.snapshot();
  // The skipped one is the redirect.
  expect(progress).toMatchObject({ succeeded: reached.length, items: reached.length, failed: 0, skipped: 1 });
  expect(site.requests.filter((path) => path === '/chain')).toHaveLength(2);
});
