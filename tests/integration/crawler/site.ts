// A web server of the test's own: each path answers as the test says.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { createAddressGuard, type Resolve } from '#src/crawler/network/address-guard.ts';
import { createAddressPolicy, parseAllowedAddresses } from '#src/crawler/network/address-policy.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export type TestSite = AsyncDisposable & {
  readonly port: number;
  readonly origin: string;
  /** Paths asked for, in order. */
  readonly requests: readonly string[];
  url(path: string): URL;
};

/** Answers by path without its query; anything else is 404. */
export async function startSite(answers: Record<string, Answer>): Promise<TestSite> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const answer = answers[(request.url ?? '').replace(/\?.*/, '')];
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    port,
    origin,
    requests,
    url: (path) => new URL(path, origin),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export const html =
  (body: string, headers: Record<string, string> = {}, status = 200): Answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(body);

/** What a run's spec has by default, for browsers that tests start by themselves. */
export const browserDefaults: Pick<
  Parameters<typeof createBrowserRenderer>[0],
  'blocked' | 'recycleAfterPages' | 'sandbox' | 'headersFor'
> = {
  blocked: ['Images', 'Fonts', 'Media'],
  recycleAfterPages: 50,
  sandbox: false,
  headersFor: () => ({}),
};

/** A guard with exceptions as the operator's configuration writes them. */
export function guardAllowing(entries: string, resolve?: Resolve) {
  return createAddressGuard(createAddressPolicy(parseAllowedAddresses(entries)), resolve);
}
