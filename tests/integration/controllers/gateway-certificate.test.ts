// The Secret with the gateway's certificates on a real API server, through years of a clock of the test's.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGateway } from '#src/controllers/gateway/gateway.ts';
import { authoritySecretName, keepGatewayCertificate } from '#src/controllers/gateway/gateway-certificate.ts';
import { SECRETS, type Secret } from '#src/kube/builtin-types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import type { ResourceClient } from '#src/kube/resource-client.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { connect } from '../../support/running-operator.ts';

const never = new AbortController().signal;
const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 0, 1);

let cluster: ControlPlane;
let api: KubeApi;
let secrets: ResourceClient<Secret>;

beforeAll(async () => {
  cluster = await startControlPlane();
  api = connect(cluster.kubeconfigPath);
  secrets = api.resource<Secret>(SECRETS);
});
afterAll(async () => {
  await api?.close();
  await cluster?.stop();
});

/** The certificates in a Secret of this name, looked after on some day. */
function certificates(name: string) {
  const ref = { namespace: 'default', name };
  const authorityRef = { ...ref, name: authoritySecretName(name) };
  const read = async (of = ref) => {
    const secret = await secrets.get(of, { signal: never });
    const text = (key: string) => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8');
    return { version: secret?.metadata.resourceVersion, text, secret };
  };
  const keep = (day: number, client = secrets) =>
    keepGatewayCertificate(
      {
        secrets: client,
        ref,
        names: ['trawler-gateway.default.svc', 'localhost'],
        now: () => new Date(START + day * DAY_MS),
        logger: pino({ level: 'silent' }),
      },
      never,
    );
  return { ref, authorityRef, read, keep };
}

const count = (text: string) => text.split('-----BEGIN CERTIFICATE-----').length - 1;

test('a Secret is made, left alone while it is good, and renewed when it is due', async () => {
  const { keep, read } = certificates('renewed');
  const { authority, until } = await keep(0);
  const made = await read();
  expect(made.text('ca.crt')).toBe(authority);
  // What a server takes.
  createSecureContext({ cert: made.text('tls.crt'), key: made.text('tls.key') });

  await keep(59);
  expect((await read()).version).toBe(made.version);

  const dueAt = (until.getTime() - START) / DAY_MS;
  await keep(dueAt);
  const renewed = await read();
  expect(renewed.text('tls.crt')).not.toBe(made.text('tls.crt'));
  expect(renewed.text('ca.crt')).toBe(made.text('ca.crt'));
});

test('a second authority comes beside the first, which goes when its time is over', async () => {
  const { authorityRef, keep, read } = certificates('authorities');
  const first = (await keep(0)).authority;
  const both = (await keep(2_500)).authority;
  expect(count(both)).toBe(2);
  expect(both.startsWith(first)).toBe(true);
  const second = (await keep(3_660)).authority;
  expect(first + second).toBe(both);
  expect((await read(authorityRef)).text('ca.key').match(/BEGIN PRIVATE KEY/g)).toHaveLength(1);
});

test('an empty Secret that somebody else made is filled, and what else is in it stays', async () => {
  const { ref, keep, read } = certificates('prepared');
  const note = Buffer.from('theirs').toString('base64');
  await secrets.create({ metadata: { ...ref, labels: { team: 'a' } }, data: { note } }, { signal: never });
  await keep(0);
  const { secret, text } = await read();
  expect(secret?.metadata.labels).toEqual({ team: 'a' });
  expect(text('note')).toBe('theirs');
  expect(count(text('ca.crt'))).toBe(1);
});

/** Two that look after the same Secrets have both read before either goes on; `name` is that of the only Secret to wait for. */
function untilBothHaveRead(name?: string): ResourceClient<Secret> {
  let reads = 0;
  const bothHaveRead = Promise.withResolvers<void>();
  return {
    ...secrets,
    get: async (ref, options) => {
      const secret = await secrets.get(ref, options);
      if (++reads === 2) bothHaveRead.resolve();
      if (name === undefined || ref.name === name) await bothHaveRead.promise;
      return secret;
    },
  };
}

test('of two operators that renew at the same time one writes, and the other finds that good', async () => {
  const { keep, read } = certificates('contended');
  await keep(0);
  const slow = untilBothHaveRead('contended');
  const before = (await read()).text('tls.crt');
  const [one, other] = await Promise.all([keep(60, slow), keep(60, slow)]);
  expect(one).toEqual(other);
  const { version, text } = await read();
  expect(text('tls.crt')).not.toBe(before);
  await keep(60);
  expect((await read()).version).toBe(version);
});

