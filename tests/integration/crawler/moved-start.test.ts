// Start URLs that lead elsewhere: the scope moves with them, or the source says where they lead.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const PATIENT = { timeout: 180_000 };

type Source = CrawlRunSpecInput['sources'][number];

const links = (...paths: string[]) =>
  html(`<title>x</title>${paths.map((path) => `<a href="${path}">x</a>`).join('')}`);
const to =
  (location: string, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(302, { location, ...headers }).end();

/** Two ports of one address are two hosts of one domain; its name is another site. */
const otherSite = (site: TestSite, path: string) => `http://localhost:${site.port}${path}`;

async function accept(sites: readonly TestSite[], source: Source, more: Partial<CrawlRunSpecInput> = {}) {
  const run = await database.accept({
    sources: [source],
    politeness: { requestsPerSecond: 10_000 },
    fetch: { maxRetries: 0 },
    concurrency: 4,
    heartbeat: { interval: '1s' },
    ...more,
  });
  const addresses = sites.flatMap(({ port }) => [`127.0.0.1:${port}`, `localhost:${port}`]);
  const environment = { TRAWLER_ALLOWED_ADDRESSES: addresses.join(',') };
  const urls = async () => (await run.items()).map(({ url }) => url).sort();
  return { run, environment, urls, [Symbol.asyncDispose]: () => run[Symbol.asyncDispose]() };
}

async function crawl(sites: readonly TestSite[], source: Partial<Source>, more: Partial<CrawlRunSpecInput> = {}) {
  await using accepted = await accept(sites, { name: 'site', urls: [`${sites[0]?.origin}/`], ...source }, more);
  expect(await accepted.run.startWorker(accepted.environment).ended).toBe(0);
  return { snapshot: await accepted.run.snapshot(), urls: await accepted.urls() };
}

describe('a start URL that has moved', PATIENT, () => {
  it.each(['HTTP', 'Browser'] as const)('to another host takes the scope along, by %s', async (render) => {
    await using now = await startSite({ '/': links('/a', 'http://b.invalid/'), '/a': links('/b'), '/b': links('/') });
    await using before = await startSite({ '/': to(`${now.origin}/`) });
    const { snapshot, urls } = await crawl(
      [before, now],
      { scope: { mode: 'Host' } },
      { fetch: { render, maxRetries: 0 } },
    );
    expect(urls).toEqual(['/', '/a', '/b'].map((path) => now.origin + path));
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', sources: [{ movedTo: [`${now.origin}/`] }] });
  });

  it('to another folder takes the prefix along, and to a deeper one leaves it as it is', async () => {
    await using site = await startSite({
      '/de/': to('/de-de/start'),
      '/de-de/start': links('/de-de/a', '/de/b', '/fr/'),
      '/de-de/a': links(),
      '/de/b': links(),
      '/': to('/en/'),
      '/en/': links('/fr/'),
      '/fr/': links(),
    });
    const moved = await crawl([site], { urls: [`${site.origin}/de/`] });
    expect(moved.urls).toEqual(['/de-de/a', '/de-de/start', '/de/b'].map((path) => site.origin + path));
    expect(moved.snapshot.sources[0]?.movedTo).toEqual([`${site.origin}/de-de/`]);
    const deeper = await crawl([site], { urls: [`${site.origin}/`] });
    expect(deeper.urls).toEqual(['/en/', '/fr/'].map((path) => site.origin + path));
    expect(deeper.snapshot.sources[0]?.movedTo).toBeUndefined();
  });

  it('takes its patterns along', async () => {
    await using now = await startSite({
      '/': links('/in/a', '/in/b', '/out'),
      '/in/a': links(),
      '/in/b': links(),
      '/out': links(),
    });
    await using before = await startSite({ '/': to(`${now.origin}/`) });
    const scope = { mode: 'Host', include: [`${before.origin}/in/**`], exclude: [`${before.origin}/in/b`] } as const;
    const { urls } = await crawl([before, now], {
      scope: { ...scope, include: [...scope.include], exclude: [...scope.exclude] },
    });
    expect(urls).toEqual([`${now.origin}/`, `${now.origin}/in/a`]);
  });

  it('to another site has failed, and says where it leads', async () => {
    await using there = await startSite({ '/new': links() });
    await using before = await startSite({ '/': to(otherSite(there, '/new')) });
    const { snapshot, urls } = await crawl([before, there], { scope: { mode: 'Host' } });
    expect(urls).toEqual([]);
    expect(snapshot).toMatchObject({ outcome: 'Failed', failureCauses: { MovedAway: 1 } });
    expect(snapshot.sources[0]?.message).toContain(otherSite(there, '/new'));
  });

  it.each(['before it has moved', 'while it moves'])(
    'does not lose what a sitemap names that is read %s',
    async (when) => {
      const sitemapIsAsked = Promise.withResolvers<void>();
      const hasMoved = Promise.withResolvers<void>();
      const isEarly = when === 'before it has moved';
      let run: TestRun | undefined;
      const sitemapIsRead = async () => (await run?.snapshot())?.progress.skipped === 1;
      await using site = await startSite({
        '/de/': async (request, response) => {
          await (isEarly ? until('the sitemap', sitemapIsRead) : sitemapIsAsked.promise);
          to('/de-de/')(request, response);
        },
        '/de-de/': (request, response) => {
          hasMoved.resolve();
          links()(request, response);
        },
        '/sitemap.xml': async (_, response) => {
          sitemapIsAsked.resolve();
          if (!isEarly) await hasMoved.promise;
          const locations = ['/de-de/a', '/de-de/b', '/fr/'].map(
            (path) => `<url><loc>${site.origin}${path}</loc></url>`,
          );
          response.writeHead(200, { 'content-type': 'application/xml' }).end(`<urlset>${locations.join('')}</urlset>`);
        },
        '/de-de/a': links(),
        '/de-de/b': links(),
        '/fr/': links(),
      });
      const source = { name: 'site', urls: [`${site.origin}/de/`], sitemaps: [`${site.origin}/sitemap.xml`] };
      await using accepted = await accept([site], source, {
        politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
      });
      run = accepted.run;
      expect(await run.startWorker(accepted.environment).ended).toBe(0);
      expect(await accepted.urls()).toEqual(['/de-de/', '/de-de/a', '/de-de/b'].map((path) => site.origin + path));
      const { outcome, progress, sources } = await run.snapshot();
      expect({ outcome, progress }).toMatchObject({
        outcome: 'Succeeded',
        progress: { total: 5, succeeded: 3, failed: 0, skipped: 2, queued: 0, leased: 0 },
      });
      expect(sources[0]?.movedTo).toEqual([`${site.origin}/de-de/`]);
      expect(site.requests).not.toContain('/fr/');
    },
  );

  it.each(['before it has moved', 'by a worker that does not know yet that it has moved'])(
    'does not lose what a page links to that is read %s',
    async (when) => {
      const isEarly = when === 'before it has moved';
      const listIsAsked = Promise.withResolvers<void>();
      let run: TestRun | undefined;
      const listIsRead = async () => ((await run?.snapshot())?.progress.succeeded ?? 0) >= 1;
      const hasMoved = async () => (await run?.snapshot())?.sources[0]?.movedTo !== undefined;
      await using site = await startSite({
        '/de/': async (request, response) => {
          await (isEarly ? until('the list', listIsRead) : listIsAsked.promise);
          to('/de-de/')(request, response);
        },
        '/list/': async (request, response) => {
          listIsAsked.resolve();
          if (!isEarly) await until('the move', hasMoved);
          links('/de-de/a', '/fr/', '/list/b')(request, response);
        },
        ...Object.fromEntries(['/de-de/', '/de-de/a', '/list/b', '/fr/'].map((path) => [path, links('/list/')])),
      });
      const source = { name: 'site', urls: [`${site.origin}/de/`, `${site.origin}/list/`] };
      await using accepted = await accept([site], source, { concurrency: isEarly ? 4 : 1 });
      run = accepted.run;
      const workers = Array.from({ length: isEarly ? 1 : 2 }, () => accepted.run.startWorker(accepted.environment));
      expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual(workers.map(() => 0));
      expect(await accepted.urls()).toEqual(
        ['/de-de/', '/de-de/a', '/list/', '/list/b'].map((path) => site.origin + path),
      );
      const { outcome, progress } = await run.snapshot();
      expect({ outcome, progress }).toMatchObject({
        outcome: 'Succeeded',
        progress: { succeeded: 4, failed: 0, skipped: 1, queued: 0, leased: 0, items: 4 },
      });
      expect(site.requests.filter((path) => path === '/list/')).toHaveLength(2);
      expect(site.requests.filter((path) => path === '/list/b')).toHaveLength(1);
    },
  );

  it('is known to every worker, and to one that takes the place of another', async () => {
    const paths = Array.from({ length: 60 }, (_, page) => `/${page}`);
    let held: (() => void) | undefined;
    const release = Promise.withResolvers<void>();
    const page =
      (next: string): Answer =>
      async (request, response) => {
        if (request.url === '/5') {
          held?.();
          await release.promise;
        }
        links(next)(request, response);
      };
    await using now = await startSite({
      '/': links('/0'),
      ...Object.fromEntries(paths.map((path, index) => [path, page(paths[index + 1] ?? '/')])),
    });
    await using before = await startSite({ '/': to(`${now.origin}/`) });
    await using accepted = await accept([before, now], {
      name: 'site',
      urls: [`${before.origin}/`],
      scope: { mode: 'Host' },
    });
    const reached = new Promise<void>((resolve) => {
      held = resolve;
    });
    const first = accepted.run.startWorker(accepted.environment);
    await reached;
    first.process.kill('SIGTERM');
    release.resolve();
    await first.ended;
    const others = [0, 1].map(() => accepted.run.startWorker(accepted.environment));
    expect(await Promise.all(others.map((worker) => worker.ended))).toEqual([0, 0]);
    await until('the run has ended', async () => (await accepted.run.snapshot()).outcome !== undefined);
    expect(await accepted.urls()).toEqual(['/', ...paths].map((path) => now.origin + path).sort());
  });
});

describe('a redirect out of the scope', PATIENT, () => {
  it.each(['HTTP', 'Browser'] as const)('that comes back is followed, by %s', async (render) => {
    let origin = '';
    await using gate = await startSite({ '/consent': (request, response) => to(`${origin}/?ok`)(request, response) });
    const asked = to(otherSite(gate, '/consent'));
    await using site = await startSite({
      '/': (request, response) => (request.url === '/?ok' ? links('/a') : asked)(request, response),
      '/a': links(),
    });
    origin = site.origin;
    const { snapshot, urls } = await crawl(
      [site, gate],
      { scope: { mode: 'Host' } },
      { fetch: { render, maxRetries: 0 } },
    );
    expect(urls).toEqual([`${origin}/?ok`, `${origin}/a`]);
    expect(snapshot.outcome).toBe('Succeeded');
  });

  it('that comes back to the page itself, with a cookie, is followed', async () => {
    let origin = '';
    await using gate = await startSite({ '/consent': (request, response) => to(`${origin}/`)(request, response) });
    await using site = await startSite({
      '/': (request, response) =>
        request.headers.cookie === undefined
          ? to(otherSite(gate, '/consent'), { 'set-cookie': 'seen=1' })(request, response)
          : links('/a')(request, response),
      '/a': links(),
    });
    origin = site.origin;
    const { urls } = await crawl([site, gate], { scope: { mode: 'Host' } });
    expect(urls).toEqual([`${origin}/`, `${origin}/a`]);
  });

  it('that goes round and round ends at the redirect limit', async () => {
    await using gate = await startSite({});
    const rounds = Object.fromEntries(
      Array.from({ length: 30 }, (_, hop) => [`/${hop}`, to(otherSite(gate, `/${hop + 1}`))]),
    );
    await using loop = await startSite(rounds);
    await using site = await startSite({ '/': to(otherSite(loop, '/0')), ...rounds });
    const { snapshot } = await crawl([site, loop, gate], { scope: { mode: 'Host' } });
    expect(snapshot.outcome).toBe('Failed');
    expect(loop.requests.length).toBeLessThan(15);
  });

  it('of an ordinary page is left out, and not asked for again and again', async () => {
    await using other = await startSite(
      Object.fromEntries(Array.from({ length: 100 }, (_, page) => [`/${page}`, links()])),
    );
    const out = Array.from({ length: 100 }, (_, page) => `/out/${page}`);
    await using site = await startSite({
      '/': links(...out),
      ...Object.fromEntries(out.map((path, page) => [path, to(otherSite(other, `/${page}`))])),
    });
    const { snapshot, urls } = await crawl([site, other], { scope: { mode: 'Host' } });
    expect(urls).toEqual([`${site.origin}/`]);
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', skipReasons: { OutOfScope: 100 } });
    expect(other.requests.length).toBeLessThan(40);
  });

  it('is not gone to where the source excludes it, or robots.txt there forbids it', async () => {
    await using gate = await startSite({
      '/robots.txt': html('User-agent: *\nDisallow: /consent'),
      '/consent': links(),
    });
    await using site = await startSite({
      '/': links('/a', '/b'),
      '/a': to(otherSite(gate, '/consent')),
      '/b': to(otherSite(gate, '/login')),
    });
    const { snapshot } = await crawl([site, gate], { scope: { mode: 'Host', exclude: ['**/login'] } });
    expect(snapshot.skipReasons).toEqual({ OutOfScope: 2 });
    expect(gate.requests).not.toContain('/consent');
    expect(gate.requests).not.toContain('/login');
  });

  it('loses its session as a link does, and is not lost when only that is new', async () => {
    await using site = await startSite({
      '/': links('/a', '/c'),
      '/a': to('/b?PHPSESSID=1'),
      '/b': links(),
      '/c': (request, response) => (request.url === '/c' ? to('/c?PHPSESSID=1') : links())(request, response),
    });
    const { urls } = await crawl([site], { scope: { mode: 'Host' } });
    expect(urls).toEqual(['/', '/b', '/c'].map((path) => site.origin + path));
  });

  it('of a sitemap may lead anywhere; what it lists is of the source', async () => {
    let origin = '';
    const xml = () => `<urlset><url><loc>${origin}/listed</loc></url><url><loc>http://b.invalid/x</loc></url></urlset>`;
    await using store = await startSite({ '/map.xml': (request, response) => html(xml())(request, response) });
    await using site = await startSite({ '/sitemap.xml': to(otherSite(store, '/map.xml')), '/listed': links() });
    origin = site.origin;
    const { snapshot, urls } = await crawl([site, store], {
      urls: [],
      sitemaps: [`${origin}/sitemap.xml`],
      scope: { mode: 'Page' },
    });
    expect(urls).toEqual([`${origin}/listed`]);
    expect(snapshot.skipReasons).toEqual({ Redirected: 1, Sitemap: 1, OutOfScope: 1 });
  });
});
