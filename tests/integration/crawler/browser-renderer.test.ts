// Pages in the browser: scripts, redirects, crashes and hangs.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import type { Renderer } from '#src/crawler/rendering/renderer.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { sendSignal } from '../../../dev/cluster/signals.ts';
import { browserDefaults, guardAllowing, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const { plan } = createExtraction(undefined);
const userAgent = 'Tester/1.0';

/** A page that is sent on goes elsewhere so often that it does so just when the answer for the next one is shown, too. */
const LEAVE_EVERY_MS = 3;
const LATE_ANSWER_MS = 100;

/** Takes what lets the page at /held go. */
let holding: (letGo: () => void) => void = (letGo) => letGo();

let site: TestSite;
let renderer: Renderer;

const scripted = `<title>empty</title><h1></h1><script>
  fetch('/data').then((response) => response.json()).then(({ title, link }) => {
    document.title = title;
    document.querySelector('h1').textContent = navigator.userAgent;
    const a = document.createElement('a'); a.href = link; document.body.append(a);
  });
</script>`;

beforeAll(async () => {
  site = await startSite({
    '/plain': html('<title>Plain</title>'),
    '/late': (request, response) =>
      void setTimeout(() => html('<title>Late</title>')(request, response), LATE_ANSWER_MS),
    '/scripted': html(scripted),
    '/data': (_, response) => void response.end(JSON.stringify({ title: 'Loaded', link: '/by-script' })),
    '/polling': html(`<title>Polling</title><script>setInterval(() => fetch('/plain'), 5); fetch('/never');</script>`),
    '/never': () => {},
    '/moved': (_, response) => void response.writeHead(302, { location: '/target?x=1#y' }).end(),
    '/target': html('<title>Target</title>'),
    '/script-moved': html(`<title>Old</title><script>location.replace('/target')</script>`),
    '/leaves-later': html(`<title>Leaves</title><h1>Leaves</h1><script>
      onbeforeunload = () => { setInterval(() => { location.href = '/left'; }, ${LEAVE_EVERY_MS}); };</script>`),
    '/meta-moved': html('<title>Old</title><meta http-equiv=refresh content="0;url=/target">'),
    '/cookie': (request, response) => {
      const known = request.headers.cookie?.includes('seen=1') === true;
      if (known) html('<title>Welcome</title>')(request, response);
      else response.writeHead(302, { location: '/cookie', 'set-cookie': 'seen=1' }).end();
    },
    '/session': (request, response) => {
      const visits = Number(/visits=(\d+)/.exec(request.headers.cookie ?? '')?.[1] ?? 0) + 1;
      html(`<title>Visit ${visits}</title>`, { 'set-cookie': `visits=${visits}` })(request, response);
    },
    '/gives': html('<title>Gives</title>', { 'set-cookie': 'given=1; path=/given' }),
    '/given': (request, response) => html(`<title>${request.headers.cookie}</title>`)(request, response),
    '/held': (request, response) =>
      holding(() => html('<title>Held</title>', { 'set-cookie': 'held=1; path=/given' })(request, response)),
    '/goodbye': html('<title>Goodbye</title>', { 'set-cookie': 'visits=0; max-age=0' }),
    '/missing': html('<title>no</title>', {}, 404),
    '/busy': html('', { 'retry-after': '3' }, 429),
    '/pdf': (_, response) => void response.writeHead(200, { 'content-type': 'application/pdf' }).end('%PDF-1.4'),
    '/zip': (_, response) => void response.writeHead(200, { 'content-type': 'application/zip' }).end('PK'),
    '/json': (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
    '/none': (_, response) => void response.writeHead(204).end(),
    '/hang': html('<title>Hang</title><script>for (;;);</script>'),
    '/hang-later': html('<title>Hang</title><script>onload = () => { for (;;); }</script>'),
    '/alert': html(
      '<title>Alert</title><script>alert(1); confirm(2); prompt(3); onbeforeunload = () => "stay";</script>',
    ),
    '/popup': html('<title>Popup</title><script>open("/plain"); print();</script>'),
    '/assets': html(`<title>Assets</title><link rel=stylesheet href="/style.css"><img src="/image-without-extension">
      <style>@font-face { font-family: f; src: url(/font) } h1 { font-family: f; background: url(/background) }</style><h1>x</h1>
      <video src="/video" preload=auto autoplay></video><audio src="/audio" autoplay></audio><iframe src="/assets-frame"></iframe>`),
    '/other-site': (request, response) =>
      html(`<title>Frames</title><link rel=preload as=image href="/preloaded-image"><img src="/image">
        <link rel=preload as=font crossorigin href="/preloaded-font"><iframe src="http://localhost:${request.socket.localPort}/foreign"></iframe>
        <iframe src="/with-ads"></iframe>`)(request, response),
    '/with-ads': html('<script src="http://www.google-analytics.com/collect"></script>'),
    '/foreign':
      html(`<link rel=stylesheet href="/style.css"><img src="/foreign-image"><video src="/foreign-video" autoplay></video>
      <script>new Image().src = '/foreign-scripted-image'; fetch('/data?foreign');</script>
      <style>@font-face { font-family: g; src: url(/foreign-font) } p { font-family: g; background: url(/foreign-background) }</style><p>x</p>`),
    '/assets-frame': html('<img src="/framed-image"><video src="/framed-video" autoplay></video>'),
    '/style.css': (_, response) =>
      void response.writeHead(200, { 'content-type': 'text/css' }).end('h1 { color: red }'),
    '/worker': html(`<title>none</title><script>
      navigator.serviceWorker.register('/sw.js').then(() => { document.title = 'registered'; }, () => {}); fetch('/data');
    </script>`),
    '/sw.js': (_, response) => void response.writeHead(200, { 'content-type': 'text/javascript' }).end(''),
    '/reset': (request) => void request.socket.resetAndDestroy(),
  });
  renderer = await startRenderer();
});

afterAll(async () => {
  await renderer.close();
  await site[Symbol.asyncDispose]();
});

async function startRenderer(more: Partial<typeof browserDefaults> = {}): Promise<Renderer> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  const guard = guardAllowing(`127.0.0.1:${site.port},localhost:${site.port}`);
  return createBrowserRenderer({
    ...browserDefaults,
    executablePath,
    guard,
    userAgent,
    log: createLogger('test', 'fatal'),
    ...more,
  });
}

const render = (path: string, timeoutMs = 20_000) => renderer.render(site.url(path), plan, timeoutMs, never);

/** Kills the browsers that this test process has started, as the out-of-memory killer would. */
function killChromium(): number {
  const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && isOurBrowser(entry));
  for (const child of children) sendSignal(Number(child), 'SIGKILL');
  return children.length;
}

