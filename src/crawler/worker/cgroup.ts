// What the kernel lets this process and its children use, and how much they use of it: the control group's files, in
// version 2 (one hierarchy) and version 1 (one for each controller).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type MemoryUse = {
  /** Bytes that cannot be given back when the limit comes near: page cache that is not in use is left out. */
  readonly used: number;
  /** Bytes beyond which the out-of-memory killer comes. */
  readonly limit: number;
};

type Files = {
  readonly directory: string;
  readonly limit: string;
  readonly used: string;
  /** Name in memory.stat of what the kernel takes back by itself. */
  readonly reclaimable: string;
};

/** Version 1 has no word for "unlimited", only a number larger than any memory. */
const UNLIMITED = 2 ** 60;

/** Finds the group once; undefined where memory is not limited. Reading what is used costs two small files. */
export function findMemoryLimit(root = '/'): { readonly read: () => MemoryUse } | undefined {
  for (const files of memoryFiles(root)) {
    const limit = Number(readText(join(files.directory, files.limit)));
    if (limit > 0 && limit < UNLIMITED) return { read: () => ({ limit, used: usedBytes(files) }) };
  }
  return undefined;
}

function* memoryFiles(root: string): Generator<Files> {
  for (const directory of directoriesOf('memory', root)) {
    const reclaimable = 'total_inactive_file';
    yield { directory, limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', reclaimable };
  }
  for (const directory of directoriesOf(undefined, root)) {
    yield { directory, limit: 'memory.max', used: 'memory.current', reclaimable: 'inactive_file' };
  }
}

function usedBytes({ directory, used, reclaimable }: Files): number {
  const total = Number(readText(join(directory, used)) ?? 0);
  const stat = readText(join(directory, 'memory.stat')) ?? '';
  const cache = Number(new RegExp(`^${reclaimable} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return Math.max(total - cache, 0);
}

export type CpuUse = {
  /** Processors' worth of time that the group may use; absent where its time is not limited. */
  readonly limit?: number;
  /** Milliseconds of processor time that it has used since it was made; absent where the group may be the whole machine. */
  readonly usedMs?: number;
};

export function readCpu(root = '/'): CpuUse {
  return cpuInVersion1(root) ?? cpuInVersion2(root) ?? {};
}

/** Only where it is limited: without a limit nothing tells the top group from another one. */
function cpuInVersion1(root: string): CpuUse | undefined {
  for (const directory of directoriesOf('cpu', root)) {
    const quota = readNumber(join(directory, 'cpu.cfs_quota_us'));
    const period = readNumber(join(directory, 'cpu.cfs_period_us'));
    if (quota > 0 && period > 0) return { limit: quota / period, ...usedInVersion1(root) };
  }
  return undefined;
}

function usedInVersion1(root: string): Pick<CpuUse, 'usedMs'> {
  const [nanoseconds] = directoriesOf('cpuacct', root)
    .map((directory) => readNumber(join(directory, 'cpuacct.usage')))
    .filter((number) => !Number.isNaN(number));
  return nanoseconds === undefined ? {} : { usedMs: nanoseconds / 1e6 };
}

/** The top group has no limits, and no file for them. */
function cpuInVersion2(root: string): CpuUse | undefined {
  for (const directory of directoriesOf(undefined, root)) {
    const [quota, period] = readText(join(directory, 'cpu.max'))?.split(' ').map(Number) ?? [];
    if (quota === undefined || period === undefined) continue;
    const usedMs = numberIn(readText(join(directory, 'cpu.stat')), /^usage_usec (\d+)$/m) / 1e3;
    return { ...(quota > 0 ? { limit: quota / period } : {}), ...(Number.isNaN(usedMs) ? {} : { usedMs }) };
  }
  return undefined;
}

/**
 * Milliseconds in which `some` task of the group, or the `full` group, stood still for want of a resource (the kernel's
 * pressure stall information), since the group was made; the machine's where groups are not counted, 0 where nobody does.
 */
export function readStalls(resource: 'cpu' | 'memory', share: 'some' | 'full', root = '/'): number {
  const files = directoriesOf(undefined, root).map((directory) => join(directory, `${resource}.pressure`));
  for (const file of [...files, join(root, 'proc/pressure', resource)]) {
    const microseconds = numberIn(readText(file), new RegExp(`^${share} .*total=(\\d+)$`, 'm'));
    if (!Number.isNaN(microseconds)) return microseconds / 1e3;
  }
  return 0;
}

/** Milliseconds in which the main thread was ready and did not run: others did, or the quota was used up. */
export function readMainThreadWait(root = '/'): number {
  return numberIn(readText(join(root, 'proc/self/schedstat')), /^\d+ (\d+)/) / 1e6 || 0;
}

/**
 * The group's own folder where the whole hierarchy is seen; in a container that sees only its group, the top.
 * @param controller of version 1; version 2 has one hierarchy for all
 */
function directoriesOf(controller: string | undefined, root: string): string[] {
  const groups = readText(join(root, 'proc/self/cgroup')) ?? '';
  const line =
    controller === undefined ? /^0::(.*)$/m : new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, 'm');
  const own = line.exec(groups)?.[1];
  const top = join(root, 'sys/fs/cgroup', controller ?? '');
  return own === undefined ? [top] : [join(top, own), top];
}

function readNumber(path: string): number {
  return Number(readText(path) ?? Number.NaN);
}

/** The pattern's first group; not a number where the text has none. */
function numberIn(text: string | undefined, pattern: RegExp): number {
  return Number(pattern.exec(text ?? '')?.[1] ?? Number.NaN);
}

/** Undefined where there is no such file, or none that may be read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
