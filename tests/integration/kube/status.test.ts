// The status funnel against a real API server: nothing written without need, nothing of others overwritten.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ResourceClient } from '#src/kube/resource-client.ts';
import { updateStatus } from '#src/kube/status.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { apiOf, configFrom, installNets, NETS, type Net } from './kube-test.ts';

const { signal } = new AbortController();
const namespace = 'default';
let plane: ControlPlane;
let nets: ResourceClient<Net>;

beforeAll(async () => {
  plane = await startControlPlane();
  const { api } = apiOf(configFrom(plane.kubeconfigPath));
  await installNets(api);
  nets = api.resource<Net>(NETS);
});
afterAll(() => plane?.stop());

const make = (name: string) => nets.create({ metadata: { namespace, name }, spec: { mesh: 1 } }, { signal });

test('writes a change, and nothing when there is none', async () => {
  const made = await make('once');
  const written = await updateStatus(nets, made, () => ({ caught: 1, by: 'me' }), { signal });
  expect(written?.status).toEqual({ caught: 1, by: 'me' });
  const again = await updateStatus(nets, written ?? made, () => ({ by: 'me', caught: 1 }), { signal });
  expect(again?.metadata.resourceVersion).toBe(written?.metadata.resourceVersion);
  const less = await updateStatus(nets, again ?? made, () => ({ caught: 1 }), { signal });
  expect(less?.status).toEqual({ caught: 1 });
});

test('on a conflict the status is computed again from what is there now', async () => {
  const stale = await make('conflict');
  await updateStatus(nets, stale, () => ({ caught: 10 }), { signal });
  const saw: (number | undefined)[] = [];
  const add = ({ status }: Net) => {
    saw.push(status?.caught);
    return { ...status, caught: (status?.caught ?? 0) + 1 };
  };
  expect((await updateStatus(nets, stale, add, { signal }))?.status).toEqual({ caught: 11 });
  expect(saw).toEqual([undefined, 10]);
});

test('an object that is gone, or another of the same name, is left alone', async () => {
  const old = await make('gone');
  await nets.delete(old.metadata, { signal });
  expect(await updateStatus(nets, old, () => ({ caught: 1 }), { signal })).toBeUndefined();
  const successor = await make('gone');
  expect(await updateStatus(nets, old, () => ({ caught: 1 }), { signal })).toBeUndefined();
  expect((await nets.get(successor.metadata, { signal }))?.status).toBeUndefined();
});
