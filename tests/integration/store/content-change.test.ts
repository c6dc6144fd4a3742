// Runs of one schedule compared by what they extracted, on real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, type Installation, install, never, urls } from './fixture.ts';

const PLAN = randomUUID();

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18);
});
afterAll(() => server.stop());

/** A finished run that found one item on each of the given pages. */
async function crawl(
  installation: Installation,
  scheduleUid: string,
  pages: Record<string, string>,
  spec: Parameters<Installation['createRun']>[0] = {},
): Promise<string> {
  const run = await installation.createRun({ ...FAST, ...spec }, { scheduleUid });
  const worker = run.worker();
  const known = urls(10);
  await worker.seed(
    known.filter((_, index) => String(index) in pages),
    never,
  );
  const claims = await claimSome(worker, Object.keys(pages).length);
  const titleOf = (url: string) => pages[String(known.findIndex((one) => one.url === url))];
  await worker.commit(
    claims.map((claim) => ({
      type: 'done' as const,
      claim,
      items: [{ title: titleOf(claim.url) }],
      links: [],
      page: { plan: PLAN },
    })),
    never,
  );
  expect(await worker.finish(never)).toBe(true);
  return run.runId;
}

it('counts what was added, changed, removed and left as it was', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  const first = await crawl(installation, schedule, { 0: 'a', 1: 'b', 2: 'c' });
  await crawl(installation, randomUUID(), { 0: 'of another schedule' });
  const second = await crawl(installation, schedule, { 1: 'b', 2: 'C', 3: 'd', 4: 'e' });
  expect(await installation.operator.contentChange(second, never)).toEqual({
    added: 2,
    changed: 1,
    removed: 1,
    unchanged: 1,
  });
  expect(await installation.operator.contentChange(first, never)).toBeUndefined();
});

/** `site` is what the pages belong to; the spec has another source beside it. */
const withBlog = (active: boolean) => ({
  sources: [
    { name: 'site', urls: ['http://site.test/'] },
    { name: 'blog', urls: ['http://blog.test/'], active },
  ],
});

it('a run of some sources removes no pages of the others, and those are not new to the next run', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: 'a', 1: 'b', 2: 'of the blog' }, withBlog(true));
  const part = await crawl(installation, schedule, { 0: 'a' }, withBlog(false));
  expect(await installation.operator.contentChange(part, never)).toMatchObject({ removed: 0, unchanged: 1 });
  const whole = await crawl(installation, schedule, { 0: 'a', 1: 'b' }, withBlog(true));
  expect(await installation.operator.contentChange(whole, never)).toEqual({
    added: 0,
    changed: 0,
    removed: 1,
    unchanged: 2,
  });
});
