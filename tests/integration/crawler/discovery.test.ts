// What gets into the frontier: whole workers against real sites and a real PostgreSQL, and what the status says.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestWorker, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 180_000 };

type Source = CrawlRunSpecInput['sources'][number];
type Crawled = {
  readonly snapshot: RunSnapshot;
  /** Of the pages that items came from, in order. */
  readonly paths: readonly string[];
  readonly worker: TestWorker;
};

/** Crawls the site with one worker to its end. */
async function crawl(site: TestSite, source: Partial<Source>, more: Partial<CrawlRunSpecInput> = {}): Promise<Crawled> {
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' }, ...source }],
    politeness: { requestsPerSecond: 10_000, ...more.politeness },
    concurrency: 4,
    heartbeat: { interval: '1s' },
    ...more,
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
  expect(await worker.ended).toBe(0);
  const paths = (await run.items()).map((item) => String(item.data['url']).replace(site.origin, ''));
  return { snapshot: await run.snapshot(), paths: paths.sort(), worker };
}

const links = (...paths: string[]) => html(paths.map((path) => `<a href="${path}">x</a>`).join(''));

describe('links', PATIENT, () => {
  it('are followed as deep as the source says; what lies beyond is counted', async () => {
    await using site = await startSite({
      '/': links('/a', '/b'),
      '/a': links('/', '/a/1', '/a/2'),
      '/b': links('/a', '/a/1', '/b/1'),
    });
    const { snapshot, paths } = await crawl(site, { limits: { maxDepth: 1 } });
    expect(paths).toEqual(['/', '/a', '/b']);
    expect(site.requests).toHaveLength(4);
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', skipReasons: { MaxDepth: 3 } });
    expect(snapshot.progress).toMatchObject({ total: 3, succeeded: 3, skipped: 0 });
  });

  it('that no URL may be as long as, or beyond the bound of a page, are counted', async () => {
    const many = Array.from({ length: 10_005 }, (_, number) => `<a href="#${number}">x</a>`).join('');
    await using site = await startSite({ '/': html(`<a href="/${'x'.repeat(3_000)}">x</a>${many}`) });
    const { snapshot } = await crawl(site, {});
    expect(snapshot.skipReasons).toEqual({ UrlTooLong: 1, TooManyLinks: 6 });
  });
});

describe('items', PATIENT, () => {
  it('are taken up to the most of a page', async () => {
    await using site = await startSite({ '/': html('<p><b>1</b><p><b>2</b><p><b>3</b><p><b>4</b>') });
    const extract = { itemSelector: 'p', fields: [{ name: 'text', selector: 'b' }] };
    const { snapshot } = await crawl(site, { limits: { maxItemsPerPage: 3 } }, { extract });
    expect(snapshot.progress).toMatchObject({ succeeded: 1, items: 3 });
  });
});

