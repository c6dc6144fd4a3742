// The cluster for e2e tests: kubectl and Helm on it, and a namespace for each suite.
import { randomBytes } from 'node:crypto';
import { chooseCluster } from '../../dev/cluster/choose.ts';
import { helm as runHelm, kubectl as runKubectl } from '../../dev/install.ts';

export const cluster = chooseCluster();

/** Runs kubectl; resolves with its output, rejects with what it said. */
export function kubectl(...args: string[]): Promise<string> {
  return runKubectl(cluster, args);
}

/** Applies a manifest, as text or as an object. */
export function apply(manifest: string | object, ...args: string[]): Promise<string> {
  const input = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  return runKubectl(cluster, ['apply', '-f', '-', ...args], { input });
}

export function helm(...args: string[]): Promise<string> {
  return runHelm(cluster, args);
}

/** One object, or a list, as JSON. */
export async function getJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl('get', ...args, '--output=json'));
}

/**
 * A new namespace that enforces the `restricted` Pod Security Standard, with its default service account.
 * Dispose of it (`await using`, or call `remove`) to delete it with all that is in it.
 */
export async function testNamespace(
  prefix: string,
): Promise<{ name: string; remove(): Promise<void> } & AsyncDisposable> {
  const name = `${prefix}-${randomBytes(3).toString('hex')}`;
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  await kubectl('wait', '--for=create', 'serviceaccount/default', '--namespace', name, '--timeout=60s');
  const remove = async () => {
    await kubectl('delete', 'namespace', name, '--wait=false', '--ignore-not-found');
  };
  return { name, remove, [Symbol.asyncDispose]: remove };
}
