// No way leads to an address that the policy refuses: by HTTP, by the browser, by redirect, by what a page loads, or by a
// name that changes its mind.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { Resolve } from '#src/crawler/network/address-guard.ts';
import type { Rendered, Renderer } from '#src/crawler/rendering/renderer.ts';
import { normaliseUrl } from '#src/crawler/urls/url.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { FORBIDDEN_ADDRESSES, FORBIDDEN_URLS } from '../../unit/crawler/network/ssrf-corpus.ts';
import { type Answer, browserDefaults, guardAllowing, html, startSite, type TestSite } from './site.ts';
import { LOCAL_READS, WAYS_OUT } from './ssrf-ways.ts';

const never = new AbortController().signal;
const { plan } = createExtraction(undefined);
const log = createLogger('test', 'fatal');

/** A port that must never be connected to. */
async function startTrap() {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<title>secret</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => server.close(),
  };
}

let trap: Awaited<ReturnType<typeof startTrap>>;
let site: TestSite;

/** Answers for names of the tests; by number of the question, the last one for ever. */
const names = new Map<string, string[]>();
const resolve: Resolve = async (hostname) => {
  const answers = names.get(hostname) ?? [];
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  if (answer === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
  return answer.split(' ').map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
};

beforeAll(async () => {
  trap = await startTrap();
  const inside = `http://127.0.0.1:${trap.port}`;
  site = await startSite({
    '/frames': html(`<title>ok</title>
      <iframe src="${inside}/frame"></iframe><img src="${inside}/img"><script src="${inside}/js"></script>
      <link rel=stylesheet href="${inside}/css"><link rel=prefetch href="${inside}/prefetch">
      <link rel=preconnect href="${inside}"><link rel=dns-prefetch href="//169.254.169.254">
      <script>
        fetch('${inside}/fetch', { mode: 'no-cors' }).catch(() => {});
        navigator.sendBeacon('${inside}/beacon', 'x');
        new WebSocket('${inside.replace('http', 'ws')}/ws');
        new EventSource('${inside}/events');
        new Image().src = '${inside}/image';
        window.open('${inside}/popup');
        new Worker(URL.createObjectURL(new Blob(["fetch('${inside}/worker', {mode: 'no-cors'})"])));
        const form = document.createElement('form');
        form.action = '${inside}/form'; form.method = 'post'; form.target = 'frame';
        document.documentElement.append(form); form.submit();
      </script>`),
    '/redirect': (_, response) => void response.writeHead(302, { location: `${inside}/redirected` }).end(),
    '/subredirect': html('<title>ok</title><script src="/redirect"></script><iframe src="/redirect"></iframe>'),
  });
});

afterAll(async () => {
  trap.close();
  await site[Symbol.asyncDispose]();
});

const modes = ['HTTP', 'Browser'] as const;

/** Those that a resolver can give at all. */
const DNS_ANSWERS = FORBIDDEN_ADDRESSES.filter((text) => /[.:]/.test(text) && text.trim() === text);

describe.each(modes)('render mode %s', (mode) => {
  let renderer: Renderer;
  let close: () => Promise<void>;

  beforeAll(async () => {
    // On port 80 of the trap's machine nothing is allowed; the site itself is.
    const guard = guardAllowing(`127.0.0.1:${site.port},good.example:${site.port}`, resolve);
    if (mode === 'HTTP') {
      const client = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 2 });
      renderer = createHttpRenderer(client);
      close = client.close;
    } else {
      const executablePath = findChromium();
      if (executablePath === undefined) throw new Error('Chromium is not installed');
      renderer = await createBrowserRenderer({
        ...browserDefaults,
        executablePath,
        guard,
        userAgent: 'Tester/1.0',
        log,
      });
      close = renderer.close;
    }
  });
  afterAll(() => close());

  const render = (text: string): Promise<Rendered> => {
    const url = normaliseUrl(text);
    if (url === undefined) throw new Error(`${text} cannot be crawled`);
    return renderer.render(url, plan, 20_000, never);
  };
  const causeOf = async (url: string) => {
    const result = await render(url);
    if (result.type === 'failed' && result.failure.cause === 'BrowserError') return result.failure.message;
    return result.type === 'failed' ? result.failure.cause : result.type;
  };

  it(`refuses ${FORBIDDEN_URLS.length} spellings of forbidden addresses`, async () => {
    const through: string[] = [];
    for (const url of FORBIDDEN_URLS) {
      names.set('localhost', ['127.0.0.1 ::1']);
      const cause = await causeOf(url);
      if (cause !== 'AddressForbidden') through.push(`${url}: ${cause}`);
    }
    expect(through).toEqual([]);
  });

  it('is asked for at least 150 cases', () => {
    expect(new Set(FORBIDDEN_URLS).size + new Set(DNS_ANSWERS).size).toBeGreaterThanOrEqual(150);
  });

  it(`refuses ${DNS_ANSWERS.length} addresses as the answer of DNS`, async () => {
    const through: string[] = [];
    for (const [index, address] of DNS_ANSWERS.entries()) {
      const name = `name-${mode.toLowerCase()}-${index}.example`;
      names.set(name, [address]);
      const cause = await causeOf(`http://${name}/`);
      if (cause !== 'AddressForbidden') through.push(`${address}: ${cause}`);
    }
    expect(through).toEqual([]);
  });

  it('refuses a name with one forbidden address among good ones', async () => {
    names.set('mixed.example', ['93.184.215.14 127.0.0.1']);
    expect(await causeOf(`http://mixed.example:${trap.port}/`)).toBe('AddressForbidden');
  });

  it('connects to the address that was checked, whatever the name says next', async () => {
    // TEST-NET-3 is refused; a public address, which nothing here can reach, would be connected to and time out.
    names.set('good.example', ['127.0.0.1']);
    expect(await causeOf(`http://good.example:${site.port}/none`)).toBe('HttpError');
    expect(await causeOf(`http://good.example:${trap.port}/`)).toBe('AddressForbidden');
    // Good at the first question, inside from the second on: there must be no second question for a connection.
    for (let round = 0; round < 3; round++) {
      names.set('rebind.example', ['203.0.113.1', '127.0.0.1']);
      expect(await causeOf(`http://rebind.example:${trap.port}/`)).toBe('AddressForbidden');
    }
    expect(trap.connections()).toBe(0);
  });

  it('does not follow a redirect inside', async () => {
    const result = await render(site.url('/redirect').href);
    expect(result.type === 'redirect' && result.to.port).toBe(String(trap.port));
    expect(await causeOf(`http://127.0.0.1:${trap.port}/redirected`)).toBe('AddressForbidden');
  });

  it('lets nothing that a page loads go inside', async () => {
    expect(await render(site.url('/frames').href)).toMatchObject({ type: 'page', page: { title: 'ok' } });
    expect(await render(site.url('/subredirect').href)).toMatchObject({ type: 'page', page: { title: 'ok' } });
    // A page after it, so that whatever was still on its way has had its time.
    expect(await render(site.url('/frames').href)).toMatchObject({ type: 'page' });
    expect(trap.connections()).toBe(0);
  });
});

