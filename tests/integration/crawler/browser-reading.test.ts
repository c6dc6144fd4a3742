// What is read of pages in the browser: what comes late, stands in frames and shadow trees, is hidden by the page's own
// changes to the language, or stands beside what hangs, breaks off, goes elsewhere or posts itself.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import type { Rendered, Renderer } from '#src/crawler/rendering/renderer.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { type Answer, browserDefaults, guardAllowing, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const { plan } = createExtraction(undefined);

const SHOW = `document.querySelector('#app').innerHTML = '<h1>Ready</h1><a href="/late">late</a>'`;
const shell = (script: string) => html(`<!doctype html><title>t</title><div id=app></div>${script}`);
const script =
  (text: string, delayMs = 0): Answer =>
  (_, response) =>
    void setTimeout(() => response.writeHead(200, { 'content-type': 'text/javascript' }).end(text), delayMs);
const raw =
  (head: string, body: string): Answer =>
  ({ socket }) =>
    void socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n${head}\r\n\r\n${body}`);

/** Each shows its content by another way, some time after the load event. */
const LATE: Record<string, string> = {
  '/late-import': `<script type=module>import('/chunk.js')</script>`,
  '/late-import-and-fetch': `<script type=module>import('/fetching-chunk.js')</script>`,
  '/late-script': `<script>onload = () => { const s = document.createElement('script'); s.src = '/chunk.js'; document.body.append(s) }</script>`,
  '/late-worker': `<script>new Worker('/worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/late-module-worker': `<script>new Worker('/module-worker.js', { type: 'module' }).onmessage = () => { ${SHOW} }</script>`,
  '/late-nested-worker': `<script>new Worker('/nesting-worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/late-shared-worker': `<script>new SharedWorker('/shared-worker.js').port.onmessage = () => { ${SHOW} }</script>`,
  '/late-request-of-a-worker': `<script>new Worker('/waiting-worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/late-worker-timer': `<script>new Worker('/timing-worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/late-events': `<script>const e = new EventSource('/events'); e.onmessage = () => { ${SHOW}; e.close() }</script>`,
  '/late-timer': `<script>setTimeout(() => { ${SHOW} }, 700)</script>`,
  '/late-timer-string': `<script>setTimeout("document.querySelector('#app').innerHTML = '<h1>Ready</h1>'", 300)</script>`,
  '/late-timers': `<script>setTimeout(() => setTimeout(() => setTimeout(() => { ${SHOW} }, 300), 300), 300)</script>`,
  '/late-timer-and-fetch': `<script>onload = () => setTimeout(() => fetch('/data').then(() => { ${SHOW} }), 200)</script>`,
  '/late-fetch': `<script>fetch('/data').then(() => { ${SHOW} })</script>`,
  '/late-xhr': `<script>const x = new XMLHttpRequest(); x.open('GET', '/data'); x.onload = () => { ${SHOW} }; x.send()</script>`,
  '/late-frames': `<script>let n = 0; (function f() { if (++n === 15) { ${SHOW} } else requestAnimationFrame(f) })()</script>`,
  '/late-idle': `<script>requestIdleCallback(() => { ${SHOW} })</script>`,
  '/late-interval': `<script>let n = 0; setInterval(() => { if (++n === 20) { ${SHOW} } }, 10)</script>`,
};

/**
 * The first thing that a tab asks for after its document, which takes longer than a page without content is looked at. Chromium
 * asks for one address once at a time.
 */
const FIRST: Record<string, string> = {
  '/first-fetch': `<script>fetch('/slow-data?fetch').then(() => { ${SHOW} })</script>`,
  '/first-fetches': `<script>Promise.all([fetch('/slow-data?1'), fetch('/slow-data?2')]).then(() => { ${SHOW} })</script>`,
  '/first-redirect': `<script>fetch('/to-slow-data').then(() => { ${SHOW} })</script>`,
  '/first-xhr': `<script>const x = new XMLHttpRequest(); x.open('GET', '/slow-data?xhr'); x.onload = () => { ${SHOW} }; x.send()</script>`,
  '/first-synchronous-xhr': `<script>const x = new XMLHttpRequest(); x.open('GET', '/slow-data?synchronous', false); x.send(); ${SHOW}</script>`,
  '/first-import': `<script type=module>import('/slow-chunk.js')</script>`,
  '/first-worker': `<script>new Worker('/slow-worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/first-late-worker': `<script>new Worker('/late-worker.js').onmessage = () => { ${SHOW} }</script>`,
  '/first-late-module-worker': `<script>new Worker('/late-worker.js?m', { type: 'module' }).onmessage = () => { ${SHOW} }</script>`,
  '/first-late-shared-worker': `<script>new SharedWorker('/late-shared-worker.js').port.onmessage = () => { ${SHOW} }</script>`,
};

const READY = '<h1>Ready</h1>';
/** Each waits for one address, which is `/never` and its own path, to be parsed, or to be loaded. */
const HUNG: Record<string, string> = {
  '/hung-first': `<script src="/never/hung-first"></script>${READY}`,
  '/hung-in-the-middle': `<p>a</p><div><script src="/never/hung-in-the-middle"></script></div>${READY}`,
  '/hung-style-before-a-script': `<link rel=stylesheet href="/never/hung-style-before-a-script"><script>1</script>${READY}`,
  '/hung-import-of-a-style': `<style>@import url(/never/hung-import-of-a-style);</style><script>1</script>${READY}`,
  '/hung-written': `<script>document.write('<scr' + 'ipt src="/never/hung-written"></scr' + 'ipt>')</script>${READY}`,
  '/hung-before-another': `<div id=app></div><script defer src="/never/hung-before-another"></script><script defer src="/now.js"></script>`,
  '/hung-module': `<div id=app></div><script type=module>import '/never/hung-module'</script><script>onload = () => { ${SHOW} }</script>`,
  '/hung-asynchronous': `${READY}<script async src="/never/hung-asynchronous"></script>`,
  '/hung-style': `<link rel=stylesheet href="/never/hung-style">${READY}`,
  '/hung-picture': `<img src="/never/hung-picture">${READY}`,
  '/hung-background': `<style>h1 { background: url(/never/hung-background) }</style>${READY}`,
  '/hung-font': `<style>@font-face { font-family: x; src: url(/never/hung-font) } h1 { font-family: x }</style>${READY}`,
  '/hung-frame-of-its-own': `<iframe src="/never/hung-frame-of-its-own"></iframe>${READY}`,
  '/hung-object': `<object data="/never/hung-object"></object>${READY}`,
  '/hung-embedded': `<embed src="/never/hung-embedded">${READY}`,
  '/hung-video': `<video autoplay src="/never/hung-video"></video>${READY}`,
};

/** Each changes what an extraction might use. */
const CHANGED: Record<string, string> = {
  '/changed-tojson': `Array.prototype.toJSON = function () { return 'x' }`,
  '/changed-from': 'Array.from = (x) => [x]; Array.prototype.map = () => []; Array.prototype[Symbol.iterator] = null',
  '/changed-trim': `String.prototype.trim = function () { return this + '!' }; String.prototype.slice = () => ''`,
  '/changed-json': `JSON.stringify = () => 'oops'; JSON.parse = null; globalThis.JSON = undefined`,
  '/changed-dom': `Document.prototype.querySelectorAll = () => []; Element.prototype.getAttribute = () => 'x';
    Object.defineProperty(Node.prototype, 'childNodes', { get: () => [] }); globalThis.MutationObserver = undefined`,
  '/changed-objects': `Object.keys = Object.entries = () => []; Object.prototype.base = 'x'; Map.prototype.set = Map.prototype.get = () => {};
    Function.prototype.call = Function.prototype.apply = () => {}; Promise.prototype.then = () => {}; RegExp.prototype.exec = () => null`,
  '/changed-clock': 'performance.now = () => NaN; Date.now = () => 0; setTimeout = null',
};

/** Elements whose names are properties of their document or form. */
const CLOBBERED = `<title>t</title><img name=querySelectorAll><img name=documentElement><img name=baseURI><img name=URL>
  <form><h1>Ready</h1><a href="/l">l</a><input name=querySelectorAll><input name=childNodes><input name=nodeType><input name=localName>
  <input name=getAttribute><input name=parentNode><input name=ownerDocument><input name=shadowRoot></form>`;

const FRAMED: Record<string, Answer> = {
  '/frameset':
    html(`<html><head><title>f</title></head><frameset cols="20%,80%"><frame src="/menu/"><frame src="/inner">
    </frameset></html>`),
  '/menu/': html('<title>menu</title><a href="entry">x</a>'),
  '/inner': html('<title>inner</title><h1>Inner</h1><a href="/inner-link">x</a>'),
  '/iframes': html(`<title>i</title><iframe src="/nested"></iframe><iframe srcdoc='<a href="/in-srcdoc">x</a>'></iframe>
    <iframe sandbox src="/sandboxed"></iframe><iframe id=written></iframe>
    <script>written.contentDocument.body.innerHTML = '<a href="/written">x</a>'</script>`),
  '/objects':
    html(`<title>o</title><object type="text/html" data="/inner"></object><embed type="text/html" src="/nested">
    <object data="/movie.swf"></object><object data="/part.html"></object><embed type="application/pdf" src="/a.pdf">`),
  '/part.html': html('<a href="/in-part">x</a>'),
  '/nested': html('<iframe src="/inner"></iframe><a href="/nested-link">x</a>'),
  '/sandboxed': html('<a href="/sandboxed-link">x</a>'),
  '/shadows':
    html(`<title>s</title><div><template shadowrootmode=open><h1>In shadow</h1><a href="/declared">x</a></template></div>
    <my-list></my-list><script>customElements.define('my-list', class extends HTMLElement {
      connectedCallback() { this.attachShadow({ mode: 'open' }).innerHTML = '<p class=price>12</p><a href="/attached">x</a><my-row></my-row>' }
    }); customElements.define('my-row', class extends HTMLElement {
      connectedCallback() { this.attachShadow({ mode: 'open' }).innerHTML = '<a href="/deep">x</a>' }
    })</script>`),
};

let site: TestSite;
let renderer: Renderer;
const posted: string[] = [];

beforeAll(async () => {
  site = await startSite({
    ...Object.fromEntries(Object.entries({ ...LATE, ...FIRST }).map(([path, text]) => [path, shell(text)])),
    ...Object.fromEntries(
      Object.entries(CHANGED).map(([path, text]) => [
        path,
        html(`<title>t</title><script>${text}</script><h1>Ready</h1><a href="/l">l</a>`),
      ]),
    ),
    ...FRAMED,
    '/clobbered': html(CLOBBERED),
    '/chunk.js': script(SHOW, 300),
    '/fetching-chunk.js': script(`fetch('/data').then(() => { ${SHOW} })`, 300),
    '/worker.js': script(`fetch('/data').then(() => postMessage(1))`),
    '/module-worker.js': script(`import '/empty.js'; postMessage(1)`),
    '/nesting-worker.js': script(`new Worker('/worker.js').onmessage = () => postMessage(1)`),
    '/shared-worker.js': script(`onconnect = ({ ports: [port] }) => fetch('/data').then(() => port.postMessage(1))`),
    '/waiting-worker.js': script(
      `const x = new XMLHttpRequest(); x.open('GET', '/data', false); x.send(); postMessage(1)`,
    ),
    '/empty.js': script(''),
    '/timing-worker.js': script('setTimeout(() => postMessage(1), 300)'),
    '/data': (_, response) => void setTimeout(() => response.end('{}'), 200),
    '/slow-data': (_, response) => void setTimeout(() => response.end('{}'), 1_200),
    '/to-slow-data': (_, response) =>
      void setTimeout(() => response.writeHead(302, { location: '/slow-data?redirect' }).end(), 300),
    '/slow-chunk.js': script(SHOW, 1_200),
    '/late-worker.js': script('postMessage(1)', 1_200),
    '/late-shared-worker.js': script('onconnect = ({ ports: [port] }) => port.postMessage(1)', 1_200),
    '/slow-worker.js': script(`fetch('/slow-data?worker').then(() => postMessage(1))`),
    '/events': (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      setTimeout(() => response.write('data: 1\n\n'), 300);
    },
    '/moved-base': shell(`<script>history.replaceState(null, '', '/shop/shoes/');
      document.querySelector('#app').innerHTML = '<a href="red">r</a>'</script>`),
    ...Object.fromEntries(Object.entries(HUNG).map(([path, text]) => [path, html(`<title>t</title>${text}`)])),
    ...Object.fromEntries(Object.keys(HUNG).map((path) => [`/never${path}`, () => {}])),
    '/now.js': script(SHOW),
    '/hung-parser': html(`<title>t</title><script src="/never-for-the-parser.js"></script>${READY}`),
    '/never-for-the-parser.js': () => {},
    '/no-picture': html(`<title>t</title>${READY}<a href="/l">l</a><div style="height:30000px"></div>
      <script>addEventListener('resize', () => { for (;;); })</script>`),
    '/never': () => {},
    '/hung-script': html('<title>t</title><h1>Ready</h1><script async src="/never?1"></script>'),
    '/hung-script-again': html('<title>t</title><h1>Ready</h1><script async src="/never?2"></script>'),
    '/hung-frame': html('<title>t</title><h1>Ready</h1><iframe src="/never-a-frame"></iframe>'),
    '/never-a-frame': () => {},
    '/short': raw('Content-Length: 99999', '<title>t</title><h1>Half'),
    '/chunked': raw('Transfer-Encoding: chunked', '10\r\n<title>t</title>\r\n'),
    '/no-gzip': raw('Content-Encoding: gzip', '<title>t</title>'),
    '/stops': html('<title>t</title><h1>Ready</h1><script>window.stop()</script>'),
    '/closes': html('<title>t</title><h1>Ready</h1><script>window.close(); close()</script>'),
    '/asks': html(`<title>t</title><h1>Ready</h1><script>navigator.geolocation.getCurrentPosition(() => {});
      Notification.requestPermission(); print(); alert(1); navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => {})</script>`),
    '/csp': html(
      '<title>t</title><meta http-equiv=Content-Security-Policy content="default-src \'none\'"><h1>Ready</h1><script>1</script>',
    ),
    '/large': html(`<title>t</title><h1>Ready</h1>${'<p><b>x</b>'.repeat(30_000)}`),
    '/download': html(
      `<title>t</title><h1>Your download starts</h1><script>onload = () => { location.href = '/file' }</script>`,
    ),
    '/download-later': html(
      `<title>t</title><h1>Your download starts</h1><script>setTimeout(() => { location = '/file' }, 300)</script>`,
    ),
    '/download-refresh': html(
      '<title>t</title><meta http-equiv=refresh content="0;url=/file"><h1>Your download starts</h1>',
    ),
    '/download-frame': html('<title>t</title><h1>Your download starts</h1><iframe src="/file"></iframe>'),
    '/file': (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/zip', 'content-disposition': 'attachment; filename=f.zip' })
        .end('PK'),
    '/goes': html(`<title>t</title><h1>Moved</h1><script>location.href = '/inner'</script>`),
    '/form': html(
      `<title>t</title><form method=post action="/answer"><input name=token value=1></form><script>document.forms[0].submit()</script>`,
    ),
    '/form-later':
      html(`<title>t</title><h1>Wait</h1><form method=post action="/answer"><input name=token value=1></form>
      <script>onload = () => setTimeout(() => document.forms[0].submit(), 200)</script>`),
    '/form-onwards': html(
      `<form method=post action="/onwards"><input name=token value=2></form><script>document.forms[0].submit()</script>`,
    ),
    '/form-refused': html('<form method=post action="/refused"></form><script>document.forms[0].submit()</script>'),
    '/refused': html('<title>t</title><h1>No</h1>', {}, 403),
    '/form-broken': html('<form method=post action="/broken"></form><script>document.forms[0].submit()</script>'),
    '/broken': html('<title>t</title><h1>No</h1>', {}, 500),
    '/form-endless': (request, response) => {
      if (request.method === 'POST') posted.push('POST');
      html(`<h1>Wait</h1><form method=post></form><script>document.forms[0].submit()</script>`)(request, response);
    },
    '/leaves-for-nothing': html(`<title>t</title>${READY}<script>location = 'about:blank'</script>`),
    '/back': html(`<title>t</title>${READY}<script>history.back(); history.go(-1)</script>`),
    '/back-to-itself': html(`<title>t</title>${READY}<script>
      history.pushState(1, '', '/one'); history.pushState(2, '', '/two'); history.back();
      onpopstate = () => { document.querySelector('h1').textContent += ' ' + location.pathname }</script>`),
    '/answer': (request, response) => {
      request.on('data', (part: Buffer) => posted.push(`${request.method} ${part}`));
      request.on('end', () => html('<title>Answer</title><h1>Welcome</h1>')(request, response));
    },
    '/onwards': (request, response) => {
      posted.push(`${request.method}`);
      response.writeHead(303, { location: '/inner', 'set-cookie': 'entered=1' }).end();
    },
    '/headers': html('<title>t</title><h1>Ready</h1>', { 'x-tags': 'y'.repeat(40_000) }),
    '/headers-beyond': html('<title>t</title>', { 'x-tags': 'y'.repeat(70_000) }),
  });
  renderer = await startRenderer();
});

afterAll(async () => {
  await renderer.close();
  await site[Symbol.asyncDispose]();
});

async function startRenderer(options: Partial<Parameters<typeof createBrowserRenderer>[0]> = {}): Promise<Renderer> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  return createBrowserRenderer({
    ...browserDefaults,
    executablePath,
    guard: guardAllowing(`127.0.0.1:${site.port}`),
    userAgent: 'Tester/1.0',
    log: createLogger('test', 'fatal'),
    ...options,
  });
}

/** Each is a visit of its own. */
const mayAsk = async () => true;
const render = (path: string, timeoutMs = 20_000, wanted = plan): Promise<Rendered> =>
  renderStep(renderer, path, timeoutMs, wanted);
/** A visit of one step. */
async function renderStep(
  by: Renderer,
  path: string,
  timeoutMs: number,
  wanted = plan,
  ask = mayAsk,
): Promise<Rendered> {
  const visit = { mayAsk: ask };
  return by.render(site.url(path), wanted, timeoutMs, never, undefined, visit).finally(() => by.leave?.(visit));
}

describe('what comes late is waited for', () => {
  it.each(Object.keys(LATE))('%s', async (path) => {
    expect(await render(path)).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
  });
});

it('what a new tab asks for first is waited for, too', async () => {
  const fresh = await startRenderer({ recycleAfterPages: 1 });
  const visit = (path: string) => fresh.render(site.url(path), plan, 20_000, never);
  const results = await Promise.all(Object.keys(FIRST).map(visit)).finally(fresh.close);
  expect(results.map((result) => result.type === 'page' && result.page.heading)).toEqual(
    Object.keys(FIRST).map(() => 'Ready'),
  );
});

describe('what a page changes of the language changes no result', () => {
  it.each([...Object.keys(CHANGED), '/clobbered'])('%s', async (path) => {
    expect(await render(path)).toMatchObject({
      type: 'page',
      page: { title: 't', heading: 'Ready', links: ['/l'], base: `${site.origin}${path}` },
    });
  });
});

describe('frames and shadow trees', () => {
  it('of a frameset are read with it, their references relative to themselves', async () => {
    const result = await render('/frameset');
    expect(result).toMatchObject({ type: 'page', page: { title: 'f', heading: 'Inner', frames: [] } });
    expect(result.type === 'page' && result.page.links).toEqual([
      `${site.origin}/menu/entry`,
      `${site.origin}/inner-link`,
    ]);
  });

  it('of frames within frames, and of those that the page has written, too; a sandboxed one is a page of its own', async () => {
    const result = await render('/iframes');
    expect(result).toMatchObject({ type: 'page', page: { frames: [`${site.origin}/sandboxed`] } });
    const links = result.type === 'page' ? result.page.links.map((link) => URL.parse(link, site.origin)?.pathname) : [];
    expect(links.sort()).toEqual(['/in-srcdoc', '/inner-link', '/nested-link', '/written']);
  });

  it('of objects are read with the page; of an embed, which may not be looked into, is a page of its own', async () => {
    const result = await render('/objects');
    expect(result).toMatchObject({ type: 'page', page: { title: 'o', frames: [`${site.origin}/nested`] } });
    const links = result.type === 'page' ? result.page.links.map((link) => URL.parse(link, site.origin)?.pathname) : [];
    expect(links.sort()).toEqual(['/in-part', '/inner-link']);
  });

  it('that are open hold fields and links', async () => {
    const extract = crawlRunSpec.shape.extract.parse({ fields: [{ name: 'price', selector: '.price' }] });
    const result = await render('/shadows', 20_000, createExtraction(extract).plan);
    expect(result).toMatchObject({ type: 'page', page: { heading: 'In shadow', items: [[['12']]] } });
    expect(result.type === 'page' && [...result.page.links].sort()).toEqual(['/attached', '/declared', '/deep']);
  });
});

it('references are relative to where the page says that it is', async () => {
  expect(await render('/moved-base')).toMatchObject({ type: 'page', page: { base: `${site.origin}/shop/shoes/` } });
});

describe('a page that waits for what hangs', () => {
  // A browser asks a host for six things at once: no more of them hang at a time.
  const paths = Object.keys(HUNG);
  const groups = Array.from({ length: paths.length / 4 }, (_, index) => paths.slice(index * 4, index * 4 + 4));

  let all: Renderer;

  beforeAll(async () => {
    all = await startRenderer({ blocked: [] });
    await all.render(site.url('/inner'), plan, 20_000, never);
  });

  afterAll(() => all.close());

  it.each(groups)('is loaded anew without that, and says so: %s', async (...group) => {
    // Chromium itself gives a film up after three seconds: two fifths of the time are less.
    const visit = (path: string) => renderStep(all, path, 6_000);
    const results = await Promise.all(group.map(visit));
    for (const [index, path] of group.entries()) {
      const result = results[index];
      expect.soft(result, path).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
      expect
        .soft(result?.facts.unfinished, path)
        .toBe(`loaded without what did not answer: ${site.origin}/never${path}`);
    }
  });

  it('costs the next page with the same resource nothing', async () => {
    expect((await render('/hung-script', 2_000)).facts.unfinished).toMatch(/loaded without/);
    const result = await render('/hung-script-again', 20_000);
    expect(result).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
    expect(result.facts).not.toHaveProperty('unfinished');
    expect(site.requests).not.toContain('/never?2');
  });

  it('is read at its deadline as it stands when its document may not be asked for again', async () => {
    const refuse = async () => false;
    const result = await renderStep(renderer, '/hung-frame', 2_000, plan, refuse);
    expect(result).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
    expect(result.facts.unfinished).toMatch(/before it was loaded: no answer from .*\/never-a-frame/);
  });

  it('has failed when it has not been parsed by then, and is read by the next try', async () => {
    const refuse = async () => false;
    const result = await renderStep(renderer, '/hung-parser', 2_000, plan, refuse);
    expect(result).toMatchObject({ type: 'failed', failure: { cause: 'Timeout', retryable: true } });
    expect(result.type === 'failed' && result.failure.message).toContain('/never-for-the-parser.js');
    expect(await render('/hung-parser')).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
  });
});

describe('a document that breaks off', () => {
  it.each(['/short', '/chunked', '/no-gzip'])('has failed at once: %s', async (path) => {
    expect(await render(path)).toMatchObject({ type: 'failed', failure: { cause: 'ConnectionError' } });
  });
});

it.each(['/stops', '/closes', '/asks', '/csp', '/large', '/headers'])(
  'a page is read all the same: %s',
  async (path) => {
    expect(await render(path)).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
  },
);

it('a page of which the browser can take no picture is read all the same, and says so', async () => {
  const result = await render('/no-picture', 3_000, { ...plan, screenshot: 'PNG' });
  expect(result).toMatchObject({ type: 'page', page: { heading: 'Ready', links: ['/l'] } });
  expect(result).not.toHaveProperty('screenshot');
  expect(result.facts.screenshotError).toMatch(/in time/);
});

it('more headers than are taken are too large', async () => {
  expect(await render('/headers-beyond')).toMatchObject({ type: 'failed', failure: { cause: 'TooLarge' } });
});

describe('a page that goes elsewhere', () => {
  it.each(['/download', '/download-later', '/download-refresh', '/download-frame'])(
    'keeps its content when that is a file: %s',
    async (path) => {
      expect(await render(path)).toMatchObject({ type: 'page', page: { heading: 'Your download starts' } });
    },
  );

  it('is a redirect when that is a page', async () => {
    const result = await render('/goes');
    expect(result.type === 'redirect' && result.to.pathname).toBe('/inner');
  });

  it.each(['/form', '/form-later'])('by a form that posts itself is what that was answered: %s', async (path) => {
    posted.length = 0;
    expect(await render(path)).toMatchObject({ type: 'page', page: { heading: 'Welcome' } });
    expect(posted).toEqual(['POST token=1']);
  });

  it.each([
    ['/form-refused', 403],
    ['/form-broken', 500],
  ])('by a form whose answer is a failure has failed: %s', async (path, status) => {
    expect(await render(path)).toMatchObject({ type: 'failed', failure: { cause: 'HttpError' }, facts: { status } });
  });

  it('by a form that is posted again and again is read after a few', async () => {
    posted.length = 0;
    expect(await render('/form-endless')).toMatchObject({ type: 'page', page: { heading: 'Wait' } });
    expect(posted).toHaveLength(5);
  });

  it('for nothing has failed, and says so', async () => {
    expect(await render('/leaves-for-nothing')).toMatchObject({ type: 'failed', failure: { cause: 'BrowserError' } });
  });

  it('back to where it did not come from stays', async () => {
    await render('/inner');
    expect(await render('/back')).toMatchObject({ type: 'page', page: { heading: 'Ready' } });
    expect(await render('/back-to-itself')).toMatchObject({ type: 'page', page: { heading: 'Ready /one' } });
  });

  it('by a form whose answer leads on is a redirect, with the cookie that was set', async () => {
    posted.length = 0;
    const result = await render('/form-onwards');
    expect(result.type === 'redirect' && result.to.pathname).toBe('/inner');
    expect(posted).toEqual(['POST']);
  });
});
