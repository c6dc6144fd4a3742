// The client against a real API server: every verb, the errors, and what happens when the way there is bad.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CONFIG_MAPS, type ConfigMap, SECRETS, type Secret } from '#src/kube/builtin-types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import { isAlreadyExists, isConflict, isForbidden, isInvalid, KubeError } from '#src/kube/kube-error.ts';
import type { KubeObject } from '#src/kube/kube-object.ts';
import type { ResourceClient } from '#src/kube/resource-client.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { answerWith, type FaultProxy, startFaultProxy, statusObject } from '../../support/fault-proxy.ts';
import { apiOf, configFrom, eventually, installNets, NETS, type Net } from './kube-test.ts';

const { signal } = new AbortController();
const namespace = 'default';
let plane: ControlPlane;
let config: KubeConfig;
let api: KubeApi;
let nets: ResourceClient<Net>;
let proxy: FaultProxy;
let netsByProxy: ResourceClient<Net>;

beforeAll(async () => {
  plane = await startControlPlane();
  config = configFrom(plane.kubeconfigPath);
  api = apiOf(config).api;
  nets = api.resource<Net>(NETS);
  await installNets(api);
  proxy = await startFaultProxy(config);
  netsByProxy = apiOf(proxy.config).api.resource<Net>(NETS);
});

afterAll(async () => {
  await proxy?.close();
  await plane?.stop();
});

const make = (name: string, mesh = 1) => nets.create({ metadata: { namespace, name }, spec: { mesh } }, { signal });

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (error instanceof KubeError) return error;
  throw error;
}

describe('verbs', () => {
  test('create, get, replace, delete', async () => {
    const made = await make('life');
    expect(made).toMatchObject({ apiVersion: 'test.trawler.dev/v1', kind: 'Net', spec: { mesh: 1 } });
    const replaced = await nets.replace({ ...made, spec: { mesh: 2 } }, { signal });
    expect(replaced.metadata.generation).toBe(2);
    expect(await nets.get(made.metadata, { signal })).toEqual(replaced);
    expect(await nets.delete(made.metadata, { signal })).toBe(true);
    expect(await nets.get(made.metadata, { signal })).toBeUndefined();
    expect(await nets.delete(made.metadata, { signal })).toBe(false);
  });

  test('patches of every type', async () => {
    const { metadata } = await make('patched');
    const merged = await nets.patch(metadata, { type: 'merge', body: { spec: { colour: 'red' } } }, { signal });
    expect(merged.spec).toEqual({ mesh: 1, colour: 'red' });
    const operations = [{ op: 'replace', path: '/spec/mesh', value: 3 } as const];
    expect((await nets.patch(metadata, { type: 'json', body: operations }, { signal })).spec.mesh).toBe(3);
    const body = { apiVersion: 'test.trawler.dev/v1', kind: 'Net', metadata: { name: 'patched' }, spec: { mesh: 4 } };
    const apply = { type: 'apply', body, fieldManager: 'test' } as const;
    expect(isConflict(await failure(nets.patch(metadata, apply, { signal })))).toBe(true);
    expect((await nets.patch(metadata, { ...apply, force: true }, { signal })).spec.mesh).toBe(4);
    const maps = api.resource<ConfigMap>(CONFIG_MAPS);
    const map = await maps.create({ metadata: { namespace, name: 'patched' }, data: { a: '1' } }, { signal });
    const strategic = { type: 'strategic', body: { data: { b: '2' } } } as const;
    expect((await maps.patch(map.metadata, strategic, { signal })).data).toEqual({ a: '1', b: '2' });
  });

  test('status is written apart from the spec', async () => {
    const made = await make('with-status');
    const changed = { ...made, spec: { mesh: 9 }, status: { caught: 5 } };
    const written = await nets.replace(changed, { signal, subresource: 'status' });
    expect(written).toMatchObject({ spec: { mesh: 1 }, status: { caught: 5 } });
  });

  test('lists come in pages, by selector, and with their types', async () => {
    const maps = api.resource<ConfigMap>(CONFIG_MAPS);
    const labels = { suite: 'pages' };
    for (const name of ['p1', 'p2', 'p3']) await maps.create({ metadata: { namespace, name, labels } }, { signal });
    const select = { namespace, labelSelector: 'suite=pages', limit: 2, signal };
    const first = await maps.list(select);
    const { continueToken } = first;
    if (continueToken === undefined) throw new Error('one page only');
    const second = await maps.list({ ...select, continueToken });
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(['p1', 'p2', 'p3']);
    expect(second.continueToken).toBeUndefined();
    expect(second.resourceVersion).toBe(first.resourceVersion);
    expect(second.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect((await maps.list({ signal, fieldSelector: 'metadata.name=p2' })).items).toHaveLength(1);
  });

  test('a watch yields the changes after a version and ends when asked', async () => {
    const made = await make('watched');
    const { resourceVersion } = made.metadata;
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of nets.watch({ namespace, resourceVersion, timeoutSeconds: 2, signal })) {
        seen.push('object' in event ? `${event.type} ${event.object.spec.mesh}` : event.type);
      }
    })();
    await nets.patch(made.metadata, { type: 'merge', body: { spec: { mesh: 7 } } }, { signal });
    await nets.delete(made.metadata, { signal });
    await watching;
    expect(seen.filter((event) => event !== 'BOOKMARK')).toEqual(['MODIFIED 7', 'DELETED 7', 'END']);
  });

  test('a delete with preconditions spares another object of the same name', async () => {
    const first = await make('again');
    await nets.delete(first.metadata, { signal });
    const second = await make('again');
    const preconditions = { uid: first.metadata.uid };
    expect(isConflict(await failure(nets.delete(second.metadata, { signal, preconditions })))).toBe(true);
    expect(await nets.get(second.metadata, { signal })).toBeDefined();
  });
});