/** A site whose pages try one way out each, towards the origin. */
function startPagesOf(target: string): Promise<TestSite> {
  const headers: Record<string, Record<string, string>> = {
    'link-header': { link: `<${target}/link-header>; rel=preload; as=script` },
    'report-header': {
      'reporting-endpoints': `default="${target}/report-header"`,
      'content-security-policy': "img-src 'none'; report-to default",
    },
  };
  const ways = WAYS_OUT.map(([name, document]): [string, Answer] => [
    `/${name}`,
    html(document(target, name), headers[name]),
  ]);
  const reads = LOCAL_READS.map((code, index): [string, Answer] => [
    `/local/${index}`,
    html(`<title>ok</title><body><script>${code}</script>`),
  ]);
  const worker = `self.addEventListener('install', () => fetch('${target}/service-worker', { mode: 'no-cors' }))`;
  return startSite({
    ...Object.fromEntries([...ways, ...reads]),
    '/to': (request, response) => {
      const location = decodeURIComponent((request.url ?? '').replace(/^[^?]*\?/, ''));
      response.writeHead(302, { location }).end();
    },
    '/service-worker.js': (_, response) =>
      void response.writeHead(200, { 'content-type': 'text/javascript' }).end(worker),
    '/file': (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  });
}

describe('the browser', () => {
  const startRenderer = (allowed: string) =>
    createBrowserRenderer({
      executablePath: findChromium() ?? '',
      guard: guardAllowing(allowed, resolve),
      userAgent: 'Tester/1.0',
      ...browserDefaults,
      log,
    });

  it(`goes inside by none of ${WAYS_OUT.length} ways, which would lead there`, { timeout: 180_000 }, async () => {
    const inside = await startTrap();
    await using refused = await startPagesOf(`http://127.0.0.1:${inside.port}`);
    // The same pages where it is allowed: what they ask for shows that they try.
    await using open = await startSite({});
    await using allowed = await startPagesOf(open.origin);
    const shut = await startRenderer(`127.0.0.1:${refused.port}`);
    const free = await startRenderer(`127.0.0.1:${allowed.port},127.0.0.1:${open.port}`);
    for (const [name] of WAYS_OUT) {
      const visits = [shut.render(refused.url(`/${name}`), plan, 20_000, never)];
      visits.push(free.render(allowed.url(`/${name}`), plan, 20_000, never));
      for (const visit of await Promise.all(visits)) expect.soft(visit.type, name).toMatch(/page|redirect/);
    }
    await Promise.all([shut.close(), free.close()]);
    expect(inside.connections()).toBe(0);
    inside.close();
    const tried = new Set(open.requests.map((path) => path.slice(1)));
    expect(tried.size).toBeGreaterThan(20);
    // Neither of them is ever started: nobody plays media, and a service worker would outlive its page.
    for (const name of ['image', 'font', 'video', 'service-worker']) expect(tried).not.toContain(name);
  });

  it(`shows nothing of the machine to ${LOCAL_READS.length} pages that try to read it`, async () => {
    await using pages = await startPagesOf('http://127.0.0.1:1');
    const renderer = await startRenderer(`127.0.0.1:${pages.port}`);
    for (const [index, code] of LOCAL_READS.entries()) {
      const result = await renderer.render(pages.url(`/local/${index}`), plan, 20_000, never);
      if (result.type === 'page') expect.soft(result.page.title, code).toMatch(/^(ok|own)$/);
      else if (result.type === 'redirect') expect.soft(result.to.protocol, code).toBe('http:');
    }
    expect(await renderer.render(pages.url('/file'), plan, 20_000, never)).not.toMatchObject({ type: 'page' });
    await renderer.close();
  });

  it('sends no packet by WebRTC', async () => {
    const packets: string[] = [];
    const stun = createSocket('udp4', (message) => packets.push(message.toString('hex')));
    stun.bind(0, '127.0.0.1');
    await once(stun, 'listening');
    await using page = await startSite({
      '/': html(`<title>waiting</title><script>
        const peer = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${stun.address().port}' }] });
        peer.createDataChannel('x');
        peer.onicegatheringstatechange = () => {
          if (peer.iceGatheringState === 'complete') { document.title = 'gathered'; fetch('/done'); }
        };
        peer.createOffer().then((offer) => peer.setLocalDescription(offer));
        fetch('/hold');
      </script>`),
      '/hold': (_, response) => void setTimeout(() => response.end(), 1_500),
      '/done': html(''),
    });
    const executablePath = findChromium() ?? '';
    const guard = guardAllowing(`127.0.0.1:${page.port}`);
    const renderer = await createBrowserRenderer({
      ...browserDefaults,
      executablePath,
      guard,
      userAgent: 'Tester/1.0',
      log,
    });
    const result = await renderer.render(page.url('/'), plan, 20_000, never);
    await renderer.close();
    stun.close();
    expect(result).toMatchObject({ type: 'page', page: { title: 'gathered' } });
    expect(packets).toEqual([]);
  });
});
