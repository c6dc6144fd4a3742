// The decisions of the crawl loop, without its I/O: what to do with a free slot, and when to claim again.

/** When there is nothing to claim: other workers may find links at any time, but the database is not asked all the time. */
const FIRST_BACK_OFF_MS = 10;
const MAX_BACK_OFF_MS = 250;
/** Outcomes that may wait for their commit, in multiples of the slots, and at least; then no page is begun. */
const MAX_BACKLOG = 4;
const LEAST_BACKLOG = 100;

/** What a worker has in hand. Times are milliseconds of `performance.now()`. */
export type WorkInHand = {
  /** Pages that may be open at once, and those that are. */
  readonly slots: number;
  readonly busy: number;
  /** When the first claim in line may be begun; undefined when there is none. */
  readonly nextAt: number | undefined;
  /** Outcomes that are not in the database yet. */
  readonly uncommitted: number;
  /** No page is begun any more. */
  readonly isStopping: boolean;
};

export type SlotStep =
  /** Take the first claim in line. */
  | { readonly type: 'Begin' }
  /** Look again then. */
  | { readonly type: 'WaitUntil'; readonly at: number }
  /** Only a commit can bring work: its links, or room for more outcomes. */
  | { readonly type: 'Commit' }
  | { readonly type: 'Rest' };

export function slotStep({ slots, busy, nextAt, uncommitted, isStopping }: WorkInHand, now: number): SlotStep {
  if (busy >= slots) return { type: 'Rest' };
  if (nextAt === undefined || uncommitted >= Math.max(MAX_BACKLOG * slots, LEAST_BACKLOG)) return { type: 'Commit' };
  if (isStopping) return { type: 'Rest' };
  return nextAt <= now ? { type: 'Begin' } : { type: 'WaitUntil', at: nextAt };
}

/** When to ask the database for claims: at once, but after vain questions later each time. */
export class ClaimPace {
  #vain = 0;
  #at = 0;

  /** When to ask, by `performance.now()`. */
  get at(): number {
    return this.#at;
  }

  /** Claims were given. */
  succeeded(): void {
    this.#vain = 0;
  }

  /** There was nothing; `retryInMs` is what the database advises, 0 to ask again at once. */
  failed(retryInMs: number, now: number): void {
    if (retryInMs <= 0) return;
    const backOffMs = Math.min(FIRST_BACK_OFF_MS * 2 ** Math.min(this.#vain++, 10), MAX_BACK_OFF_MS);
    this.#at = now + Math.max(retryInMs, backOffMs);
  }

  /** There may be something now. */
  hurry(): void {
    this.#at = 0;
  }
}
