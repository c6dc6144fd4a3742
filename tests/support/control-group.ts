// A control group of the test's own, of either version, that gives processes only so much of the processors.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TOP = '/sys/fs/cgroup';
const PERIOD_US = 100_000;

export type ControlGroup = AsyncDisposable & {
  /** Takes a process in, with the children that it will have. */
  readonly add: (pid: number) => void;
  /** @param cpus processors' worth of time */
  readonly limitCpu: (cpus: number) => void;
};

/** Undefined where this process may not make one. Its processes have to have ended before it is disposed of. */
export function createControlGroup(name: string): ControlGroup | undefined {
  try {
    const isVersion2 = existsSync(join(TOP, 'cgroup.controllers'));
    if (isVersion2) writeFileSync(join(TOP, 'cgroup.subtree_control'), '+cpu');
    const folders = (isVersion2 ? [''] : ['cpu', 'cpuacct']).map((controller) => join(TOP, controller, name));
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    return groupOf(folders, isVersion2);
  } catch {
    return undefined;
  }
}

function groupOf(folders: readonly string[], isVersion2: boolean): ControlGroup {
  const [cpu = ''] = folders;
  return {
    add(pid) {
      for (const folder of folders) writeFileSync(join(folder, 'cgroup.procs'), String(pid));
    },
    limitCpu(cpus) {
      const quota = Math.round(cpus * PERIOD_US);
      if (isVersion2) writeFileSync(join(cpu, 'cpu.max'), `${quota} ${PERIOD_US}`);
      else writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(quota));
    },
    async [Symbol.asyncDispose]() {
      // The kernel lets go of a process a moment after its parent has heard of its end.
      for (const folder of folders) {
        while (readFileSync(join(folder, 'cgroup.procs'), 'utf8') !== '') await new Promise(setImmediate);
        rmdirSync(folder);
      }
    },
  };
}
