// The demo site keeps what the head comment of dev/site/demo-pages.ts promises.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AccessLogEntry, createSite, type Site } from '../../../dev/site/server.ts';

let site: Site;
let log: AccessLogEntry[];

beforeEach(async () => {
  log = [];
  site = await createSite({ onRequest: (entry) => log.push(entry) });
});
afterEach(() => site.close());

const get = (path: string) => fetch(site.url + path, { redirect: 'manual' });
const text = async (path: string) => (await get(path)).text();
const links = (html: string) => [...html.matchAll(/<a\b[^>]*\bhref="([^"]+)"/g)].map((match) => match[1] ?? '');

describe('the shop', () => {
  test('lists every product on one of its pages, each page leading to the next', async () => {
    const found: string[] = [];
    let path: string | undefined = '/products/';
    let pages = 0;
    while (path !== undefined) {
      const html = await text(path);
      found.push(...links(html).filter((link) => /^\/products\/\d+$/.test(link)));
      path = /<a rel="next" href="([^"]+)"/.exec(html)?.[1];
      pages += 1;
    }
    expect(pages).toBe(4);
    expect(new Set(found).size).toBe(48);
    expect(found.length).toBe(48);
  });

  test('shows a product for readers and for machines alike', async () => {
    const html = await text('/products/7');
    const linked = JSON.parse(/<script type="application\/ld\+json">(.*)<\/script>/.exec(html)?.[1] ?? '');
    expect(linked).toMatchObject({ '@type': 'Product', name: 'Nylon Lamp No. 7', offers: { price: '28.59' } });
    expect(html).toContain('<h1>Nylon Lamp No. 7</h1>');
    expect(html).toContain('itemprop="price" content="28.59"');
    expect(html).toContain('<meta property="og:title" content="Nylon Lamp No. 7">');
  });

  test('answers the same to everybody at every start', async () => {
    await using other = await createSite();
    for (const path of ['/', '/products/?page=2', '/products/13', '/categories/ropes', '/api/offers.json']) {
      expect(await (await fetch(other.url + path)).text()).toBe(await text(path));
    }
  });

  test('names exactly its lists and products in the sitemap', async () => {
    const paths = [...(await text('/sitemap.xml')).matchAll(/<loc>([^<]+)<\/loc>/g)].map((match) => match[1] ?? '');
    expect(paths).toHaveLength(1 + 4 + 48);
    for (const path of paths) expect((await fetch(path)).status, path).toBe(200);
  });

  test('is empty without JavaScript where it says so', async () => {
    const html = await text('/js/');
    expect(html).toContain('<title>Loading</title>');
    expect(links(html.replace(/<script.*<\/script>/s, ''))).toEqual([]);
    expect((await get('/js/offers/1')).status).toBe(200);
  });

  test('links from home to working pages and to the troubles that it lists, nothing else', async () => {
    const statuses = await Promise.all(
      links(await text('/')).map(async (path) => [path, (await get(path)).status] as const),
    );
    expect(Object.fromEntries(statuses.filter(([, status]) => status !== 200))).toEqual({
      '/errors/404': 404,
      '/errors/429': 429,
      '/errors/500': 500,
      '/errors/503': 503,
      '/errors/flaky': 500,
      '/redirects/chain': 302,
      '/redirects/loop': 302,
    });
  });
});

describe('robots.txt', () => {
  test('keeps crawlers out of /private/ and asks for no delay', async () => {
    const robots = await text('/robots.txt');
    expect(robots).toContain('User-agent: *\nDisallow: /private/\n');
    expect(robots).toContain(`Sitemap: ${site.url}/sitemap.xml`);
  });

  test('asks for a delay where the site is started with one', async () => {
    await using slow = await createSite({ crawlDelay: 2 });
    expect(await (await fetch(`${slow.url}/robots.txt`)).text()).toContain('User-agent: *\nCrawl-delay: 2\n');
  });
});

describe('trouble', () => {
  test.each([
    ['/errors/429', 429, '1'],
    ['/errors/503', 503, '1'],
    ['/errors/flaky', 500, null],
  ])('%s fails at every first of two requests', async (path, status, retryAfter) => {
    const first = await get(path);
    expect([first.status, first.headers.get('retry-after')]).toEqual([status, retryAfter]);
    expect((await get(path)).status).toBe(200);
    expect((await get(path)).status).toBe(status);
  });

  test('an unknown path, product, list page or category is a 404', async () => {
    for (const path of [
      '/nothing',
      '/products/0',
      '/products/49',
      '/products/?page=5',
      '/categories/boats',
      '/js/offers/7',
    ]) {
      expect((await get(path)).status, path).toBe(404);
    }
  });

  test('the chain of redirects ends at a page, the loop never', async () => {
    expect((await fetch(`${site.url}/redirects/chain`)).url).toBe(`${site.url}/redirects/end`);
    await expect(fetch(`${site.url}/redirects/loop`)).rejects.toMatchObject({
      cause: { message: 'redirect count exceeded' },
    });
  });

  test('a slow page takes its time and a dripping one comes in two parts', async () => {
    await text('/slow/1');
    await text('/slow/drip');
    const ms = Object.fromEntries(log.map((entry) => [entry.path, entry.ms]));
    expect(ms['/slow/1']).toBeGreaterThanOrEqual(995);
    expect(ms['/slow/drip']).toBeGreaterThanOrEqual(1_995);
  });

  test('a page in another character set says which', async () => {
    const latin1 = await get('/formats/latin1');
    expect(latin1.headers.get('content-type')).toBe('text/html; charset=ISO-8859-1');
    expect(Buffer.from(await latin1.arrayBuffer()).toString('latin1')).toContain('Café in Latin-1');
    const meta = await get('/formats/meta');
    expect(meta.headers.get('content-type')).toBe('text/html');
    expect(Buffer.from(await meta.arrayBuffer()).toString('latin1')).toContain('<meta charset="windows-1252">');
  });

  test('only GET and HEAD are answered, and HEAD without a body', async () => {
    expect((await fetch(`${site.url}/`, { method: 'POST' })).status).toBe(405);
    const head = await fetch(`${site.url}/products/1`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(500);
  });

  test('a target that is no URL is a bad request', async () => {
    const socket = connect(site.port, '127.0.0.1');
    socket.end('GET /%zz HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('the access log', () => {
  test('has one entry a request, with arrival time, status, user agent and duration', async () => {
    const before = Date.now();
    await (await fetch(`${site.url}/products/?page=2`, { headers: { 'user-agent': 'Trawler/1.0' } })).text();
    await text('/nothing');
    expect(log).toEqual([
      expect.objectContaining({ method: 'GET', path: '/products/?page=2', status: 200, userAgent: 'Trawler/1.0' }),
      expect.objectContaining({ method: 'GET', path: '/nothing', status: 404 }),
    ]);
    for (const { time, ms } of log) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
      expect(ms).toBeGreaterThan(0);
    }
  });

  test('says 499 where the client left first', async () => {
    const logged = Promise.withResolvers<AccessLogEntry>();
    await using impatient = await createSite({ onRequest: logged.resolve });
    const socket = connect(impatient.port, '127.0.0.1');
    socket.write('GET /slow/never HTTP/1.1\r\nhost: demo\r\n\r\n', () => socket.destroy());
    expect(await logged.promise).toMatchObject({ path: '/slow/never', status: 499 });
  });
});

test('closing ends what is still being answered', async () => {
  const waiting = fetch(`${site.url}/slow/600`).then(
    () => 'answered',
    () => 'ended',
  );
  await (await get('/')).text();
  await site.close();
  expect(await waiting).toBe('ended');
});
