// How many pages a worker has open at once, up to what the spec wants: at first as many as its processors and memory
// should carry, then fewer as soon as they do not, and step by step more when they do. See
// docs/decisions/0018-open-pages.md.
import type { Load } from './load.ts';

/** What pages cost, generously: pages that wait for their servers cost little, and most pages mostly wait. */
const COST = {
  HTTP: { pagesPerCpu: 64, workerBytes: 128 * 2 ** 20, pageBytes: 8 * 2 ** 20 },
  Browser: { pagesPerCpu: 8, workerBytes: 320 * 2 ** 20, pageBytes: 64 * 2 ** 20 },
};

export type Capacity = {
  /** Processors' worth of time. */
  readonly cpus: number;
  /** In bytes. */
  readonly memory: number;
};

/** @param wanted the spec's `concurrency`; at least one page is open, however little there is */
export function firstOpenPages(
  wanted: number,
  render: 'Auto' | 'Browser' | 'HTTP',
  { cpus, memory }: Capacity,
): number {
  const cost = COST[render === 'HTTP' ? 'HTTP' : 'Browser'];
  const byCpu = Math.ceil(cpus * cost.pagesPerCpu);
  const byMemory = Math.floor((memory - cost.workerBytes) / cost.pageBytes);
  return Math.max(1, Math.min(wanted, byCpu, byMemory));
}

/** What keeps the worker from opening more pages. */
export type Strain = 'Memory' | 'CPU';

/**
 * Busy processors are what a crawl is for: they are too few only when the worker stands still half of the time beside.
 * Memory: where the browser is recycled, since a new one would fill up in the same way.
 */
export function strainOf({ cpu, cpuStall, memory, memoryStall }: Load): Strain | undefined {
  if (memory >= 0.8 || memoryStall >= 0.2) return 'Memory';
  return cpu >= 0.9 && cpuStall >= 0.5 ? 'CPU' : undefined;
}

/** Whether more pages may bring something, and are far enough from a strain. */
export function isAtEase({ cpu, memory, memoryStall }: Load): boolean {
  return cpu < 0.85 && memory < 0.7 && memoryStall < 0.05;
}

/** How long the load has to be low before more pages are tried: at first, and at most, after repeated failures. */
const FIRST_PATIENCE_MS = 5_000;
const MOST_PATIENCE_MS = 160_000;

export type OpenPages = {
  /** Pages that may be open at once. */
  readonly open: number;
  /** How many of them are there on trial: the last step up. */
  readonly onTrial: number;
  readonly atEaseMs: number;
  readonly patienceMs: number;
};

export function startWith(open: number): OpenPages {
  return { open, onTrial: 0, atEaseMs: 0, patienceMs: FIRST_PATIENCE_MS };
}

/**
 * The next number of pages, after some time under a load. A strain that follows a step up takes that step back, and the
 * next one is tried after twice the time, so that a load that stays the same gives a number that stays the same; any
 * other strain takes a quarter away.
 * @param most the spec's `concurrency`
 * @param isFull whether pages were waiting for a place: otherwise nothing is learnt about more of them
 */
export function adapt(
  now: OpenPages,
  load: Load,
  { most, isFull, elapsedMs }: { readonly most: number; readonly isFull: boolean; readonly elapsedMs: number },
): OpenPages {
  const { open, onTrial, patienceMs } = now;
  if (strainOf(load) !== undefined) {
    const fewer = onTrial > 0 ? open - onTrial : Math.floor((open * 3) / 4);
    const patience = onTrial > 0 ? Math.min(2 * patienceMs, MOST_PATIENCE_MS) : patienceMs;
    return { open: Math.max(1, fewer), onTrial: 0, atEaseMs: 0, patienceMs: patience };
  }
  if (!isAtEase(load)) return { ...now, atEaseMs: 0 };
  if (!isFull) return now;
  const atEaseMs = now.atEaseMs + elapsedMs;
  if (atEaseMs < patienceMs) return { ...now, atEaseMs };
  const step = Math.min(Math.max(1, Math.floor(open / 8)), most - open);
  // The last step has stood its trial.
  const patience = onTrial > 0 ? Math.max(patienceMs / 2, FIRST_PATIENCE_MS) : patienceMs;
  return { open: open + step, onTrial: step, atEaseMs: 0, patienceMs: patience };
}
