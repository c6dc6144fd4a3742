// Crawls by a real proxy, in both render modes: what goes by it, what is refused before it, and what its own trouble is.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { Resolve } from '#src/crawler/network/address-guard.ts';
import { parseProxyUrl } from '#src/crawler/network/upstream-proxy.ts';
import type { Renderer } from '#src/crawler/rendering/renderer.ts';
import { normaliseUrl } from '#src/crawler/urls/url.ts';
import { proxyTestRun } from '#src/custom-resources/proxy-test-run.ts';
import type { CrawlSchedule } from '#src/custom-resources/types.ts';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { findingOf } from '#src/server/schedules/proxy-verdict.ts';
import { createPool } from '#src/store/connection.ts';
import { createFirstPageReads } from '#src/store/first-page.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { FORBIDDEN_URLS } from '../../unit/crawler/network/ssrf-corpus.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun } from './fixture.ts';
import { startProxy, type TestProxy } from './proxy-server.ts';
import { browserDefaults, guardAllowing, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const { plan } = createExtraction(undefined);
const log = createLogger('test', 'fatal');
const modes = ['HTTP', 'Browser'] as const;

/** As in a cluster whose DNS knows nothing of the internet: names under .test are the proxy's to resolve. */
const resolve: Resolve = async (hostname) => {
  if (hostname === 'inside.example' || hostname === 'localhost') return [{ address: '127.0.0.1', family: 4 }];
  throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
};

async function rendererBy(url: string, mode: (typeof modes)[number]): Promise<Renderer> {
  const guard = guardAllowing('', resolve);
  const proxy = parseProxyUrl(url, [new URL(url).host]);
  if (mode === 'Browser') {
    const executablePath = findChromium() ?? '';
    return createBrowserRenderer({
      executablePath,
      guard,
      upstream: proxy,
      userAgent: 'Tester/1.0',
      ...browserDefaults,
      log,
    });
  }
  const client = createHttpClient({ guard, proxy, userAgent: 'Tester/1.0', connections: 2 });
  return { ...createHttpRenderer(client), close: client.close };
}

describe.each(modes)('by a proxy in render mode %s', (mode) => {
  let site: TestSite;
  let proxy: TestProxy;
  let renderer: Renderer;

  beforeAll(async () => {
    site = await startSite({
      '/': html('<title>Home</title><script src="/app.js"></script><p>text</p>'),
      '/app.js': (_, response) => void response.end('document.title = "Home by script"'),
    });
    proxy = await startProxy();
    renderer = await rendererBy(proxy.url, mode);
  });
  afterAll(async () => {
    await renderer.close();
    await proxy[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  const render = (text: string, by = renderer) => {
    const url = normaliseUrl(text);
    if (url === undefined) throw new Error(`${text} cannot be crawled`);
    return by.render(url, plan, 20_000, never);
  };

  it('goes a page, with all that it loads, of a name that only the proxy knows', async () => {
    const title = mode === 'Browser' ? 'Home by script' : 'Home';
    const origin = `http://shop.test:${site.port}`;
    expect(await render(`${origin}/`)).toMatchObject({ type: 'page', page: { title } });
    expect(proxy.log).toContain(`GET ${origin}/`);
    expect(site.requests.length).toBe(proxy.log.length);
    if (mode === 'Browser') expect(proxy.log).toContain(`GET ${origin}/app.js`);
  });

  it('goes https through a tunnel', async () => {
    const before = proxy.log.length;
    expect(await render(`https://shop.test:${site.port}/`)).toMatchObject({ type: 'failed' });
    expect(proxy.log.slice(before)).toContain(`CONNECT shop.test:${site.port}`);
  });

  it(`goes nothing that is forbidden: ${FORBIDDEN_URLS.length} spellings, and names that are private`, async () => {
    const before = proxy.log.length;
    const names = [
      'inside.example',
      'printer',
      'db.internal',
      'kubernetes.default.svc',
      'x.svc.cluster.local',
      'nas.lan',
    ];
    const through: string[] = [];
    for (const url of [...FORBIDDEN_URLS, ...names.flatMap((name) => [`http://${name}/`, `https://${name}/`])]) {
      const result = await render(url);
      const cause = result.type === 'failed' ? result.failure.cause : result.type;
      if (cause !== 'AddressForbidden') through.push(`${url}: ${cause}`);
    }
    expect(through).toEqual([]);
    expect(proxy.log).toHaveLength(before);
  });

  it.each(['http', 'https'])(
    'wrong credentials are the proxy’s failure, of %s too, and worth another try',
    async (scheme) => {
      const stranger = await rendererBy(`http://crawler:wrong@${proxy.authority}`, mode);
      const before = proxy.refused();
      const result = await render(`${scheme}://shop.test:${site.port}/`, stranger);
      await stranger.close();
      expect(result).toMatchObject({
        type: 'failed',
        failure: { cause: 'ProxyError', retryable: true, message: expect.stringContaining('refuses the credentials') },
      });
      expect(JSON.stringify(result)).not.toContain('wrong');
      expect(proxy.refused()).toBeGreaterThan(before);
    },
  );

  it.each(['http', 'https'])(
    'a proxy that is down is the failure of %s pages, and worth another try',
    async (scheme) => {
      const gone = await startProxy();
      await gone[Symbol.asyncDispose]();
      const stranded = await rendererBy(gone.url, mode);
      const result = await render(`${scheme}://shop.test:${site.port}/`, stranded);
      await stranded.close();
      expect(result).toMatchObject({
        type: 'failed',
        failure: { cause: 'ProxyError', retryable: true, message: expect.stringContaining('cannot be reached') },
      });
    },
  );
});

describe('a run with a proxy', { timeout: 240_000 }, () => {
  let database: CrawlDatabase;
  beforeAll(async () => {
    database = await startCrawlDatabase();
  });
  afterAll(() => database[Symbol.asyncDispose]());

  const proxySpec = (more: object = {}) => ({ urlSecretRef: { name: 'proxy' }, ...more });

  async function environmentBy(run: TestRun, url: string, more: Record<string, string> = {}) {
    const file = path.join(run.environment()['TRAWLER_CREDENTIALS_DIR'] ?? '', 'proxy-url');
    await writeFile(file, url);
    return { TRAWLER_PROXY_FILE: file, TRAWLER_ALLOWED_PROXIES: new URL(url).host, ...more };
  }

  function specFor(urls: string[], more: Partial<CrawlRunSpecInput>): CrawlRunSpecInput {
    return {
      sources: [{ name: 'site', urls }],
      politeness: { requestsPerSecond: 4, robots: 'Obey' },
      heartbeat: { interval: '1s' },
      concurrency: 1,
      ...more,
    };
  }

  it('Always sends all by it, robots.txt too', async () => {
    await using site = await startSite({ '/': html('<title>Home</title>') });
    await using proxy = await startProxy();
    await using run = await database.accept(specFor([`http://shop.test:${site.port}/`], { proxy: proxySpec() }));
    const worker = run.startWorker(await environmentBy(run, proxy.url));
    expect(await worker.ended).toBe(0);
    expect((await run.snapshot()).outcome).toBe('Succeeded');
    const origin = `http://shop.test:${site.port}`;
    expect(proxy.log).toEqual([`GET ${origin}/robots.txt`, `GET ${origin}/`]);
  });

  it('that tries a proxy out shows an answer with its time and the address, or that the proxy is down', async () => {
    await using site = await startSite({ '/': html('<p>You come from 203.0.113.9</p>') });
    const url = `http://shop.test:${site.port}/`;
    const schedule: CrawlSchedule = {
      apiVersion: 'trawler.dev/v1alpha1',
      kind: 'CrawlSchedule',
      metadata: { name: 'shop', namespace: 'default', uid: 'u', resourceVersion: '1' },
      spec: { runTemplate: { spec: { sources: [{ name: 'a', urls: ['http://a.test/'] }], proxy: proxySpec() } } },
    };
    const wanted = proxyTestRun(schedule, url, new Date());
    if (wanted === undefined) return expect.fail('no run');
    const pool = createPool({
      ...{ databaseUrl: database.superuserUrl, applicationName: 'test', max: 1 },
      sessionSettings: { search_path: 'trawler' },
    });
    try {
      for (const isUp of [true, false]) {
        await using proxy = await startProxy();
        if (!isUp) await proxy[Symbol.asyncDispose]();
        await using run = await database.accept(wanted.spec);
        const worker = run.startWorker(await environmentBy(run, proxy.url));
        expect(await worker.ended).toBe(0);
        const name = `run-${run.runId.slice(0, 8)}`;
        const page = await createFirstPageReads(pool).firstPage({ namespace: 'default', run: name }, never);
        const found = findingOf({ ...schedule, spec: wanted.spec }, page);
        if (isUp) expect(proxy.log).toEqual([`GET ${url}`]);
        expect(found).toMatchObject(
          isUp
            ? { verdict: 'Works', status: 200, durationMs: expect.any(Number), exitAddress: '203.0.113.9' }
            : { verdict: 'Fails', cause: 'ProxyError', message: expect.stringContaining('cannot be reached') },
        );
      }
    } finally {
      await pool.end();
    }
  });

  it.for(modes)(
    'Auto takes it where a host refuses, and the direct way again later, in mode %s',
    async (render, { expect }) => {
      const direct: string[] = [];
      const byProxy: string[] = [];
      const page = html('<title>Page</title>');
      const challenge = html('<title>Just a moment...</title><p id="challenge-running">', {}, 403);
      const paths = Array.from({ length: 40 }, (_, number) => `/p/${number}`);
      await using site = await startSite(
        Object.fromEntries(
          paths.map((name) => [
            name,
            (request, response) => {
              const isByProxy = request.headers['by-proxy'] === 'yes';
              (isByProxy ? byProxy : direct).push(name);
              // The guard has forgotten by the time that the proxy was used for a while.
              (isByProxy || byProxy.length > 3 ? page : challenge)(request, response);
            },
          ]),
        ),
      );
      await using proxy = await startProxy();
      const urls = paths.map((name) => site.url(name).href);
      const spec = proxySpec({ mode: 'Auto', failureThreshold: 2, cooldown: '4s' });
      await using run = await database.accept(specFor(urls, { proxy: spec, fetch: { render } }));
      const allowed = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` };
      const worker = run.startWorker(await environmentBy(run, proxy.url, allowed));
      expect(await worker.ended).toBe(0);
      expect(await run.snapshot()).toMatchObject({
        outcome: 'Succeeded',
        progress: { succeeded: 40 },
        blockedHosts: [{ host: `127.0.0.1:${site.port}`, refusals: 2 }],
      });
      expect(direct.slice(0, 2)).toEqual(['/p/0', '/p/1']);
      expect(byProxy.length).toBeGreaterThan(3);
      expect(direct.length + byProxy.length).toBe(42);
      expect(direct.length).toBeGreaterThan(2);
      const told = worker.lines.flatMap(({ msg, viaProxy }) =>
        msg === 'host goes to the proxy' || msg === 'proxy switched' ? [[msg, viaProxy]] : [],
      );
      expect(told).toEqual([
        ['host goes to the proxy', undefined],
        ['proxy switched', true],
        ['proxy switched', false],
      ]);
    },
  );

  it.each([
    ['that the operator does not allow', { TRAWLER_ALLOWED_PROXIES: 'other.example:1' }, 'is not among the proxies'],
    ['whose Secret is not there', { TRAWLER_PROXY_FILE: '/nonexistent/url' }, 'no Secret "proxy" with the key "url"'],
  ])('ends with a fatal code by one %s', async (_, environment, reason) => {
    await using run = await database.accept(specFor(['http://shop.test/'], { proxy: proxySpec() }));
    const worker = run.startWorker(await environmentBy(run, 'http://u:secret@127.0.0.1:9', environment));
    expect(await worker.ended).toBe(64);
    expect(worker.lines.at(-1)).toMatchObject({ level: 'fatal', error: expect.stringContaining(reason) });
    expect(JSON.stringify(worker.lines)).not.toContain('secret');
  });
});
