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

/** The group's own folder where the whole hierarchy is seen; in a container that sees only its group, the top. */
function* memoryFiles(root: string): Generator<Files> {
  const groups = readText(join(root, 'proc/self/cgroup')) ?? '';
  const inVersion1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  const inVersion2 = /^0::(.*)$/m.exec(groups)?.[1];
  for (const path of [inVersion1, ''].filter((path) => path !== undefined)) {
    const directory = join(root, 'sys/fs/cgroup/memory', path);
    yield {
      directory,
      limit: 'memory.limit_in_bytes',
      used: 'memory.usage_in_bytes',
      reclaimable: 'total_inactive_file',
    };
  }
  for (const path of [inVersion2, ''].filter((path) => path !== undefined)) {
    const directory = join(root, 'sys/fs/cgroup', path);
    yield { directory, limit: 'memory.max', used: 'memory.current', reclaimable: 'inactive_file' };
  }
}

function usedBytes({ directory, used, reclaimable }: Files): number {
  const total = Number(readText(join(directory, used)) ?? 0);
  const stat = readText(join(directory, 'memory.stat')) ?? '';
  const cache = Number(new RegExp(`^${reclaimable} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return Math.max(total - cache, 0);
}

/** Undefined where there is no such file, or none that may be read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
