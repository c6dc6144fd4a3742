// Cgroups of pods: one folder with cgroup v2, one for each controller with v1. Processes of pods are found by them, also those whose container
// runtime is gone.
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sendSignal } from './signals.ts';

const ROOT = '/sys/fs/cgroup';

/** A cgroup that a kubelet may be given as its root: it makes its own below, but not that. */
export async function makeCgroup(cgroup: string): Promise<void> {
  for (const folder of await foldersOf(cgroup)) await mkdir(folder, { recursive: true });
}

/** Removes the cgroup and those below, but for what is still in use. */
export async function removeCgroup(cgroup: string): Promise<void> {
  for (const folder of await foldersOf(cgroup)) await removeFolder(folder);
}

async function foldersOf(cgroup: string): Promise<string[]> {
  const isV2 = (await readdir(ROOT)).includes('cgroup.controllers');
  const hierarchies = isV2 ? [''] : await readdir(ROOT);
  return hierarchies.map((controller) => join(ROOT, controller, cgroup));
}

async function removeFolder(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeFolder(join(path, entry.name));
  // A cgroup folder goes by rmdir alone; one that is still in use goes with its last process.
  await rmdir(path).catch(() => undefined);
}

/** Kills all processes in the cgroup and below; resolves when none is left. */
export async function endProcessesIn(cgroup: string, signal: AbortSignal): Promise<void> {
  for (let pids = await processesIn(cgroup); pids.length > 0; pids = await processesIn(cgroup)) {
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    await delay(50, undefined, { signal });
  }
}

async function processesIn(cgroup: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const inside = await Promise.all(pids.map((pid) => isIn(cgroup, pid)));
  return pids.filter((_, index) => inside[index]);
}

async function isIn(cgroup: string, pid: number): Promise<boolean> {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  // One that has ended and waits for its parent to notice (state Z) cannot be ended again.
  const [cgroups, stat] = await Promise.all([read('cgroup'), read('stat')]);
  return cgroups.includes(`:${cgroup}/`) && !/\) Z /.test(stat);
}
