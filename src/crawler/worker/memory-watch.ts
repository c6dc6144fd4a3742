// Watches the control group's memory, so that the worker gives some back, or ends in order, before the kernel kills it.
import type { MemoryUse } from './cgroup.ts';

/** A page can fill 5 % of a gibibyte in less time than a quarter of a second. */
export const LOOK_EVERY_MS = 100;
/** A recycled browser needs time to give its memory back. */
const RECYCLE_PAUSE_MS = 10_000;

/** What the use of memory calls for: nothing, a fresh browser, a fresh worker, or to end the browser at once. */
export type MemoryNeed = 'None' | 'FreshBrowser' | 'FreshWorker' | 'Emergency';

/** By share of the limit. The last one is for a page that eats memory faster than pages under way can be finished. */
const MARKS: readonly (readonly [share: number, need: MemoryNeed])[] = [
  [0.95, 'Emergency'],
  [0.9, 'FreshWorker'],
  [0.8, 'FreshBrowser'],
];

export function memoryNeed({ used, limit }: MemoryUse): MemoryNeed {
  return MARKS.find(([share]) => used >= share * limit)?.[1] ?? 'None';
}

export type MemoryActions = {
  readonly freshBrowser: () => void;
  /** Called at most once. */
  readonly freshWorker: (use: MemoryUse) => void;
  /** Called at most once. */
  readonly emergency: () => void;
};

/** Looks ten times a second until it is ended. */
export function watchMemory(read: () => MemoryUse, actions: MemoryActions): { readonly end: () => void } {
  let recycledAt = Number.NEGATIVE_INFINITY;
  let isStopping = false;

  const timer = setInterval(() => {
    const use = read();
    const need = memoryNeed(use);
    if (need === 'None') return;
    if (need === 'FreshBrowser') {
      if (isStopping || performance.now() - recycledAt < RECYCLE_PAUSE_MS) return;
      recycledAt = performance.now();
      actions.freshBrowser();
      return;
    }
    if (!isStopping) actions.freshWorker(use);
    isStopping = true;
    if (need === 'Emergency') {
      clearInterval(timer);
      actions.emergency();
    }
  }, LOOK_EVERY_MS);
  return { end: () => clearInterval(timer) };
}
