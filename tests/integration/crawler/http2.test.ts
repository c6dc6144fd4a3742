// HTTP/2 where the server offers it, HTTP/1.1 where it does not, and the guard in front of both.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient, type HttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import { createCertificate } from '../../support/certificate.ts';
import { startCrawlDatabase } from './fixture.ts';
import { guardAllowing } from './site.ts';

const { plan } = createExtraction(undefined);
const never = new AbortController().signal;
const certificate = createCertificate(['localhost', 'elsewhere.test']);
const trusted = getCACertificates();

beforeAll(() => setDefaultCACertificates([...trusted, certificate.certificate]));
afterAll(() => setDefaultCACertificates(trusted));

type Answer = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

type SecureSite = AsyncDisposable & {
  readonly origin: string;
  readonly port: number;
  /** HTTP versions of the requests, in order. */
  readonly versions: readonly string[];
  /** HTTP/2 connections that are open. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly client: HttpClient;
  render(path: string, timeoutMs?: number): ReturnType<ReturnType<typeof createHttpRenderer>['render']>;
};

async function startSecureSite(answer: Answer, offersHttp2 = true): Promise<SecureSite> {
  const versions: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const listener: Answer = (request, response) => {
    versions.push(request.httpVersion);
    // Clients that leave early are part of these tests.
    request.on('error', () => {});
    response.on('error', () => {});
    answer(request, response);
  };
  const credentials = { key: certificate.key, cert: certificate.certificate };
  const server = offersHttp2
    ? createSecureServer({ ...credentials, allowHTTP1: true }, listener)
    : createHttpsServer(credentials, (request, response) => {
        versions.push(request.httpVersion);
        response.writeHead(200, { 'content-type': 'text/html' }).end(`<title>${request.url}</title>`);
      });
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket: TLSSocket) => sockets.add(socket));
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `https://localhost:${port}`;
  const client = createHttpClient({
    guard: guardAllowing(`127.0.0.1:${port}`, async () => [{ address: '127.0.0.1', family: 4 }]),
    userAgent: 'Tester/1.0',
    connections: 4,
  });
  return {
    origin,
    port,
    versions,
    sessions,
    client,
    render: (path, timeoutMs = 20_000) =>
      createHttpRenderer(client).render(new URL(path, origin), plan, timeoutMs, never),
    async [Symbol.asyncDispose]() {
      await client.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const page: Answer = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end(`<title>${request.url}</title>`);
};

const titles = (results: readonly Awaited<ReturnType<SecureSite['render']>>[]) =>
  results.map((result) => (result.type === 'page' ? result.page.title : result.type));

const paths = (count: number) => Array.from({ length: count }, (_, number) => `/p/${number}`);

describe('a server that offers HTTP/2', () => {
  it('is spoken to in it, many pages at once over one connection', async () => {
    await using site = await startSecureSite((request, response) => void setImmediate(page, request, response));
    const results = await Promise.all(paths(30).map((path) => site.render(path)));
    expect(titles(results)).toEqual(paths(30));
    expect(new Set(site.versions)).toEqual(new Set(['2.0']));
    expect(site.sessions.size).toBe(1);
  });

  it('unpacks, keeps cookies and asks conditionally as ever', async () => {
    await using site = await startSecureSite((request, response) => {
      if (request.headers['if-none-match'] === '"v1"') return void response.writeHead(304).end();
      response.writeHead(200, {
        'content-type': 'text/html',
        'content-encoding': 'gzip',
        'set-cookie': ['a=1', 'b=2'],
        etag: '"v1"',
      });
      response.end(gzipSync(`<title>${request.headers.cookie ?? 'none'}</title>`));
    });
    const first = await site.render('/');
    expect(first).toMatchObject({ type: 'page', page: { title: 'none' }, validators: { etag: '"v1"' } });
    expect(titles([await site.render('/')])).toEqual(['a=1; b=2']);
    const again = await createHttpRenderer(site.client).render(new URL(site.origin), plan, 20_000, never, {
      etag: '"v1"',
    });
    expect(again.type).toBe('unmodified');
  });

  it.each([
    ['a bomb', '/bomb', { cause: 'TooLarge', retryable: false }],
    ['a reset stream', '/reset', { cause: 'ConnectionError', retryable: true }],
    ['a body cut off', '/cut', { cause: 'ConnectionError', retryable: true }],
    ['an answer that does not come', '/silent', { cause: 'Timeout', retryable: true }],
    ['a body that does not end', '/drip', { cause: 'Timeout', retryable: true }],
    ['an error', '/error', { cause: 'HttpError', retryable: true, retryAfterMs: 7_000 }],
  ])('fails with its cause by %s, and the pages beside it do not', async (_, path, failure) => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const html = { 'content-type': 'text/html' };
    const answers: Record<string, Answer> = {
      '/bomb': (_, response) => void response.writeHead(200, { ...html, 'content-encoding': 'gzip' }).end(bomb),
      '/reset': (_, response) => response.stream.close(2),
      '/cut': (_, response) => {
        response.writeHead(200, html);
        response.write('<title>', () => response.stream.close(2));
      },
      '/silent': () => {},
      '/drip': (_, response) => {
        response.writeHead(200, html);
        response.write('<title>');
      },
      '/error': (_, response) => void response.writeHead(503, { 'retry-after': '7' }).end(),
    };
    await using site = await startSecureSite((request, response) => (answers[request.url] ?? page)(request, response));
    const failing = site.render(path, failure.cause === 'Timeout' ? 300 : 20_000);
    const beside = Promise.all(paths(10).map((good) => site.render(good)));
    expect(await failing).toMatchObject({ type: 'failed', failure });
    expect(titles(await beside)).toEqual(paths(10));
    expect(titles([await site.render('/after')])).toEqual(['/after']);
    expect(new Set(site.versions)).toEqual(new Set(['2.0']));
  });

  it('may send more headers than are taken: that page alone fails', async () => {
    await using site = await startSecureSite((request, response) => {
      if (request.url === '/headers') response.setHeader('x-large', 'x'.repeat(200_000));
      page(request, response);
    });
    expect(await site.render('/headers', 5_000)).toMatchObject({ type: 'failed' });
    expect(titles([await site.render('/after')])).toEqual(['/after']);
  });

  it('may close the connection whenever it likes (GOAWAY)', async () => {
    await using site = await startSecureSite(page);
    for (const path of paths(5)) {
      expect(titles([await site.render(path)])).toEqual([path]);
      for (const session of site.sessions) session.close();
    }
    expect(new Set(site.versions)).toEqual(new Set(['2.0']));
  });
});

it('a server without HTTP/2 is spoken to in HTTP/1.1', async () => {
  await using site = await startSecureSite(page, false);
  expect(titles(await Promise.all(paths(5).map((path) => site.render(path))))).toEqual(paths(5));
  expect(new Set(site.versions)).toEqual(new Set(['1.1']));
});

it('a server that says HTTP/2 and talks rubbish fails, and is asked again', async () => {
  const options = { key: certificate.key, cert: certificate.certificate, ALPNProtocols: ['h2'] };
  const sockets = new Set<TLSSocket>();
  const server = createTlsServer(options, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.end('HTTP/1.1 200 OK\r\n\r\n<title>not HTTP/2</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const guard = guardAllowing(`127.0.0.1:${port}`);
  const client = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 1 });
  for (let attempt = 1; attempt <= 2; attempt++) {
    const result = await createHttpRenderer(client).render(new URL(`https://127.0.0.1:${port}/`), plan, 5_000, never);
    expect(result).toMatchObject({ type: 'failed', failure: { cause: 'ConnectionError', retryable: true } });
  }
  await client.close();
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
});

describe('the guard', () => {
  it('keeps HTTP/2 from addresses that are not allowed, by name and by number', async () => {
    await using site = await startSecureSite(page);
    const guard = guardAllowing('127.0.0.1:1', async () => [{ address: '127.0.0.1', family: 4 }]);
    const client = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 1 });
    for (const host of ['elsewhere.test', '127.0.0.1']) {
      const url = new URL(`https://${host}:${site.port}/`);
      expect(await createHttpRenderer(client).render(url, plan, 5_000, never)).toMatchObject({
        type: 'failed',
        failure: { cause: 'AddressForbidden' },
      });
    }
    expect(site.versions).toEqual([]);
    await client.close();
  });

  it('does not let one name speak over the connection of another', async () => {
    await using site = await startSecureSite(page);
    await site.render('/');
    const other = new URL(`https://elsewhere.test:${site.port}/`);
    expect(titles([await createHttpRenderer(site.client).render(other, plan, 5_000, never)])).toEqual(['/']);
    expect(site.sessions.size).toBe(2);
  });
});

describe('a certificate of a private authority', () => {
  it('is refused with the cause TlsError', async () => {
    const unknown = createCertificate();
    setDefaultCACertificates([...trusted, unknown.certificate]);
    try {
      await using site = await startSecureSite(page);
      expect(await site.render('/')).toMatchObject({ type: 'failed', failure: { cause: 'TlsError' } });
    } finally {
      setDefaultCACertificates([...trusted, certificate.certificate]);
    }
  });

  it('is trusted by a worker that is told so by NODE_EXTRA_CA_CERTS', { timeout: 120_000 }, async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'trawler-ca-'));
    const file = path.join(directory, 'ca.pem');
    await writeFile(file, certificate.certificate);
    await using database = await startCrawlDatabase();
    await using site = await startSecureSite(page);
    await using run = await database.accept({
      sources: [{ name: 'site', urls: [`${site.origin}/private`] }],
      politeness: { robots: 'Ignore' },
    });
    const worker = run.startWorker({
      TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port},[::1]:${site.port}`,
      NODE_EXTRA_CA_CERTS: file,
    });
    expect(await worker.ended).toBe(0);
    expect((await run.items()).map((item) => item.data['title'])).toEqual(['/private']);
    expect(site.versions).toEqual(['2.0']);
    await rm(directory, { recursive: true });
  });
});
