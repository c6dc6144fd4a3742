// When a page that has loaded is read. Its scripts may still be about to show what they fetched; nothing says so, and what
// is not waited for is lost in silence. So what the page does is looked at again and again, for a bounded time.

/** What is known of a loaded page. */
export type PageState = {
  /** Whether all that is to be read of it is there: the plan's selectors match, or it has a heading. */
  readonly hasWanted: boolean;
  /** Whether an answer that its scripts wait for is under way, or a document of a frame, or a navigation. */
  readonly isLoading: boolean;
  /** Until the last timer of those that it waits for, in milliseconds; 0 without one. */
  readonly timerMs: number;
  /** Since its document was changed last, as far as it was seen; see `quietSoFar`. */
  readonly unchangedMs: number;
  /** Whether it has workers, whose timers nobody sees, or an open stream. */
  readonly hasSources: boolean;
  /** Since the load event. */
  readonly elapsedMs: number;
};

/** However busy it is, a page is read after this time. */
const LONGEST_MS = 5_000;
/** A page with all that is wanted which has not changed for so long is busy with something else. */
const BUSY_ELSEWHERE_MS = 2_000;
/** What a page gets to show what has come: with all that is wanted, and without. */
const SHOW_MS = 50;
const SHOW_WANTED_MS = 500;
/** Pages with all that is wanted do not have to wait for timers that are later than this. */
const NEAR_TIMER_MS = 500;
/** How often a page is looked at. */
const LOOK_MS = 50;

/** @returns how long to wait before the next look, in milliseconds; 0: the page is to be read */
export function nextLook(state: PageState): number {
  const { hasWanted, isLoading, timerMs, unchangedMs, hasSources, elapsedMs } = state;
  if (elapsedMs >= LONGEST_MS) return 0;
  if (hasWanted && unchangedMs >= BUSY_ELSEWHERE_MS) return 0;
  const isTimed = timerMs > 0 && timerMs <= (hasWanted ? NEAR_TIMER_MS : LONGEST_MS);
  if (isLoading || isTimed) return LOOK_MS;
  const neededMs = (hasWanted ? SHOW_MS : SHOW_WANTED_MS) * (hasSources ? 2 : 1);
  return unchangedMs >= neededMs ? 0 : Math.min(LOOK_MS, neededMs - unchangedMs);
}

/**
 * For how long a page has been seen to be as it is. One that stands still (a busy processor, a script that waits for its answer)
 * cannot change, and is not quiet for it: such a time counts as two looks.
 * @param before what was known at the look before
 * @param sinceLookMs since then
 * @param unchangedMs since the document was changed, by the page's clock
 */
export function quietSoFar(before: number, sinceLookMs: number, unchangedMs: number): number {
  const isUnchanged = unchangedMs >= sinceLookMs;
  return isUnchanged ? before + Math.min(sinceLookMs, 2 * LOOK_MS) : Math.min(unchangedMs, 2 * LOOK_MS);
}
