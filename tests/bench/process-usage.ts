// What a process uses, from /proc: memory, processor time, file descriptors.
import { readdir, readFile } from 'node:fs/promises';

/** Kernel ticks a second, as /proc counts processor time; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Resident memory in MB: now, and the most there ever was. */
export async function memoryMb(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const megabytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
}

/** Seconds of processor time since the process began, of all of its threads. */
export async function processorSeconds(pid: number): Promise<number> {
  return (await statOf(pid)).seconds;
}

/** As processorSeconds, of the processes that this one started and that have ended. */
export async function processorSecondsOfEnded(pid: number): Promise<number> {
  return (await statOf(pid)).endedSeconds;
}

async function statOf(pid: number): Promise<{ name: string; parent: number; seconds: number; endedSeconds: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Fields are counted after the name, which may hold spaces.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return {
    name: stat.slice(stat.indexOf('(') + 1, end),
    parent: Number(fields[1]),
    seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    endedSeconds: (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND,
  };
}

/** Seconds of processor time of all processes that this one started, by program. */
export async function processorSecondsByProgram(): Promise<Map<string, number>> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const stats = new Map<number, Awaited<ReturnType<typeof statOf>>>();
  for (const pid of pids) {
    const stat = await statOf(pid).catch(() => undefined); // it may have ended
    if (stat) stats.set(pid, stat);
  }
  const isOurs = (pid: number): boolean => {
    const parent = stats.get(pid)?.parent ?? 0;
    return parent === process.pid || (parent > 1 && isOurs(parent));
  };
  const seconds = new Map<string, number>();
  for (const [pid, stat] of stats) {
    if (isOurs(pid)) seconds.set(stat.name, (seconds.get(stat.name) ?? 0) + stat.seconds);
  }
  return seconds;
}

/** What each program used between two such measurements, the most first. */
export function difference(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const used = [...after].map(([name, seconds]): [string, number] => [name, seconds - (before.get(name) ?? 0)]);
  return Object.fromEntries(used.sort(([, a], [, b]) => b - a).map(([name, s]) => [name, Math.round(s * 100) / 100]));
}

export async function fileDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