test('of two operators that find no Secret one makes them, and the other finds them good', async () => {
  const { keep, read, authorityRef } = certificates('contended-first');
  const slow = untilBothHaveRead();
  const [one, other] = await Promise.all([keep(0, slow), keep(0, slow)]);
  expect(one.authority).toBe(other.authority);
  expect((await read()).text('ca.crt')).toBe((await read(authorityRef)).text('ca.crt'));
});

test.each<
  [what: string, lose: (one: ReturnType<typeof certificates>) => Promise<unknown>, stays: 'Authority' | 'Serving']
>([
  ['the Secret that the gateway mounts is deleted', ({ ref }) => secrets.delete(ref, { signal: never }), 'Authority'],
  [
    'the Secret of the authority is deleted',
    ({ authorityRef }) => secrets.delete(authorityRef, { signal: never }),
    'Serving',
  ],
  ['the Secret that the gateway mounts is overwritten', ({ ref }) => overwrite(ref), 'Authority'],
  ['the Secret of the authority is overwritten', ({ authorityRef }) => overwrite(authorityRef), 'Serving'],
])('pods of before can go on when %s', async (what, lose, stays) => {
  const one = certificates(`lost-${what.length}`);
  const { authority } = await one.keep(0);
  const before = await one.read();
  await lose(one);
  const after = await one.keep(1);
  const { text } = await one.read();
  expect(after.authority).toContain(authority);
  expect(text('ca.crt')).toBe(after.authority);
  if (stays === 'Serving') expect(text('tls.crt')).toBe(before.text('tls.crt'));
  else expect(after.authority).toBe(authority);
  const [trusted, served] = [new X509Certificate(authority), new X509Certificate(text('tls.crt'))];
  expect(served.verify(trusted.publicKey)).toBe(true);
  // What was lost is there again.
  const { version } = await one.read(one.authorityRef);
  await one.keep(2);
  expect((await one.read(one.authorityRef)).version).toBe(version);
});

test('many runs of a new installation ask at once, and one certificate is made', async () => {
  let creates = 0;
  const counted: ResourceClient<Secret> = {
    ...secrets,
    create: (...args) => {
      creates++;
      return secrets.create(...args);
    },
  };
  const gateway = createGateway({
    secrets: counted,
    namespace: 'default',
    settings: {
      url: 'https://trawler-gateway.default.svc:8443',
      tls: { source: 'Managed', secretName: 'asked-at-once' },
      loginSecretName: 'unused',
    },
    databaseUrl: async () => '',
    serverDatabaseUrl: async () => '',
    now: () => new Date(),
    logger: pino({ level: 'silent' }),
  });
  const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.trust(never)));
  expect(creates).toBe(2);
  const authority = (await certificates('asked-at-once').read()).text('ca.crt');
  for (const answer of answers) expect(answer).toEqual({ authority });
});

test('gateway and API server get a login each, and one that was deleted comes back', async () => {
  const gateway = createGateway({
    ...{ secrets, namespace: 'default', now: () => new Date(), logger: pino({ level: 'silent' }) },
    settings: {
      ...{ url: 'http://gateway:8443', tls: { source: 'Off' } },
      ...{ loginSecretName: 'login-of-gateway', serverLoginSecretName: 'login-of-server' },
    },
    databaseUrl: async () => 'postgres://gateway@db/x',
    serverDatabaseUrl: async () => 'postgres://server@db/x',
  });
  const urlIn = async (name: string) => {
    const secret = await secrets.get({ namespace: 'default', name }, { signal: never });
    return Buffer.from(secret?.data?.['url'] ?? '', 'base64').toString('utf8');
  };
  for (const _ of ['at first', 'after it was deleted']) {
    await gateway.keepLogin(never);
    expect(await urlIn('login-of-gateway')).toBe('postgres://gateway@db/x');
    expect(await urlIn('login-of-server')).toBe('postgres://server@db/x');
    await secrets.delete({ namespace: 'default', name: 'login-of-server' }, { signal: never });
  }
});

test('the one Secret of an earlier release is divided', async () => {
  const { ref, authorityRef, keep, read } = certificates('divided');
  const { authority } = await keep(0);
  const { secret } = await read(authorityRef);
  await secrets.patch(ref, { type: 'merge', body: { data: secret?.data } }, { signal: never });
  await secrets.delete(authorityRef, { signal: never });
  expect((await keep(1)).authority).toBe(authority);
  expect((await read()).text('ca.key')).toBe('');
  expect((await read(authorityRef)).secret?.data).toEqual(secret?.data);
});

function overwrite(ref: { readonly namespace: string; readonly name: string }) {
  const junk = Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----').toString('base64');
  const data = { 'tls.crt': junk, 'tls.key': junk, 'ca.crt': junk, 'ca.key': junk };
  return secrets.patch(ref, { type: 'merge', body: { data } }, { signal: never });
}
