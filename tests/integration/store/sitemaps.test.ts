// Sitemaps in the frontier: what they count as, and how links go in while one is being read.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim, Discovery } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, countersAndTruth, FAST, type Installation, install, never, urls } from './fixture.ts';

let server: PostgresServer;
let installation: Installation;

beforeAll(async () => {
  server = await startPostgres(18);
  installation = await install(server);
});
afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  await server.stop();
});

const SITEMAP: Discovery = {
  source: 'site',
  url: 'http://site.test/s.xml',
  host: 'site.test',
  depth: 0,
  kind: 'Sitemap',
};

/** A run that begins with a sitemap, and has claimed it. */
async function begin(maxPages = 10) {
  const run = await installation.createRun({ ...FAST, limits: { maxPages } });
  const worker = run.worker();
  await worker.seed([SITEMAP], never);
  const [claim] = await claimSome(worker, 1);
  if (claim === undefined) throw new Error('the sitemap was not claimed');
  return { run, worker, claim };
}

const failed = (claim: Claim) => ({ claim, type: 'dead', cause: 'BadSitemap', message: 'it is a page' }) as const;

describe('a sitemap', () => {
  it('is claimed as one, and is another request than the page with its URL', async () => {
    const { worker, claim } = await begin();
    expect(claim).toMatchObject({ url: SITEMAP.url, kind: 'Sitemap' });
    const { kind, ...asPage } = SITEMAP;
    await worker.commit([{ claim, type: 'skipped', reason: 'Sitemap', links: [asPage] }], never);
    const [page] = await claimSome(worker, 1);
    expect(page).toMatchObject({ url: SITEMAP.url });
    expect(page).not.toHaveProperty('kind');
  });

  it.each(['read', 'failed', 'lost with ten workers'] as const)(
    'that was %s leaves the last place to a page',
    async (how) => {
      const { run, worker, claim } = await begin(1);
      expect(await worker.addLinks(claim, urls(1), never)).toBe('Added');
      if (how === 'read') await worker.commit([{ claim, type: 'skipped', reason: 'Sitemap' }], never);
      else if (how === 'failed') await worker.commit([failed(claim)], never);
      else {
        await installation.admin.query('update request set lease_losses = 9 where run_id = $1 and is_sitemap', [
          run.runId,
        ]);
        await installation.operator.releaseWorker(run.runId, worker.workerId, never);
      }
      const [counted, stored] = await countersAndTruth(installation, run.runId);
      expect(counted).toEqual(stored);
      const next = run.worker();
      const pages = await claimSome(next, 5);
      expect(pages.map((page) => page.url)).toEqual(['http://site.test/page0']);
      // The limit counts pages, so nothing is given up because of the sitemap.
      expect(await next.claim(5, never)).toMatchObject({ state: 'Wait' });
      await next.commit(
        pages.map((page) => ({ claim: page, type: 'done', items: [], links: [] })),
        never,
      );
      expect(await next.finish(never)).toBe(true);
    },
  );

  it('that is not ours any more takes no links', async () => {
    const { run, worker, claim } = await begin();
    await worker.commit([{ claim, type: 'released' }], never);
    expect(await worker.addLinks(claim, urls(3), never)).toBe('Lost');
    expect((await countersAndTruth(installation, run.runId))[1]).toMatchObject({ total: 1 });
  });

  it('takes links from its holder at any depth of indexes, whatever the depth of pages', async () => {
    const run = await installation.createRun({ ...FAST, limits: { maxDepth: 0 } });
    const worker = run.worker();
    await worker.seed([SITEMAP], never);
    const [claim] = await claimSome(worker, 1);
    if (claim === undefined) throw new Error('the sitemap was not claimed');
    const nested: Discovery = { ...SITEMAP, url: 'http://site.test/t.xml', depth: 2 };
    const page: Discovery = { source: 'site', url: 'http://site.test/deep', host: 'site.test', depth: 1 };
    expect(await worker.addLinks(claim, [nested, page], never)).toBe('Added');
    expect((await claimSome(worker, 5)).map((found) => found.url)).toEqual([nested.url]);
  });
});