function isOurBrowser(processId: string): boolean {
  try {
    const status = readFileSync(`/proc/${processId}/status`, 'utf8');
    return new RegExp(`^PPid:\\s*${process.pid}$`, 'm').test(status) && /^Name:\s*(headless_shell|chrom)/m.test(status);
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

describe('a page', () => {
  it('is read with what its scripts fetched and wrote', async () => {
    expect(await render('/scripted')).toMatchObject({
      type: 'page',
      page: { title: 'Loaded', heading: userAgent, links: ['/by-script'] },
      facts: { status: 200, finalUrl: `${site.origin}/scripted` },
    });
  });

  it('is read though it never stops fetching, opens dialogs and windows, and will not be left', async () => {
    expect(await render('/polling')).toMatchObject({ type: 'page', page: { title: 'Polling' } });
    expect(await render('/alert')).toMatchObject({ type: 'page', page: { title: 'Alert' } });
    expect(await render('/popup')).toMatchObject({ type: 'page', page: { title: 'Popup' } });
    expect(await render('/plain')).toMatchObject({ type: 'page', page: { title: 'Plain' } });
  });

  it('loads no images, fonts and media, in frames neither, and starts no service worker', async () => {
    expect(await render('/assets')).toMatchObject({ type: 'page', page: { title: 'Assets' } });
    expect(await render('/worker')).toMatchObject({ type: 'page' });
    const unwanted = /image|font$|background|video|audio|sw\.js|favicon/;
    expect(site.requests.filter((path) => unwanted.test(path))).toEqual([]);
    expect(site.requests).toContain('/style.css');
    expect(site.requests).toContain('/assets-frame');
  });

  it('loads nothing of the kind in frames of other sites, whatever its name, nor ahead of need', async () => {
    const before = site.requests.length;
    expect(await render('/other-site')).toMatchObject({ type: 'page', page: { title: 'Frames' } });
    expect(site.requests.slice(before).sort()).toEqual([
      '/data?foreign',
      '/foreign',
      '/other-site',
      '/style.css',
      '/with-ads',
    ]);
  });

  it('loads all of it when nothing is blocked, but no service worker', async () => {
    const seeing = await startRenderer({ blocked: [] });
    try {
      const before = site.requests.length;
      expect(await seeing.render(site.url('/other-site'), plan, 20_000, never)).toMatchObject({ type: 'page' });
      expect(site.requests.slice(before)).toEqual(
        expect.arrayContaining(
          ['image', 'scripted-image', 'background', 'font', 'video'].map((name) => `/foreign-${name}`),
        ),
      );
    } finally {
      await seeing.close();
    }
  });

  it('loads no style sheets either when that is asked for', async () => {
    const plain = await startRenderer({ blocked: ['Images', 'Stylesheets'] });
    try {
      const before = site.requests.length;
      expect(await plain.render(site.url('/assets'), plan, 20_000, never)).toMatchObject({ type: 'page' });
      const asked = site.requests.slice(before);
      expect(asked).toContain('/assets-frame');
      expect(asked).not.toContain('/style.css');
    } finally {
      await plain.close();
    }
  });

  it.each(['/pdf', '/zip', '/json', '/none'])('is none at %s', async (path) => {
    expect((await render(path)).type).toBe('notHtml');
  });
});

describe('a redirect', () => {
  it.each([
    ['/moved', '/target?x=1#y'],
    ['/script-moved', '/target'],
  ])('of %s is reported, not followed', async (path, target) => {
    const before = site.requests.filter((request) => request.startsWith('/target')).length;
    const result = await render(path);
    expect(result.type === 'redirect' && result.to.href).toBe(site.origin + target);
    expect(site.requests.filter((request) => request.startsWith('/target')).length).toBe(before);
  });

  it('that a page makes when it has been read is not taken for one of the next page', async () => {
    for (let round = 0; round < 5; round++) {
      expect(await render('/leaves-later')).toMatchObject({ type: 'page', page: { title: 'Leaves' } });
      expect(await render('/late')).toMatchObject({ type: 'page', page: { title: 'Late' } });
    }
    expect(site.requests).not.toContain('/left');
  });

  it('by <meta> is a link, or a redirect when it came before the page was read', async () => {
    const result = await render('/meta-moved');
    const target = result.type === 'page' ? result.page.links[0] : result.type === 'redirect' && result.to.pathname;
    expect(target).toBe('/target');
  });

  it('back to itself leads to the page when a cookie was set', async () => {
    const result = await render('/cookie');
    expect(result.type === 'redirect' && result.to.href).toBe(`${site.origin}/cookie`);
    expect(await render('/cookie')).toMatchObject({ type: 'page', page: { title: 'Welcome' } });
  });
});

describe('a host', () => {
  it('meets the same visitor when a page or the whole browser has been replaced, until it ends the session', async () => {
    const restless = await startRenderer({ recycleAfterPages: 1 });
    const visit = (path: string) => restless.render(site.url(path), plan, 20_000, never);
    try {
      expect(await visit('/session')).toMatchObject({ type: 'page', page: { title: 'Visit 1' } });
      expect(await visit('/session')).toMatchObject({ type: 'page', page: { title: 'Visit 2' } });
      restless.recycle?.('Gently');
      expect(await visit('/session')).toMatchObject({ type: 'page', page: { title: 'Visit 3' } });
      expect(await visit('/goodbye')).toMatchObject({ type: 'page' });
      expect(await visit('/session')).toMatchObject({ type: 'page', page: { title: 'Visit 1' } });
    } finally {
      await restless.close();
    }
  });
});

describe('all tabs', () => {
  it('are one visitor at every moment: a cookie that one is given, the others have at once', async () => {
    const visit = (path: string) => renderer.render(site.url(path), plan, 20_000, never);
    // A tab that was opened before the cookie was set.
    const [late] = await Promise.all([visit('/late'), visit('/gives')]);
    expect(late).toMatchObject({ type: 'page' });
    const pages = await Promise.all(Array.from({ length: 4 }, () => visit('/given')));
    for (const result of pages) {
      expect(result).toMatchObject({ type: 'page', page: { title: expect.stringContaining('given=1') } });
    }
  });

  it('of the browser before pass on what they are given when the next one has begun', async () => {
    const restless = await startRenderer();
    const visit = (path: string) => restless.render(site.url(path), plan, 20_000, never);
    try {
      const asked = Promise.withResolvers<() => void>();
      holding = asked.resolve;
      const slow = visit('/held');
      const letGo = await asked.promise;
      restless.recycle?.('Gently');
      // The next browser does not wait for that page for ever.
      expect(await visit('/plain')).toMatchObject({ type: 'page' });
      letGo();
      expect(await slow).toMatchObject({ type: 'page' });
      expect(await visit('/given')).toMatchObject({ type: 'page', page: { title: 'held=1' } });
    } finally {
      await restless.close();
    }
  });
});

describe('a failure', () => {
  it.each([
    ['/missing', { cause: 'HttpError', retryable: false, message: 'the server answered 404' }],
    ['/busy', { cause: 'RateLimited', retryable: true, retryAfterMs: 3_000 }],
    ['/reset', { cause: 'ConnectionError', retryable: true }],
  ])('of %s has its cause', async (path, failure) => {
    expect(await render(path)).toMatchObject({ type: 'failed', failure });
  });

  it.each(['/never', '/hang', '/hang-later'])('of %s is a time-out, and the next page is fine', async (path) => {
    expect(await render(path, 1_500)).toMatchObject({ type: 'failed', failure: { cause: 'Timeout', retryable: true } });
    expect(await render('/plain')).toMatchObject({ type: 'page', page: { title: 'Plain' } });
  });

  it('of the browser itself fails its pages alone: the next one has a new browser', async () => {
    const crashing = renderer.render(new URL('/never', site.origin), plan, 20_000, never);
    await expect.poll(() => site.requests.at(-1)).toBe('/never');
    expect(killChromium()).toBe(1);
    expect(await crashing).toMatchObject({ type: 'failed', failure: { cause: 'BrowserError', retryable: true } });
    expect(await render('/plain')).toMatchObject({ type: 'page', page: { title: 'Plain' } });
  });

  it('does not outlive the caller: an abort rejects with its reason', async () => {
    const abort = new AbortController();
    const rendering = renderer.render(site.url('/never'), plan, 20_000, abort.signal);
    await expect.poll(() => site.requests.at(-1)).toBe('/never');
    abort.abort(new Error('enough'));
    await expect(rendering).rejects.toThrow('enough');
  });
});
