// How much processor time and memory the worker and its browser use, and how long they wait for either: shares between
// two readings of the kernel's counters.
import { availableParallelism, freemem, totalmem } from 'node:os';
import { findMemoryLimit, readCpu, readMainThreadWait, readStalls } from './cgroup.ts';

export type Load = {
  /** Processor time used, as a share of what may be used. */
  readonly cpu: number;
  /** Share of the time in which the worker was ready to go on and no processor took it up. */
  readonly cpuStall: number;
  /** Bytes used, as a share of what may be used. */
  readonly memory: number;
  /** Share of the time in which some thread waited for memory that the kernel had to find first. */
  readonly memoryStall: number;
};

export type LoadSample = {
  /** By `performance.now()`. Everything in milliseconds has grown since some beginning. */
  readonly at: number;
  readonly cpus: number;
  readonly cpuMs: number;
  readonly groupStallMs: number;
  readonly mainThreadStallMs: number;
  readonly memoryStallMs: number;
  /** In bytes. */
  readonly memory: { readonly used: number; readonly limit: number };
};

/** A look at the control group; at the machine for what the group does not limit. Limits may change while a pod lives. */
export function readLoad(root = '/'): LoadSample {
  const { limit = Number.POSITIVE_INFINITY, usedMs = ownCpuMs() } = readCpu(root);
  return {
    at: performance.now(),
    cpus: Math.min(limit, availableParallelism()),
    cpuMs: usedMs,
    // Throttling is in it: then the whole group stands still. Of a machine it is always 0.
    groupStallMs: readStalls('cpu', 'full', root),
    mainThreadStallMs: readMainThreadWait(root),
    memoryStallMs: readStalls('memory', 'some', root),
    memory: findMemoryLimit(root)?.read() ?? { used: totalmem() - freemem(), limit: totalmem() },
  };
}

/** What the process alone has used: of the machine's use nobody knows whose it is. */
function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

/** What happened between two looks; some time has to lie between them. */
export function loadBetween(before: LoadSample, after: LoadSample): Load {
  const elapsed = after.at - before.at;
  const share = (ms: number) => Math.max(0, Math.min(ms / elapsed, 1));
  return {
    cpu: (after.cpuMs - before.cpuMs) / (elapsed * after.cpus),
    cpuStall: Math.max(
      share(after.groupStallMs - before.groupStallMs),
      share(after.mainThreadStallMs - before.mainThreadStallMs),
    ),
    memory: after.memory.used / after.memory.limit,
    memoryStall: share(after.memoryStallMs - before.memoryStallMs),
  };
}
