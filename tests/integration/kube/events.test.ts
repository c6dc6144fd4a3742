// Events recorded by us, read by kubectl as a user reads them.
import type { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEventRecorder, type EventNote } from '#src/kube/events.ts';
import type { ResourceClient } from '#src/kube/resource-client.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { answerWith, startFaultProxy, statusObject } from '../../support/fault-proxy.ts';
import { apiOf, configFrom, eventually, installNets, logger, NETS, type Net } from './kube-test.ts';

const { signal } = new AbortController();
const namespace = 'default';
const TORN: EventNote = { type: 'Warning', reason: 'NetTorn', action: 'HaulNet', message: 'a shark was in it' };
let plane: ControlPlane;
let config: KubeConfig;
let nets: ResourceClient<Net>;

beforeAll(async () => {
  plane = await startControlPlane();
  config = configFrom(plane.kubeconfigPath);
  const { api } = apiOf(config);
  await installNets(api);
  nets = api.resource<Net>(NETS);
});
afterAll(() => plane?.stop());

const make = (name: string) => nets.create({ metadata: { namespace, name }, spec: { mesh: 1 } }, { signal });

function recorder(way: KubeConfig = config) {
  const end = new AbortController();
  const { api, metrics } = apiOf(way);
  const events = createEventRecorder({
    ...{ api, metrics, logger, controller: 'trawler.dev/test', instance: 'test-0' },
    signal: end.signal,
  });
  const finish = async () => {
    end.abort();
    await events.done;
  };
  return { ...events, finish, metrics };
}

async function kubectl(...args: string[]): Promise<string> {
  return (await execa(binary('kubectl'), args, { env: { KUBECONFIG: plane.kubeconfigPath } })).stdout;
}

test('kubectl describe shows the event, its repeats counted', async () => {
  const net = await make('torn');
  const { record, finish } = recorder();
  record(net, TORN);
  await eventually(async () => (await kubectl('describe', 'net', 'torn')).includes('NetTorn'));
  record(net, TORN);
  record(net, TORN);
  await finish();
  const described = await kubectl('describe', 'net', 'torn');
  expect(described).toMatch(/Warning\s+NetTorn\s+\S+ \(x3 over \S+\)\s+trawler\.dev\/test.*a shark was in it/);
  const { items } = JSON.parse(await kubectl('get', 'events', '-o', 'json', '--field-selector=reason=NetTorn'));
  expect(items).toHaveLength(1);
});

test('an event that waits for the API server is sent when it answers', async () => {
  const net = await make('waiting');
  const proxy = await startFaultProxy(config);
  const { record, finish } = recorder(proxy.config);
  const broken = answerWith(500, statusObject(500, 'InternalError'));
  proxy.inject(({ url }) => url?.includes('/events') ?? false, broken);
  record(net, { ...TORN, reason: 'Waited' });
  await eventually(() => proxy.requests.length === 1);
  await finish();
  expect(await kubectl('describe', 'net', 'waiting')).toContain('Waited');
  await proxy.close();
});

test('an event that is refused is given up quietly', async () => {
  const net = await make('refused');
  const { record, finish, metrics } = recorder();
  record({ ...net, metadata: { ...net.metadata, namespace: 'no-such-namespace' } }, TORN);
  await eventually(async () => (await metrics.events.get()).values.some(({ labels }) => labels.result === 'failed'));
  await finish();
});

test('a note that is too long is cut', async () => {
  const net = await make('wordy');
  const { record, finish } = recorder();
  record(net, { ...TORN, reason: 'Wordy', message: 'é'.repeat(2_000) });
  await finish();
  const { items } = JSON.parse(await kubectl('get', 'events', '-o', 'json', '--field-selector=reason=Wordy'));
  expect(Buffer.byteLength(items[0].message)).toBeGreaterThan(1_000);
  expect(items[0].message).toMatch(/^é+…$/);
});