describe('refusals', () => {
  test('are told apart', async () => {
    const made = await make('refused');
    expect(isAlreadyExists(await failure(make('refused')))).toBe(true);
    expect(isConflict(await failure(make('refused')))).toBe(false);
    await nets.patch(made.metadata, { type: 'merge', body: { spec: { mesh: 2 } } }, { signal });
    expect(isConflict(await failure(nets.replace(made, { signal })))).toBe(true);
    const invalid = await failure(make('invalid', 0));
    expect(isInvalid(invalid)).toBe(true);
    expect(invalid.message).toContain('spec.mesh');
  });

  test('a missing namespace or name never becomes a request', async () => {
    await expect(nets.delete({ namespace, name: '' }, { signal })).rejects.toThrow('without a name');
    await expect(nets.get({ name: 'x' }, { signal })).rejects.toThrow('without a namespace');
  });
});

describe('a bad way', () => {
  const toNets = ({ url }: IncomingMessage) => url?.includes('/nets') ?? false;

  test('429 with Retry-After is waited for, also by a create', async () => {
    proxy.inject(toNets, answerWith(429, statusObject(429, 'TooManyRequests'), { 'retry-after': '1' }), 2);
    const startedAt = performance.now();
    const made = await netsByProxy.create({ metadata: { namespace, name: 'patient' }, spec: { mesh: 1 } }, { signal });
    expect(performance.now() - startedAt).toBeGreaterThan(2_000);
    expect(made.metadata.uid).toBeTruthy();
  });

  test('it gives up after four attempts', async () => {
    const before = proxy.requests.length;
    proxy.inject(toNets, answerWith(429, statusObject(429, 'TooManyRequests'), { 'retry-after': '0' }), 4);
    const error = await failure(netsByProxy.list({ signal }));
    expect(error).toMatchObject({ status: 429, reason: 'TooManyRequests', retryAfterMs: 0 });
    expect(proxy.requests.length - before).toBe(4);
  });

  test('a read is repeated when the connection breaks', async () => {
    await make('read');
    proxy.inject(toNets, (request) => {
      request.socket.destroy();
      return true;
    });
    expect(await netsByProxy.get({ namespace, name: 'read' }, { signal })).toBeDefined();
  });

  test('a write whose answer is lost is not repeated: it may have been done', async () => {
    const before = proxy.requests.length;
    proxy.inject(toNets, (request, response) => {
      response.write = () => request.socket.destroy() !== undefined;
      return false;
    });
    const creating = netsByProxy.create({ metadata: { namespace, name: 'lost' }, spec: { mesh: 1 } }, { signal });
    expect(await failure(creating)).toMatchObject({ status: 0, reason: 'Unreachable' });
    expect(proxy.requests.length - before).toBe(1);
    expect(await nets.get({ namespace, name: 'lost' }, { signal })).toBeDefined();
  });

  test('an answer that does not come is a time-out', async () => {
    proxy.inject(toNets, () => true);
    const error = await failure(netsByProxy.list({ signal, timeoutMs: 300 }));
    expect(error).toMatchObject({ status: 0, reason: 'Timeout' });
  });

  test('the caller who gives up gets its own reason', async () => {
    proxy.inject(toNets, () => true);
    const before = proxy.requests.length;
    const giveUp = new AbortController();
    const deleting = netsByProxy.delete({ namespace, name: 'any' }, { signal: giveUp.signal });
    const reason = new Error('enough');
    await eventually(() => proxy.requests.length > before);
    giveUp.abort(reason);
    await expect(deleting).rejects.toBe(reason);
  });

  test('broken JSON is an error, not a crash', async () => {
    proxy.inject(toNets, (_request, response) => {
      response.end('{"items": [');
      return true;
    });
    expect(await failure(netsByProxy.list({ signal }))).toMatchObject({ reason: 'BadAnswer' });
  });
});

