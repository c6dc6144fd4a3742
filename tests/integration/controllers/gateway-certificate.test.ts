// The Secret with the gateway's certificates on a real API server, through years of a clock of the test's.
import { createSecureContext } from 'node:tls';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepGatewayCertificate } from '#src/controllers/gateway/gateway-certificate.ts';
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
  const read = async () => {
    const secret = await secrets.get(ref, { signal: never });
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
  return { ref, read, keep };
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
  const { keep, read } = certificates('authorities');
  const first = (await keep(0)).authority;
  const both = (await keep(2_500)).authority;
  expect(count(both)).toBe(2);
  expect(both.startsWith(first)).toBe(true);
  const second = (await keep(3_660)).authority;
  expect(first + second).toBe(both);
  expect((await read()).text('ca.key').match(/BEGIN PRIVATE KEY/g)).toHaveLength(1);
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

test('of two operators that renew at the same time one writes, and the other finds that good', async () => {
  const { keep, read } = certificates('contended');
  await keep(0);
  // Both have read it before either writes.
  let readers = 0;
  let release = () => {};
  const bothHaveRead = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: ResourceClient<Secret> = {
    ...secrets,
    get: async (...args) => {
      const secret = await secrets.get(...args);
      if (++readers === 2) release();
      await bothHaveRead;
      return secret;
    },
  };
  const outcomes = await Promise.allSettled([keep(60, slow), keep(60, slow)]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(outcomes.find((one) => one.status === 'rejected')?.reason).toMatchObject({ status: 409, reason: 'Conflict' });
  const { version } = await read();
  await keep(60);
  expect((await read()).version).toBe(version);
});
