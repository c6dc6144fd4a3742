// Removes every trace of the native cluster, whatever state it is in: processes, mounts, cgroups, network, files.
import { readdir, readFile, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { clusterDirectory } from '../setup/paths.mjs';
import type { Step, StepContext } from '../steps.ts';
import { endProcessesIn, removeCgroup } from './cgroups.ts';
import { findDaemons, stopDaemons } from './daemons.ts';
import { removeNetwork } from './network.ts';
import { removeFirewall } from './network-policies.ts';
import { firstNode, kubeletDirectory, PODS_CGROUP, runtimeDirectory } from './nodes.ts';

export function downSteps(): Step[] {
  return [
    { title: 'Stop Kubernetes', timeoutSeconds: 60, run: stopKubernetes },
    { title: 'End the pods', timeoutSeconds: 60, run: endPods },
    { title: 'Unmount', timeoutSeconds: 30, run: unmountAll },
    {
      title: 'Remove the network',
      timeoutSeconds: 30,
      run: async ({ signal }) => {
        await removeFirewall(signal);
        await removeNetwork(signal);
        return undefined;
      },
    },
    { title: 'Remove the files', timeoutSeconds: 60, run: removeFiles },
  ];
}

/** By force: what they would still write is removed below. Containerd stays for as long as its shims do. */
async function stopKubernetes(): Promise<undefined> {
  await stopDaemons(
    (await findDaemons()).filter(({ name }) => !name.startsWith('containerd')),
    'SIGKILL',
  );
}

/** The containers are found by the kubelet's cgroup, so that those whose shim was killed are ended too. */
async function endPods({ signal }: StepContext): Promise<undefined> {
  const daemons = await findDaemons();
  // Without a daemon and without files there was no cluster, and pods on this machine are not ours.
  if (daemons.length === 0 && !(await exists(kubeletDirectory(firstNode)))) return undefined;
  await stopDaemons(
    daemons.filter(({ name }) => name.startsWith('containerd') && !name.startsWith('containerd-shim')),
    'SIGKILL',
  );
  await endProcessesIn(PODS_CGROUP, signal);
  await stopDaemons(await findDaemons(), 'SIGKILL');
  await removeCgroup(PODS_CGROUP);
}

async function exists(directory: string): Promise<boolean> {
  return (await readdir(directory).catch(() => undefined)) !== undefined;
}

async function unmountAll({ signal }: StepContext): Promise<undefined> {
  const roots = [clusterDirectory, runtimeDirectory];
  const points = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((point) => roots.some((root) => point === root || point.startsWith(`${root}/`)));
  // Deepest first; lazily, because a dying process may still stand in one.
  for (const point of points.reverse()) await execa('umount', ['--lazy', point], { cancelSignal: signal });
}

async function removeFiles(): Promise<undefined> {
  await rm(runtimeDirectory, { recursive: true, force: true });
  await rm(clusterDirectory, { recursive: true, force: true });
}
