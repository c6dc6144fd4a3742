// Sites that refuse a crawl, as whole workers meet them: recognised in both modes, waited for, told of, given up.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const PATIENT = { timeout: 240_000 };
const allow = (site: TestSite) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });

const challenge = html('<title>Just a moment...</title><div id="challenge-running">Checking</div>', {}, 403);
const captcha = html('<title>Robot check</title><form><div class="g-recaptcha"></div></form>');

/** Refuses the first so many times, then gives the page. */
function refusing(times: number, refusal: Answer, page: Answer): Answer {
  let left = times;
  return (request, response) => (left-- > 0 ? refusal(request, response) : page(request, response));
}

function specFor(site: TestSite, more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
    heartbeat: { interval: '1s' },
    ...more,
  };
}

describe.concurrent('a site that refuses', PATIENT, () => {
  it.for(['HTTP', 'Browser'] as const)(
    'for a while is waited for, beyond the retries of its pages, in render mode %s',
    async (render, { expect }) => {
      const page = html('<title>Home</title><h1>A page about captchas</h1>');
      await using site = await startSite({ '/': refusing(1, challenge, refusing(1, captcha, page)) });
      await using run = await database.accept(specFor(site, { fetch: { render, maxRetries: 0 } }));
      const worker = run.startWorker(allow(site));
      expect(await worker.ended).toBe(0);
      const snapshot = await run.snapshot();
      expect(snapshot).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: 1, failed: 0 } });
      expect(site.requests.filter((path) => path === '/')).toHaveLength(3);
      const warnings = worker.lines.filter((line) => line.msg === 'crawler blocked detected');
      expect(warnings.map((line) => line['error'])).toEqual([
        expect.stringContaining('Cloudflare challenge (status 403, title "Just a moment..."'),
        expect.stringContaining('a captcha (status 200, title "Robot check")'),
      ]);
    },
  );

  it('for good ends the run with a code that no other pod has to try again after', async () => {
    await using stack = new AsyncDisposableStack();
    const sites = await Promise.all(Array.from({ length: 12 }, () => startSite({ '/': challenge, '/2': challenge })));
    for (const site of sites) stack.use(site);
    const urls = sites.flatMap((site) => [site.url('/').href, site.url('/2').href]);
    const addresses = sites.map((site) => `127.0.0.1:${site.port}`).join(',');
    await using run = await database.accept(specFor(sites[0] as TestSite, { sources: [{ name: 'all', urls }] }));
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: addresses });
    expect(await worker.ended).toBe(66);
    expect(worker.lines.at(-1)).toMatchObject({ level: 'fatal', reason: 'Blocked' });
    const { progress, state, blockedHosts } = await run.snapshot();
    expect(state).toBe('Running');
    expect(progress).toMatchObject({ succeeded: 0, leased: 0, queued: 24 });
    // Some hosts may have refused both of their pages before others were asked.
    expect(sites.flatMap((site) => site.requests).length).toBeGreaterThanOrEqual(12);
    expect(new Set(blockedHosts.map(({ evidence }) => evidence.includes('Cloudflare')))).toEqual(new Set([true]));
  });

  it('is told from one that forbids a folder', async () => {
    await using site = await startSite({ '/': html('<title>403 Forbidden</title>', {}, 403) });
    await using run = await database.accept(specFor(site));
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    expect(await run.snapshot()).toMatchObject({ outcome: 'Failed', failureCauses: { HttpError: 1 } });
    expect(site.requests).toEqual(['/']);
  });

  it('by an empty page among full ones is asked for it again', async () => {
    const links = Array.from({ length: 6 }, (_, number) => `<a href="/p/${number}">page ${number}</a>`).join('');
    const pages = Array.from({ length: 6 }, (_, number): [string, Answer] => [`/p/${number}`, html(`page ${number}`)]);
    const last = refusing(1, html('<div id=app></div>'), html('<title>Last</title>at last'));
    await using site = await startSite({
      '/': html(links),
      ...Object.fromEntries(pages),
      '/p/5': html('<a href="/last">last</a>'),
      '/last': last,
    });
    await using run = await database.accept(specFor(site));
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    expect(await run.snapshot()).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: 8 } });
    expect(site.requests.filter((path) => path === '/last')).toHaveLength(2);
    expect((await run.items()).map((item) => item.data['title'])).toContain('Last');
  });
});
