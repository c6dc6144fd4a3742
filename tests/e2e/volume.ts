// A claim on a real volume that is a folder of this machine, which is the node of the local cluster.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Node } from '../../src/kube/builtin-types.ts';
import { apply, getJson, kubectl } from '../support/cluster.ts';

export type Volume = {
  readonly folder: string;
  /** Name of its claim. */
  readonly claim: string;
  remove(): Promise<void>;
};

/** Of the kind `local`, to which the kubelet gives the pod's group. */
export async function makeVolume(namespace: string): Promise<Volume> {
  const folder = await mkdtemp(path.join(tmpdir(), 'trawler-output-'));
  const { items: nodes } = await getJson<{ items: Node[] }>('nodes');
  const hostnames = nodes.map((node) => node.metadata.labels?.['kubernetes.io/hostname']);
  const common = { accessModes: ['ReadWriteOnce'], storageClassName: '' };
  await apply({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: namespace },
    spec: {
      ...common,
      capacity: { storage: '1Gi' },
      local: { path: folder },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: hostnames }] },
          ],
        },
      },
    },
  });
  const claim = 'results';
  await apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claim, namespace },
    spec: { ...common, volumeName: namespace, resources: { requests: { storage: '1Gi' } } },
  });
  return {
    folder,
    claim,
    async remove() {
      await kubectl('delete', 'persistentvolume', namespace, '--wait=false', '--ignore-not-found');
      await rm(folder, { recursive: true });
    },
  };
}
