// What a run with a depth limit crawls is what a breadth-first search reaches, in whatever order its pages are read.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, Discovery, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { countersAndTruth, done, FAST, type Installation, install, never } from './fixture.ts';

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

/** Pages by number, with what they link to; a redirect's target is as deep as the redirect. */
type Site = { readonly links: readonly (readonly number[])[]; readonly redirects: ReadonlySet<number> };

function urlOf(page: number): string {
  return `http://host${page % 3}.test/${page}`;
}

function pageOf(url: string): number {
  return Number(new URL(url).pathname.slice(1));
}

function linkTo(page: number, depth: number): Discovery {
  return { source: 'site', url: urlOf(page), host: new URL(urlOf(page)).host, depth };
}

function linksOf(site: Site, { url, depth }: Claim): Discovery[] {
  const page = pageOf(url);
  const targets = site.links[page] ?? [];
  return site.redirects.has(page)
    ? targets.slice(0, 1).map((target) => linkTo(target, depth))
    : targets.map((target) => linkTo(target, depth + 1));
}

/** The pages within the limit with their depths, by the least depth until nothing changes. */
function reference(site: Site, maxDepth: number): Map<string, number> {
  const depths = new Map([[0, 0]]);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [page, depth] of [...depths]) {
      const isRedirect = site.redirects.has(page);
      for (const target of (site.links[page] ?? []).slice(0, isRedirect ? 1 : undefined)) {
        const reached = isRedirect ? depth : depth + 1;
        if (reached > maxDepth || reached >= (depths.get(target) ?? Number.POSITIVE_INFINITY)) continue;
        depths.set(target, reached);
        changed = true;
      }
    }
  }
  return new Map([...depths].map(([page, depth]) => [urlOf(page), depth]));
}

/** The outcome of a page; a worker leaves out itself what is beyond the limit of its source. */
function outcome(site: Site, claim: Claim, maxDepth: number): Outcome {
  const links = linksOf(site, claim).filter(({ depth }) => depth <= maxDepth);
  return site.redirects.has(pageOf(claim.url))
    ? { claim, type: 'skipped', reason: 'Redirected', links }
    : done(claim, links);
}

/** Numbers from a seed that never repeat in a short cycle, see mulberry32. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Claims and commits in the order that the seed says; pages are held for long, while others go ahead. */
async function crawl(site: Site, maxDepth: number, limitOf: 'run' | 'source', seed: number) {
  const limits = { maxDepth };
  const run = await installation.createRun({
    ...FAST,
    ...(limitOf === 'run' ? { limits } : { sources: [{ name: 'site', urls: ['http://site.test/'], limits }] }),
  });
  const workers = Array.from({ length: 3 }, () => run.worker());
  const held = new Map<(typeof workers)[number], Claim[]>(workers.map((worker) => [worker, []]));
  const next = numbersFrom(seed);
  const [first] = workers;
  if (first === undefined) throw new Error('no worker');
  await first.seed([linkTo(0, 0)], never);

  /** Mostly what was claimed last, so that the search goes deep while what is near is held. */
  async function commitOne(worker: (typeof workers)[number], claims: Claim[]): Promise<void> {
    const [claim] = claims.splice(next() % 4 === 0 ? next() % claims.length : -1, 1);
    if (claim !== undefined) await worker.commit([outcome(site, claim, maxDepth)], never);
  }

  for (;;) {
    // Two at a time, so that their calls cross.
    const pair = [workers[next() % 3], workers[next() % 3]].filter((worker) => worker !== undefined);
    const states = await Promise.all(
      [...new Set(pair)].map(async (worker) => {
        const claims = held.get(worker) ?? [];
        if (claims.length > 0 && next() % 3 === 0) await commitOne(worker, claims);
        const result = await worker.claim(1 + (next() % 3), never);
        if (result.state === 'Claimed') claims.push(...result.claims);
        else if (claims.length > 0) await commitOne(worker, claims);
        else if (await worker.finish(never)) return 'Finished';
        return result.state;
      }),
    );
    if (states.includes('Finished')) break;
  }
  for (const worker of workers) await worker.close();
  return run;
}