describe('in a pod', () => {
  let root: string;
  const folder = () => join(root, 'var/run/secrets/kubernetes.io/serviceaccount');

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'trawler-pod-'));
    await mkdir(folder(), { recursive: true });
  });
  afterAll(() => rm(root, { recursive: true }));
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  interface TokenRequest extends KubeObject {
    status: { token: string };
  }

  async function tokenOf(name: string): Promise<string> {
    const accounts = api.resource({
      group: '',
      version: 'v1',
      plural: 'serviceaccounts',
      kind: 'ServiceAccount',
      namespaced: true,
    });
    await accounts.create({ metadata: { namespace, name } }, { signal });
    const tokens = api.resource<TokenRequest>({
      group: '',
      version: 'v1',
      plural: `serviceaccounts/${name}/token`,
      kind: 'TokenRequest',
      namespaced: true,
    });
    const { status } = await tokens.create(
      { ...{ apiVersion: 'authentication.k8s.io/v1' }, metadata: { namespace, name } },
      { signal },
    );
    return status.token;
  }

  test('the token file is used, and read again when it was rotated', async () => {
    const server = new URL(plane.apiserverUrl);
    vi.stubEnv('KUBERNETES_SERVICE_HOST', server.hostname);
    vi.stubEnv('KUBERNETES_SERVICE_PORT', server.port);
    const { caData = '' } = config.getCurrentCluster() ?? {};
    await writeFile(join(folder(), 'ca.crt'), Buffer.from(caData, 'base64'));
    await writeFile(join(folder(), 'token'), await tokenOf('first'));
    const inPod = new KubeConfig();
    inPod.loadFromCluster(root);
    const secrets = apiOf(inPod).api.resource<Secret>(SECRETS);

    const refused = await failure(secrets.list({ namespace, signal }));
    expect(isForbidden(refused)).toBe(true);
    expect(refused.message).toContain('system:serviceaccount:default:first');

    await writeFile(join(folder(), 'token'), await tokenOf('second'));
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() });
    vi.advanceTimersByTime(90_000);
    const message = await eventually(async () => (await failure(secrets.list({ namespace, signal }))).message);
    expect(message).toContain('system:serviceaccount:default:second');
  });
});
