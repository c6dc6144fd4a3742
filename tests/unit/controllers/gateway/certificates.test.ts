// The gateway's certificates over twenty years, and handshakes with them.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import {
  readCertificates,
  renewCertificates,
  type ServingData,
  writeCertificates,
} from '#src/controllers/gateway/certificates.ts';

const NAMES = ['trawler-gateway.trawler-system.svc', 'localhost'];
const DAY_MS = 86_400_000;

type Held = { readonly serving?: Record<string, string>; readonly authority?: Record<string, string> };

async function renew({ serving = {}, authority = {} }: Held, now: Date) {
  const renewal = await renewCertificates(readCertificates(serving, authority), NAMES, now);
  return { ...renewal, data: writeCertificates(renewal.certificates) };
}

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
});

/** What a client that trusts this bundle gets from a server with this certificate. */
async function handshake(data: ServingData, bundle: string, servername: string): Promise<number> {
  const server = createServer({ cert: data['tls.crt'], key: data['tls.key'] }, (_request, response) => {
    response.end('ok');
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ connect: { ca: bundle, servername } });
  try {
    const { statusCode, body } = await request(`https://127.0.0.1:${port}/`, { dispatcher: agent });
    await body.dump();
    return statusCode;
  } finally {
    await agent.destroy();
  }
}

describe('a handshake', () => {
  test.each(NAMES)('as %s succeeds with the bundle', async (name) => {
    const { data } = await renew({}, new Date());
    expect(await handshake(data.serving, data.serving['ca.crt'], name)).toBe(200);
  });

  test('fails with another name, or with the bundle of another install', async () => {
    const [one, other] = await Promise.all([renew({}, new Date()), renew({}, new Date())]);
    await expect(handshake(one.data.serving, one.data.serving['ca.crt'], 'shop.example')).rejects.toThrow(/altnames/i);
    await expect(handshake(one.data.serving, other.data.serving['ca.crt'], 'localhost')).rejects.toThrow(
      /certificate/i,
    );
  });

  test('succeeds with a bundle of before the authority was renewed, and with one of after', async () => {
    // Made so long ago that the first authority is due for its successor, and signs still.
    const start = new Date(Date.now() - 2_500 * DAY_MS);
    const before = await renew({}, start);
    const after = await renew(before.data, new Date());
    expect(after.done).toEqual(['AuthorityAdded', 'ServingRenewed']);
    expect(await handshake(after.data.serving, before.data.serving['ca.crt'], 'localhost')).toBe(200);
    expect(await handshake(after.data.serving, after.data.serving['ca.crt'], 'localhost')).toBe(200);
  });
});

test('what is read is what was written', async () => {
  const { data, certificates } = await renew({}, new Date());
  expect(readCertificates(data.serving, data.authority)).toEqual(certificates);
  expect((await renew(data, new Date())).done).toEqual([]);
});

const BROKEN = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';

describe('what cannot be used is made anew, and pods of before go on where that is possible', () => {
  test.each<[what: string, change: Held, done: string[], pods: 'GoOn' | 'CutOff']>([
    ['a key that is not of the certificate', { serving: { 'tls.key': '' } }, ['ServingRenewed'], 'GoOn'],
    ['a broken certificate', { serving: { 'tls.crt': BROKEN } }, ['ServingRenewed'], 'GoOn'],
    ['text that is no PEM', { serving: { 'tls.crt': 'hello' } }, ['ServingRenewed'], 'GoOn'],
    [
      'the whole Secret that the gateway mounts',
      { serving: { 'tls.crt': '', 'tls.key': '', 'ca.crt': '' } },
      ['ServingRenewed'],
      'GoOn',
    ],
    ['a broken authority beside the good one', { serving: { 'ca.crt': BROKEN } }, [], 'GoOn'],
    ['the key of the authority', { authority: { 'ca.key': '' } }, ['AuthorityAdded'], 'GoOn'],
    ['the whole Secret of the authority', { authority: { 'ca.crt': '', 'ca.key': '' } }, ['AuthorityAdded'], 'GoOn'],
    [
      'both Secrets',
      { serving: { 'tls.crt': '', 'tls.key': '', 'ca.crt': '' }, authority: { 'ca.crt': '', 'ca.key': '' } },
      ['AuthorityAdded', 'ServingRenewed'],
      'CutOff',
    ],
  ])('%s', async (_what, change, done, pods) => {
    const { data } = await renew({}, new Date());
    const bundle = data.serving['ca.crt'];
    const renewed = await renew(
      { serving: { ...data.serving, ...change.serving }, authority: { ...data.authority, ...change.authority } },
      new Date(),
    );
    expect(renewed.done).toEqual(done);
    expect(await handshake(renewed.data.serving, renewed.data.serving['ca.crt'], 'localhost')).toBe(200);
    const before = handshake(renewed.data.serving, bundle, 'localhost');
    if (pods === 'GoOn') expect(await before).toBe(200);
    else await expect(before).rejects.toThrow(/certificate/i);
  });
});

test('one Secret that holds all, as an earlier release made it, is divided, and nothing is made anew', async () => {
  const { data, certificates } = await renew({}, new Date());
  const { done, data: divided } = await renew({ serving: { ...data.serving, ...data.authority } }, new Date());
  expect(done).toEqual([]);
  expect(divided).toEqual(data);
  expect(readCertificates(divided.serving, divided.authority)).toEqual(certificates);
});

test('over twenty years each certificate is valid, and trusted by whoever knows a bundle of the last three years', async () => {
  let data: Held = {};
  const bundles: { readonly day: number; readonly authorities: readonly X509Certificate[] }[] = [];
  const kinds = new Set<string>();
  for (let day = 0; day < 20 * 365; day += 50) {
    const now = new Date(Date.UTC(2026, 0, 1) + day * DAY_MS);
    const renewal = await renew(data, now);
    for (const kind of renewal.done) kinds.add(kind);
    data = renewal.data;
    expect(renewal.until > now).toBe(true);
    const served = new X509Certificate(renewal.data.serving['tls.crt']);
    expect(served.validFromDate <= now && now < served.validToDate).toBe(true);
    bundles.push({ day, authorities: authoritiesOf(renewal.data.serving['ca.crt']) });
    const strangers = bundles.filter(
      (bundle) => bundle.day >= day - 3 * 365 && !bundle.authorities.some((authority) => trusts(authority, served)),
    );
    expect(strangers).toEqual([]);
  }
  expect([...kinds].toSorted()).toEqual(['AuthorityAdded', 'AuthorityDropped', 'ServingRenewed']);
});

function trusts(authority: X509Certificate, served: X509Certificate): boolean {
  return authority.validToDate > served.validToDate && served.verify(authority.publicKey);
}

function authoritiesOf(bundle: string): X509Certificate[] {
  return (bundle.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map((text) => new X509Certificate(text));
}
