// Certificates that no public authority has signed, and chains that servers send without their intermediate certificate: who
// trusts them, in both render modes.
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { TlsTrust } from '#src/crawler/network/tls-trust.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { type CertificateChain, createCertificateChain } from '../../support/certificate-chain.ts';
import { browserDefaults, guardAllowing } from './site.ts';

const { plan } = createExtraction(undefined);
const never = new AbortController().signal;
let chain: CertificateChain;
/** Sends the whole chain but its root, and the server's certificate alone. */
let whole: Server;
let broken: Server;

beforeAll(async () => {
  chain = await createCertificateChain();
  whole = await serve(chain.server + chain.intermediate);
  broken = await serve(chain.server);
});
afterAll(() => {
  for (const server of [whole, broken]) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(cert: string): Promise<Server> {
  const server = createServer({ key: chain.key, cert }, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>Secure</title>x');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const browser = {
  executablePath: findChromium() ?? '',
  userAgent: 'Tester/1.0',
  log: createLogger('test', 'fatal'),
};
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** What becomes of the page by a renderer that trusts so. */
async function endOf(mode: string, server: Server, trust: TlsTrust): Promise<string> {
  const guard = guardAllowing(`127.0.0.1:${portOf(server)}`);
  const client = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 1, trust });
  const renderer =
    mode === 'HTTP'
      ? createHttpRenderer(client)
      : await createBrowserRenderer({ ...browserDefaults, ...browser, guard, trust });
  try {
    const result = await renderer.render(new URL(`https://127.0.0.1:${portOf(server)}/`), plan, 30_000, never);
    if (result.type === 'page') return result.page.title;
    return result.type === 'failed' ? result.failure.cause : result.type;
  } finally {
    await renderer.close();
    await client.close();
  }
}

describe.each(['HTTP', 'Browser'])('in render mode %s', (mode) => {
  it.each([
    ['a private authority', () => whole, () => [], 'TlsError'],
    ['a private authority whose root is added', () => whole, () => [chain.root], 'Secure'],
    ['a chain that lacks its intermediate, with the root added', () => broken, () => [chain.root], 'TlsError'],
    ['such a chain with both added', () => broken, () => [chain.root, chain.intermediate], 'Secure'],
    ['such a chain with the intermediate added', () => broken, () => [chain.intermediate], 'Secure'],
  ])('%s', async (_, server, certificates, end) => {
    expect(await endOf(mode, server(), { certificates: certificates(), verify: true })).toBe(end);
  });

  it('whatever a server shows is taken where that is wanted', async () => {
    expect(await endOf(mode, broken, { certificates: [], verify: false })).toBe('Secure');
  });
});
