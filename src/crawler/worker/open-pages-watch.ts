// Lets the number of open pages follow what the worker's processors and memory carry.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { type LoadSample, loadBetween } from './load.ts';
import { adapt, firstOpenPages, startWith, strainOf } from './open-pages.ts';
import type { PageSlots } from './worker.ts';

/** Twenty of the periods in which the kernel allots processor time. */
const LOOK_EVERY_MS = 2_000;

export type OpenPagesWatch = PageSlots & {
  /** The spec wants another number of them from now on. */
  readonly change: (most: number) => void;
  readonly end: () => void;
};

/**
 * @param read looks at the kernel's counters
 * @param onChange called with the number at first and after each change
 */
export function watchOpenPages(
  { concurrency, fetch }: Pick<CrawlRunSpec, 'concurrency' | 'fetch'>,
  read: () => LoadSample,
  log: Logger,
  onChange: (pages: number) => void,
): OpenPagesWatch {
  let most = concurrency;
  let before = read();
  const capacity = { cpus: before.cpus, memory: before.memory.limit };
  let now = startWith(firstOpenPages(most, fetch.render, capacity));
  /** Pages that are open, and the most since the last look. */
  let taken = 0;
  let mostTaken = 0;
  onChange(now.open);
  if (now.open < most) log.info({ concurrency: most, pages: now.open, ...capacity }, 'this pod carries fewer pages');

  function look(): void {
    const after = read();
    const load = loadBetween(before, after);
    const elapsedMs = after.at - before.at;
    const isFull = mostTaken >= now.open;
    before = after;
    mostTaken = taken;
    // Pages from before a step down are still open: this is not yet what the step has brought.
    if (taken > now.open) return;
    const next = adapt(now, load, { most, isFull, elapsedMs });
    if (next.open !== now.open) {
      const reason = strainOf(load);
      const message = reason === undefined ? 'more pages at once' : 'fewer pages at once';
      onChange(next.open);
      log.info({ pages: next.open, before: now.open, ...(reason === undefined ? {} : { reason }), ...load }, message);
    }
    now = next;
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    open: () => now.open,
    taken(count) {
      taken = count;
      mostTaken = Math.max(mostTaken, count);
    },
    change(wanted) {
      const first = firstOpenPages(wanted, fetch.render, capacity);
      // Where the load had taken places away, more come back step by step.
      const open = wanted > most && now.open === most ? first : Math.min(now.open, wanted);
      most = wanted;
      if (open === now.open) return;
      log.info({ pages: open, before: now.open }, 'another concurrency');
      now = startWith(open);
      onChange(open);
    },
    end: () => clearInterval(timer),
  };
}
