// Memory of a process and all that it started: the sum of their proportional set sizes, so that shared pages count once.
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL_MS = 500;

export type MemoryWatch = {
  /** Ends the watch; the most there ever was, in MB. */
  readonly stop: () => Promise<number>;
};

export function watchMemory(rootPids: readonly number[]): MemoryWatch {
  let peakKb = 0;
  const ended = new AbortController();

  async function watch(): Promise<void> {
    while (!ended.signal.aborted) {
      peakKb = Math.max(peakKb, await treeKb(rootPids));
      await sleep(INTERVAL_MS, undefined, { signal: ended.signal }).catch(() => {});
    }
  }

  const watching = watch();
  return {
    async stop() {
      ended.abort();
      await watching;
      return peakKb / 1_024;
    },
  };
}

async function treeKb(rootPids: readonly number[]): Promise<number> {
  const parents = await parentsByPid();
  const isOurs = (pid: number): boolean =>
    rootPids.includes(pid) || (parents.has(pid) && isOurs(parents.get(pid) ?? 0));
  const sizes = await Promise.all([...parents.keys()].filter(isOurs).map(proportionalKb));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function parentsByPid(): Promise<Map<number, number>> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const parents = new Map<number, number>();
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined); // it may have ended
    // Fields are counted after the name, which may hold spaces.
    if (stat !== undefined) parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  return parents;
}

async function proportionalKb(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
}