describe('listings', PATIENT, () => {
  /** Twelve pages that know only the next one, a numbered one far off, and two products each. */
  const listing = (folder: string) =>
    Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => {
        const products = [1, 2].map((product) => `<a href="${folder}/product-${index + 1}-${product}">x</a>`).join('');
        const next = index === 11 ? '' : `<li class=next><a href="${folder}/${index + 2}">next</a>`;
        return [`${folder}/${index + 1}`, html(`${products}${next}<a rel=next href="/nowhere">x</a>`)] as const;
      }),
    );
  const selector = 'li.next';

  it.each(['HTTP', 'Browser'] as const)('are followed to their end or to the bound, alone, by %s', async (render) => {
    await using site = await startSite(listing('/a'));
    const source = { urls: [site.url('/a/1').href, site.url('/a/9').href], scope: { mode: 'Page' } as const };
    const { snapshot, paths } = await crawl(
      site,
      { ...source, limits: { followNext: { selector, maxPages: 3 } } },
      { fetch: { render } },
    );
    expect(paths).toEqual(['/a/1', '/a/10', '/a/11', '/a/2', '/a/3', '/a/9']);
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', skipReasons: { MaxListingPages: 2 } });
  });

  it('have five pages by default, each as deep as the first one, and count in maxPages', async () => {
    await using site = await startSite({ '/': links('/a/1', '/b/1'), ...listing('/a'), ...listing('/b') });
    const limits = { followNext: { selector }, maxDepth: 1 };
    const { snapshot, paths } = await crawl(site, { limits });
    const five = [1, 2, 3, 4, 5];
    expect(paths).toEqual(['/', ...five.map((page) => `/a/${page}`), ...five.map((page) => `/b/${page}`)]);
    expect(snapshot.skipReasons).toMatchObject({ MaxListingPages: 2 });
    const { snapshot: short } = await crawl(site, { limits: { ...limits, maxPages: 7 } });
    expect(short.progress.succeeded).toBe(7);
  });

  it('end at what robots.txt forbids, go by redirects, and obey nofollow', async () => {
    const next = (path: string, rel = 'next') => html(`<a rel="${rel}" href="${path}">x</a>`);
    await using site = await startSite({
      '/robots.txt': (_, response) => void response.end('User-agent: *\nDisallow: /private'),
      '/a1': next('/a2'),
      '/a2': next('/private/a3'),
      '/b1': next('/b2'),
      '/b2': (_, response) => void response.writeHead(302, { location: '/b2-moved' }).end(),
      '/b2-moved': next('/b3'),
      '/b3': next('/b4'),
      '/c1': next('/c2', 'next nofollow'),
    });
    const urls = ['/a1', '/b1', '/c1'].map((path) => site.url(path).href);
    const limits = { followNext: { maxPages: 3 } };
    const { snapshot, paths } = await crawl(site, { urls, scope: { mode: 'Page' }, limits });
    expect(paths).toEqual(['/a1', '/a2', '/b1', '/b2-moved', '/b3', '/c1']);
    expect(snapshot.skipReasons).toEqual({ RobotsDisallowed: 1, Redirected: 1, MaxListingPages: 1 });
  });

  it('keep their bound when several workers share them, one of which is killed', async () => {
    const slowly =
      (answer: Answer): Answer =>
      (request, response) =>
        void setTimeout(() => answer(request, response), 100);
    const pages = Object.entries(listing('/a')).map(([path, answer]) => [path, slowly(answer)] as const);
    await using site = await startSite(Object.fromEntries(pages));
    await using run = await database.accept({
      sources: [
        {
          ...{ name: 'site', urls: [site.url('/a/1').href], scope: { mode: 'Page' } },
          limits: { followNext: { selector, maxPages: 8 } },
        },
      ],
      politeness: { requestsPerSecond: 10_000 },
      heartbeat: { interval: '1s' },
    });
    const start = () => run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    const [killed, ...others] = [start(), start()];
    await until('the third page', () => site.requests.includes('/a/3'));
    killed?.process.kill('SIGKILL');
    for (const worker of others) expect(await worker.ended).toBe(0);
    const items = await run.items();
    expect(items.map((item) => Number(/\d+$/.exec(String(item.data['url']))?.[0])).sort()).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });
});

const xml =
  (text: string, contentType = 'application/xml'): Answer =>
  (_, response) =>
    void response.writeHead(200, { 'content-type': contentType }).end(text);

