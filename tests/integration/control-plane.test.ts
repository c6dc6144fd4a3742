// The control plane of the tests is real: it stores objects, runs controllers, and survives a crash of the API server.
import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';

let controlPlane: ControlPlane;
const kubectl = (...args: string[]) =>
  execa(binary('kubectl'), args, { env: { KUBECONFIG: controlPlane.kubeconfigPath }, timeout: 60_000 });

beforeAll(async () => {
  controlPlane = await startControlPlane({ controllerManager: true, audit: true });
});
afterAll(() => controlPlane.stop());

test('objects outlive a crash of the API server', async () => {
  await kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
  await controlPlane.stopApiServer();
  await expect(kubectl('get', 'configmap', 'kept', '--request-timeout=2s')).rejects.toThrow();
  await controlPlane.startApiServer();
  const { stdout } = await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}');
  expect(stdout).toBe('b');
});

test('a Job gets its pod, and the pod goes with the Job', async () => {
  await kubectl('create', 'job', 'short', '--image=none', '--', 'true');
  await kubectl('wait', '--for=create', 'pod', '-l', 'job-name=short', '--timeout=30s');
  await kubectl('delete', 'job', 'short');
  await kubectl('wait', '--for=delete', 'pod', '-l', 'job-name=short', '--timeout=30s');
});

test('the audit log tells who did what', async () => {
  const events = (await readFile(controlPlane.auditLogPath, 'utf8')).trim().split('\n');
  const created = events.map((line) => JSON.parse(line)).filter(({ verb }) => verb === 'create');
  expect(created.map(({ objectRef }) => objectRef?.name)).toContain('kept');
});