const PAGES = 24;
const page = fc.nat(PAGES - 1);
const sites: fc.Arbitrary<Site> = fc.record({
  links: fc.array(fc.uniqueArray(page, { minLength: 2, maxLength: 4 }), { minLength: PAGES, maxLength: PAGES }),
  redirects: fc.uniqueArray(page, { maxLength: 3 }).map((pages) => new Set(pages)),
});

it('crawls what a breadth-first search reaches, each page at its least depth, in any order of several workers', async () => {
  await fc.assert(
    fc.asyncProperty(
      sites,
      fc.integer({ min: 2, max: 5 }),
      fc.constantFrom('run' as const, 'source' as const),
      fc.nat(),
      async (site, maxDepth, limitOf, seed) => {
        const run = await crawl(site, maxDepth, limitOf, seed);
        const { rows } = await installation.admin.query<{ url: string; depth: number }>(
          'select url, depth from request where run_id = $1',
          [run.runId],
        );
        expect(Object.fromEntries(rows.map(({ url, depth }) => [url, depth]))).toEqual(
          Object.fromEntries(reference(site, maxDepth)),
        );
        const items = await installation.admin.query<{ url: string }>(
          `select data->>'url' as url from item where run_id = $1 order by 1`,
          [run.runId],
        );
        const pages = [...reference(site, maxDepth).keys()].filter((url) => !site.redirects.has(pageOf(url)));
        expect(items.rows.map(({ url }) => url)).toEqual(pages.sort());
        const [counted, stored] = await countersAndTruth(installation, run.runId);
        expect(counted).toEqual(stored);
      },
    ),
    { numRuns: 20 },
  );
}, 300_000);

it('reads a page once more when a shorter path to it is found after its end, and keeps its items once', async () => {
  const run = await installation.createRun({ ...FAST, limits: { maxDepth: 2 } });
  const [early, late] = [run.worker(), run.worker()];
  await early.seed([linkTo(0, 0), linkTo(3, 0)], never);
  const claimOf = async (worker: typeof early, number: number): Promise<Claim> => {
    for (;;) {
      const result = await worker.claim(1, never);
      const claim = result.state === 'Claimed' ? result.claims[0] : undefined;
      if (claim === undefined) continue;
      expect(claim.url).toBe(urlOf(number));
      return claim;
    }
  };
  const seeds = [await early.claim(1, never), await late.claim(1, never)];
  const claims = seeds.flatMap((result) => (result.state === 'Claimed' ? result.claims : []));
  const [first, second] = claims;
  if (first === undefined || second === undefined) throw new Error('both seeds should be claimed');
  await early.commit([done(first, [linkTo(1, 1)])], never);
  await early.commit([done(await claimOf(early, 1), [linkTo(2, 2)])], never);
  await early.commit([done(await claimOf(early, 2))], never);
  await late.commit([done(second, [linkTo(2, 1)])], never);
  expect(await late.finish(never)).toBe(false);
  const again = await claimOf(late, 2);
  expect(again.depth).toBe(1);
  await late.commit([done(again, [linkTo(4, 2)])], never);
  await late.commit([done(await claimOf(late, 4))], never);
  expect(await late.finish(never)).toBe(true);
  const { rows } = await installation.admin.query(
    `select data->>'url' as url, count(*)::int as items from item where run_id = $1 group by 1 order by 1`,
    [run.runId],
  );
  expect(rows).toEqual(
    [0, 1, 2, 3, 4].map((number) => ({ url: urlOf(number), items: 1 })).sort((a, b) => (a.url < b.url ? -1 : 1)),
  );
  await early.close();
  await late.close();
});
