// The native cluster's nodes: one, and a second one that tests bring up. Each has a container runtime and a kubelet of its own, with
// folders and cgroups of their own; bridge, pod addresses and DNS are those of the machine.
import { join } from 'node:path';
import { clusterDirectory } from '../setup/paths.mjs';
import { nodeName } from './addresses.ts';

/** Where the first node's kubelet makes the cgroups of pods; those of the second node are below. */
export const PODS_CGROUP = '/kubepods';

/** Short, because socket paths may be 107 bytes long and shims put theirs below. */
export const runtimeDirectory = '/run/trawler-cluster';

export interface ClusterNode {
  /** Of the Node. */
  readonly name: string;
  /** Names of its programs, by which their processes are told apart. */
  readonly programs: { readonly containerd: string; readonly kubelet: string };
  /** Images, volumes and logs of its pods. */
  readonly directory: string;
  /** Sockets and mounts of its containers. */
  readonly runtimeDirectory: string;
  /** The kubelet's port, at the address of the machine. */
  readonly kubeletPort: number;
  /** Its kubelet makes `kubepods` there, for its pods. */
  readonly cgroup: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { readonly key: string; readonly value: string; readonly effect: string }[];
}

export const firstNode: ClusterNode = {
  name: nodeName,
  programs: { containerd: 'containerd', kubelet: 'kubelet' },
  directory: clusterDirectory,
  runtimeDirectory,
  kubeletPort: 10_250,
  cgroup: '/',
  labels: {},
  taints: [],
};

/** For those alone that ask for it, as a node with an address of its own or much memory is. */
export const secondNode: ClusterNode = {
  name: `${nodeName}-second`,
  programs: { containerd: 'containerd-second', kubelet: 'kubelet-second' },
  directory: join(clusterDirectory, 'second'),
  runtimeDirectory: join(runtimeDirectory, 'second'),
  kubeletPort: 10_350,
  // Each kubelet takes pods that it does not know for left over; those below a name like this one it does not see.
  cgroup: join(PODS_CGROUP, 'second'),
  labels: { 'example.com/egress': 'fixed' },
  taints: [{ key: 'example.com/reserved', value: 'crawls', effect: 'NoSchedule' }],
};

export function runtimeSocket(node: ClusterNode): string {
  return join(node.runtimeDirectory, 'containerd.sock');
}

export function kubeletDirectory({ directory }: ClusterNode): string {
  return join(directory, 'kubelet');
}
