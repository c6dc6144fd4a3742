// That what workers log is still there when they are gone, whatever way they go.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { logs } from '#src/store/log-lines.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { html, startSite } from './site.ts';

const never = new AbortController().signal;
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

async function kept(run: TestRun): Promise<string[]> {
  const { name, namespace } = await run.snapshot();
  const lines: string[] = [];
  for await (const line of logs(database.store.logs, name, { namespace }, never)) lines.push(line);
  return lines;
}

const printed = ({ lines }: TestWorker) => lines.map((line) => JSON.stringify(line));

it('the log of a worker that has finished is kept line by line, its last one too', { timeout: 120_000 }, async () => {
  await using site = await startSite({
    '/': html('<title>Home</title><a href="/a">a</a>'),
    '/a': html('<title>A</title>'),
  });
  await using run = await database.accept({ sources: [{ name: 'site', urls: [site.url('/').href] }] });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(0);
  expect(await kept(run)).toEqual(printed(worker));
  expect(printed(worker).at(-1)).toContain('run finished');
});

it('so is that of one that is stopped, and of one that cannot work on the run at all', {
  timeout: 120_000,
}, async () => {
  await using site = await startSite({ '/': () => {} });
  await using run = await database.accept({ sources: [{ name: 'site', urls: [site.url('/').href] }] });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  await until('the page is open', () => site.requests.length > 0);
  worker.process.kill('SIGTERM');
  await worker.ended;
  expect(await kept(run)).toEqual(printed(worker));

  await using future = await database.accept(
    { sources: [{ name: 'site', urls: [site.url('/').href] }] },
    { specVersion: 99 },
  );
  const refused = future.startWorker();
  await refused.ended;
  expect(await kept(future)).toEqual(printed(refused));
  expect(printed(refused).at(-1)).toContain('SpecTooNew');
});

it('why a worker that hangs was ended is kept, though its main thread sends nothing', async () => {
  await using run = await database.accept({ sources: [{ name: 'site', urls: ['http://site.test/'] }] });
  const child = spawn(process.execPath, ['tests/integration/crawler/hung-worker.ts'], {
    env: run.environment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
  expect(await kept(run)).toEqual([expect.stringMatching(/"msg":"worker hangs"/)]);
});
