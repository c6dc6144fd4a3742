// Removes every trace of the native cluster, whatever state it is in: processes, mounts, cgroups, network, files.
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { clusterDirectory } from '../setup/paths.mjs';
import type { Step, StepContext } from '../steps.ts';
import { runtimeDirectory } from './containerd.ts';
import { findDaemons, stopDaemons } from './daemons.ts';
import { removeNetwork } from './network.ts';
import { removeFirewall } from './network-policies.ts';
import { kubeletDirectory } from './node.ts';

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
  if (daemons.length === 0 && !(await exists(kubeletDirectory))) return undefined;
  await stopDaemons(
    daemons.filter(({ name }) => name === 'containerd'),
    'SIGKILL',
  );
  for (let pids = await podProcesses(); pids.length > 0; pids = await podProcesses()) {
    for (const pid of pids) killNow(pid);
    await delay(50, undefined, { signal });
  }
  await stopDaemons(await findDaemons(), 'SIGKILL');
  await removeCgroups();
}

async function exists(directory: string): Promise<boolean> {
  return (await readdir(directory).catch(() => undefined)) !== undefined;
}

async function podProcesses(): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const inPod = await Promise.all(pids.map(runsInPod));
  return pids.filter((_, index) => inPod[index]);
}

async function runsInPod(pid: number): Promise<boolean> {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  // One that has ended and waits for its parent to notice (state Z) cannot be ended again.
  const [cgroup, stat] = await Promise.all([read('cgroup'), read('stat')]);
  return /:\/kubepods\//.test(cgroup) && !/\) Z /.test(stat);
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** One hierarchy with cgroup v2, one for each controller with v1. */
async function removeCgroups(): Promise<void> {
  const root = '/sys/fs/cgroup';
  const hierarchies = ['', ...(await readdir(root))].map((controller) => join(root, controller, 'kubepods'));
  for (const hierarchy of hierarchies) await removeCgroup(hierarchy);
}

async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  // A cgroup folder goes by rmdir alone; one that is still in use goes with its last process.
  await rmdir(path).catch(() => undefined);
}

async function unmountAll({ signal }: StepContext): Promise<undefined> {
  const roots = [kubeletDirectory, join(clusterDirectory, 'containerd'), runtimeDirectory];
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