const file =
  (body: Buffer, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(200, headers).end(body);

const urlset = (...urls: string[]) => `<urlset>${urls.map((url) => `<url><loc>${url}</loc></url>`).join('')}</urlset>`;
const index = (...urls: string[]) =>
  `<sitemapindex>${urls.map((url) => `<sitemap><loc>${url}</loc></sitemap>`).join('')}</sitemapindex>`;
const page = html('a page');

/** The site's own address is known only when it listens: sitemaps have to name it. */
const naming =
  (text: (origin: string) => string, contentType?: string): Answer =>
  (request, response) =>
    xml(text(`http://${request.headers.host}`), contentType)(request, response);

const times = (site: TestSite, path: string) => site.requests.filter((asked) => asked === path).length;

describe('sitemaps', PATIENT, () => {
  it('of every kind lead to their pages, and are no pages themselves', async () => {
    await using site = await startSite({
      '/index.xml': naming((origin) =>
        index(`${origin}/a.xml`, `${origin}/b.xml.gz`, `${origin}/c.txt`, `${origin}/d.xml`, `${origin}/moved.xml`),
      ),
      '/a.xml': naming((origin) => urlset(`${origin}/a1`, `${origin}/a2#x`, `${origin}/a1`)),
      '/b.xml.gz': (request, response) =>
        file(gzipSync(urlset(`http://${request.headers.host}/b1`)), { 'content-type': 'application/x-gzip' })(
          request,
          response,
        ),
      '/c.txt': naming((origin) => `${origin}/c1\n${origin}/c2\n`, 'text/plain'),
      '/d.xml': (request, response) =>
        file(gzipSync(urlset(`http://${request.headers.host}/d1`)), {
          'content-type': 'text/html',
          'content-encoding': 'gzip',
        })(request, response),
      '/moved.xml': (_, response) => void response.writeHead(301, { location: '/e.xml' }).end(),
      '/e.xml': naming((origin) => urlset(`${origin}/e1`)),
      ...Object.fromEntries(['a1', 'a2', 'b1', 'c1', 'c2', 'd1', 'e1'].map((name) => [`/${name}`, page])),
    });
    const sitemaps = [site.url('/index.xml').href];
    // As many as there are: a sitemap that took a page's place would leave one out.
    const limits = { maxPages: 7, maxDepth: 0 };
    const { snapshot, paths } = await crawl(site, { urls: [], sitemaps, limits });
    expect(paths).toEqual(['/a1', '/a2', '/b1', '/c1', '/c2', '/d1', '/e1']);
    expect(snapshot.progress).toMatchObject({ succeeded: 7, failed: 0 });
    expect(snapshot).toMatchObject({ outcome: 'Succeeded', skipReasons: { Sitemap: 6, Redirected: 1 } });
  });

  it('are read within the scope: other hosts, other patterns and other sites are left out and counted', async () => {
    await using site = await startSite({
      '/s.xml': naming((origin) => urlset(`${origin}/a`, `${origin}/secret/b`, 'http://other.example/c', 'nonsense:')),
      '/i.xml': naming((origin) => index(`${origin}/s.xml`, 'http://other.example/s.xml')),
      '/a': links('/b'),
      '/b': page,
    });
    const scope = { mode: 'Page' as const, exclude: ['**/secret/**'] };
    const { snapshot, paths } = await crawl(site, { urls: [], sitemaps: [site.url('/i.xml').href], scope });
    expect(paths).toEqual(['/a']);
    expect(snapshot.skipReasons).toEqual({ Sitemap: 2, OutOfScope: 3 });
  });

  it('that are none, or too much, are dead letters with their cause, and take no place of a page', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('<urlset>'), Buffer.alloc(60 * 1024 * 1024, ' ')]));
    await using site = await startSite({
      '/': page,
      '/html': html('<h1>Not found</h1>'),
      '/500': (_, response) => void response.writeHead(500).end(),
      '/bomb': file(bomb),
      '/not-gzip': file(Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from('nonsense')])),
      '/broken': naming((origin) => `<urlset><url><loc>${origin}/good</loc></url><url><lo`),
      '/good': page,
    });
    const names = ['html', '404', '500', 'bomb', 'not-gzip', 'broken'];
    const { snapshot, paths } = await crawl(
      site,
      { sitemaps: names.map((name) => site.url(`/${name}`).href), limits: { maxPages: 2 } },
      { fetch: { maxRetries: 1 } },
    );
    expect(paths).toEqual(['/', '/good']);
    expect(times(site, '/500')).toBe(2);
    expect(times(site, '/404')).toBe(1);
    expect(snapshot).toMatchObject({
      outcome: 'Partial',
      failureCauses: { BadSitemap: 1, HttpError: 2, TooLarge: 1, ConnectionError: 1 },
      skipReasons: { Sitemap: 1 },
    });
  });

  it('that name themselves, or more of them for ever, come to an end', async () => {
    await using site = await startSite({
      '/self.xml': naming((origin) => index(`${origin}/self.xml`, `${origin}/more.xml?n=0`)),
      '/more.xml': (request, response) => {
        const next = Number(/n=(\d+)/.exec(request.url ?? '')?.[1]) + 1;
        naming((origin) => index(`${origin}/more.xml?n=${next}`, `${origin}/self.xml`))(request, response);
      },
    });
    const { snapshot } = await crawl(site, { urls: [], sitemaps: [site.url('/self.xml').href] });
    expect(times(site, '/self.xml')).toBe(1);
    expect(snapshot.skipReasons).toEqual({ Sitemap: 4, MaxDepth: 2 });
  });

  it('are read as far as the run can use them', async () => {
    const many = (origin: string, from: number) =>
      urlset(...Array.from({ length: 51_000 }, (_, number) => `${origin}/p/${from + number}`));
    await using site = await startSite({ '/many.xml': naming((origin) => many(origin, 0)) });
    const source = { urls: [], sitemaps: [site.url('/many.xml').href], limits: { maxPages: 1 } };
    const { snapshot } = await crawl(site, source, { limits: { maxPages: 3 }, fetch: { maxRetries: 0 } });
    expect(snapshot.progress.failed).toBe(1);
    // About a thousand at a time, until more than 10,000 and four times the run's pages wait.
    expect(snapshot.progress.total).toBeGreaterThan(10_000);
    expect(snapshot.progress.total).toBeLessThan(13_000);
    expect(snapshot.skipReasons.Sitemap).toBe(1);
    // The pages that found no place, and the entries that were not even put in.
    expect(snapshot.skipReasons.MaxPages).toBeGreaterThanOrEqual(snapshot.progress.total - 2);
  });

  it('that robots.txt names are read where the source says so, and only those of the same site', async () => {
    const answers = {
      '/': page,
      '/robots.txt': naming(
        (origin) => `Sitemap: ${origin}/s.xml\nSITEMAP : /t.xml\nSitemap: http://other.example/s.xml\nUser-agent: *`,
        'text/plain',
      ),
      '/s.xml': naming((origin) => urlset(`${origin}/s`)),
      '/t.xml': naming((origin) => urlset(`${origin}/t`)),
      '/s': page,
      '/t': page,
    };
    await using site = await startSite(answers);
    const asked = await crawl(site, { sitemapsFromRobots: true });
    expect(asked.paths).toEqual(['/', '/s', '/t']);
    expect(asked.snapshot.skipReasons).toEqual({ Sitemap: 2 });
    await using other = await startSite(answers);
    expect((await crawl(other, {})).paths).toEqual(['/']);
  });

  it('that are lost with their worker are read again by the next one', async () => {
    const pages = Array.from({ length: 1_200 }, (_, number) => `/p/${number}`);
    let isHanging = true;
    let hanging = false;
    await using site = await startSite({
      '/s.xml': (request, response) => {
        const text = urlset(...pages.map((path) => `http://${request.headers.host}${path}`));
        if (!isHanging) return void response.end(text);
        response.write(text.slice(0, -200));
        hanging = true;
      },
      ...Object.fromEntries(pages.map((path) => [path, page])),
    });
    await using run = await database.accept({
      sources: [{ name: 'site', sitemaps: [site.url('/s.xml').href], scope: { mode: 'Host' } }],
      politeness: { requestsPerSecond: 10_000 },
      limits: { maxPages: 10_000 },
      concurrency: 4,
      heartbeat: { interval: '1s' },
    });
    const environment = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` };
    const first = run.startWorker(environment);
    await until('the first entries are there', async () => hanging && (await run.snapshot()).progress.succeeded > 10);
    first.process.kill('SIGKILL');
    await first.ended;
    isHanging = false;
    await database.store.releaseWorker(run.runId, first.workerId, never);
    expect(await run.startWorker(environment).ended).toBe(0);
    expect(await run.snapshot()).toMatchObject({
      outcome: 'Succeeded',
      progress: { succeeded: 1_200, failed: 0, skipped: 1, items: 1_200 },
    });
  });
});

describe('what pages say of themselves', PATIENT, () => {
  const site = () =>
    startSite({
      '/': html(
        '<a href=/noindex>x</a><a href=/closed>x</a><a rel="nofollow ugc" href=/login>x</a><a href=/header>x</a>',
      ),
      '/noindex': html('<meta name=Robots content=noindex><a href=/below>x</a>'),
      '/closed': html('<meta name=trawler content=nofollow><a href=/secret>x</a>'),
      '/header': html('<a href=/other>x</a>', { 'x-robots-tag': 'none' }),
      '/below': page,
      '/secret': page,
      '/login': page,
      '/other': page,
    });

  it.each(['HTTP', 'Browser'] as const)('is obeyed when it is asked for by %s', async (render) => {
    await using pages = await site();
    const { snapshot, paths } = await crawl(pages, {}, { fetch: { render } });
    expect(paths).toEqual(['/', '/below', '/closed']);
    expect(snapshot.skipReasons).toEqual({ NoIndex: 2, Nofollow: 3 });
  });

  it('is no matter when it is to be ignored', async () => {
    await using pages = await site();
    const politeness = { requestsPerSecond: 10_000, robotsMeta: 'Ignore' as const, nofollow: 'Ignore' as const };
    const { snapshot, paths } = await crawl(pages, {}, { politeness });
    expect(paths).toHaveLength(8);
    expect(snapshot.skipReasons).toEqual({});
  });
});

describe('canonical pages', PATIENT, () => {
  const canonical = (to: string, more = '') => html(`<link rel=canonical href="${to}">a page ${more}`);
  const site = () =>
    startSite({
      '/': canonical(
        '/',
        ['/a?x=1', '/a?x=2', '/b', '/out', '/twin1'].map((path) => `<a href="${path}">x</a>`).join(''),
      ),
      '/a': canonical('/a#top', '<a href=/c>x</a>'),
      '/b': canonical('/c'),
      '/c': page,
      '/out': canonical('http://other.example/out'),
      '/twin1': canonical('/twin2'),
      '/twin2': canonical('/twin1'),
    });

  it.each(['HTTP', 'Browser'] as const)('are crawled in place of those that name them by %s', async (render) => {
    await using pages = await site();
    const { snapshot, paths } = await crawl(
      pages,
      { scope: { mode: 'Host', canonical: 'Follow' } },
      { fetch: { render } },
    );
    expect(paths).toEqual(['/', '/a', '/c', '/out', '/twin2']);
    expect(snapshot.skipReasons).toEqual({ Canonical: 4 });
  });

  it('are pages like others by default', async () => {
    await using pages = await site();
    const { snapshot, paths } = await crawl(pages, {});
    expect(paths).toEqual(['/', '/a?x=1', '/a?x=2', '/b', '/c', '/out', '/twin1']);
    expect(snapshot.skipReasons).toEqual({});
  });
});

/** A month links to the next and the last one, filters to more filters; each visit gives the links a new session. */
function endlessSite(): Record<string, Answer> {
  let sessions = 0;
  const month = (shift: number, { url = '' }: { readonly url?: string | undefined }) => {
    const [, year = '2026', number = '1'] = /date=(\d+)-(\d+)/.exec(url) ?? [];
    return new Date(Date.UTC(Number(year), Number(number) - 1 + shift)).toISOString().slice(0, 7);
  };
  const withLinks =
    (hrefs: (request: Parameters<Answer>[0]) => readonly string[]): Answer =>
    (request, response) => {
      const session = `PHPSESSID=${(sessions++).toString(36)}`;
      const anchors = hrefs(request).map(
        (href) => `<a href="${href}${href.includes('?') ? '&' : '?'}${session}">x</a>`,
      );
      html(anchors.join(''))(request, response);
    };
  const products = Array.from({ length: 20 }, (_, number) => `/product/${number}`);
  const more = withLinks(() => ['more/x/']);
  const pages: Record<string, Answer> = {
    '/': withLinks(() => ['/calendar?date=2026-01', '/shop/', ...products.slice(0, 10)]),
    '/calendar': withLinks((request) => [1, -1].map((shift) => `/calendar?date=${month(shift, request)}`)),
    '/shop/': withLinks(() => [
      ...products.slice(10),
      ...Array.from({ length: 40 }, (_, number) => `/filter?size=${number}&color=red&brand=${number % 7}`),
    ]),
    '/filter': withLinks((request) => [`${request.url ?? ''}&more=${sessions}`, '/product/19']),
    ...Object.fromEntries(products.map((path) => [path, withLinks(() => ['/', 'more/x/'])])),
  };
  // Every path under this one is answered, so that a relative link leads deeper each time.
  return new Proxy(pages, {
    get: (target, path: string) => target[path] ?? (path.includes('more/x/') ? more : undefined),
  });
}

describe('a site without end', PATIENT, () => {
  it('comes to one: every real page is crawled, and what is left out is counted and named', async () => {
    await using site = await startSite(endlessSite());
    const limits = { maxPages: 1_000 };
    const { snapshot, paths, worker } = await crawl(site, { limits: { maxVariants: 15 } }, { limits });
    expect(snapshot.outcome).toBe('Succeeded');
    expect(paths.filter((path) => /^\/product\/\d+$/.test(path))).toHaveLength(20);
    // Those that were found before enough of them had said nothing new are crawled, too.
    expect(paths.filter((path) => path.startsWith('/calendar')).length).toBeLessThan(30);
    expect(paths.filter((path) => path.startsWith('/filter')).length).toBeLessThan(100);
    expect(paths.filter((path) => path.includes('more/x'))).toEqual(['/product/more/x/', '/product/more/x/more/x/']);
    expect(paths.some((path) => path.includes('PHPSESSID'))).toBe(false);
    expect(snapshot.skipReasons.SpiderTrap).toBeGreaterThan(25);
    const told = worker.lines.filter((line) => line.msg.startsWith('spider trap')).map((line) => line['trap']);
    expect(told.sort()).toEqual(['Calendar', 'Combinations', 'RepeatingPath']);
    const host = `127.0.0.1:${site.port}`;
    const traps = snapshot.spiderTraps.map(({ kind, pattern }) => `${kind} ${pattern}`);
    expect(traps.sort()).toEqual([
      `Calendar ${host}/calendar?{date}`,
      `Combinations ${host}/filter?…`,
      `RepeatingPath ${host}/…/more/x/…`,
    ]);
  });
});
