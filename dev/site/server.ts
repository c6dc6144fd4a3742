// The web server of demo and tests: answers from pages, keeps an access log with milliseconds, ends without leftovers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDemoPages, type DemoOptions } from './demo-pages.ts';
import { createFilePages } from './file-pages.ts';
import { type PageRequest, type Pages, type Reply, reply } from './reply.ts';

/** One answered request. The demo site's pod prints these as JSON, one a line. */
export interface AccessLogEntry {
  /** When the request arrived: RFC 3339 with milliseconds. */
  time: string;
  method: string;
  /** Path and query as sent. */
  path: string;
  /** 499 where the client left before the answer was complete. */
  status: number;
  userAgent: string;
  remoteAddress: string;
  /** Milliseconds from the request's arrival to the end of the answer. */
  ms: number;
}

export interface SiteOptions extends DemoOptions {
  /** 0, the default, takes a free one. */
  port?: number;
  /** Address to listen on: by default only this machine. */
  host?: string;
  /** Serve the files of this folder instead of the demo site. */
  root?: string;
  onRequest?: (entry: AccessLogEntry) => void;
}

export interface Site extends AsyncDisposable {
  port: number;
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  url: string;
  /** Ends open connections, slow answers included. */
  close: () => Promise<void>;
}

/**
 * Starts the demo site, or a file server where `root` is given.
 * In a test: `await using site = await createSite({ onRequest: (entry) => log.push(entry) })`.
 */
export async function createSite(options: SiteOptions = {}): Promise<Site> {
  const { port = 0, host = '127.0.0.1', root, onRequest = () => undefined } = options;
  const pages = root === undefined ? createDemoPages(options) : await createFilePages(root);
  const server = createServer((request, response) => {
    logWhenDone(request, response, onRequest);
    void answer(pages, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the site listens on no port');

  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return { port: address.port, url: `http://127.0.0.1:${address.port}`, close, [Symbol.asyncDispose]: close };
}

function logWhenDone(request: IncomingMessage, response: ServerResponse, log: (entry: AccessLogEntry) => void): void {
  const time = new Date().toISOString();
  const start = performance.now();
  response.once('close', () => {
    log({
      time,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      status: response.writableFinished ? response.statusCode : 499,
      userAgent: request.headers['user-agent'] ?? '',
      remoteAddress: request.socket.remoteAddress ?? '',
      ms: Math.round((performance.now() - start) * 10) / 10,
    });
  });
}

async function answer(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    await send(await find(pages, request), request, response, gone.signal);
  } catch (error) {
    // A client that left ends its own answer; anything else is a fault of the site and must be seen.
    if (!gone.signal.aborted) response.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function find(pages: Pages, request: IncomingMessage): Promise<Reply> {
  const parsed = parse(request);
  if (parsed === undefined) return reply(400, 'text/plain; charset=utf-8', 'Bad request\n');
  if (parsed.method !== 'GET' && parsed.method !== 'HEAD') {
    return reply(405, 'text/plain; charset=utf-8', 'Only GET and HEAD\n', { allow: 'GET, HEAD' });
  }
  return (
    (await pages(parsed)) ?? reply(404, 'text/html; charset=utf-8', '<title>Not found</title><h1>Not found</h1>\n')
  );
}

function parse(request: IncomingMessage): PageRequest | undefined {
  const origin = `http://${request.headers.host ?? 'localhost'}`;
  try {
    const url = new URL(request.url ?? '/', origin);
    return { method: request.method ?? 'GET', path: decodeURIComponent(url.pathname), query: url.searchParams, origin };
  } catch {
    return undefined;
  }
}

async function send(page: Reply, request: IncomingMessage, response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (page.silent) return;
  if (page.delay !== undefined) await sleep(page.delay, undefined, { signal: gone });
  const body = Buffer.from(page.body);
  response.writeHead(page.status, { ...page.headers, 'content-length': String(body.length) });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  if (page.pause !== undefined) {
    const half = body.length >> 1;
    response.write(body.subarray(0, half));
    await sleep(page.pause, undefined, { signal: gone });
    response.end(body.subarray(half));
    return;
  }
  response.end(body);
}
