// Whether nobody is to crawl for a run any more, apart from what is asked of it. Pure function.
import type { RunSnapshot } from '../../store/operator-store.ts';

/** It has ended, or its pages have and its file is being written. */
export function isCrawlOver({ state, output }: Pick<RunSnapshot, 'state' | 'output'>): boolean {
  return state === 'Finished' || output?.due === true;
}
