// The database's clock as a worker or a gateway knows it, steady enough to space requests by.
import type { Place } from './worker-store.ts';

/** How fast two clocks may drift apart: what was seen a minute ago is known to a millisecond less. */
const DRIFT = 20e-6;
/** How well it is worth to be known; and how well for a place at a host: by so much of the time for which that is good. */
export const FINEST_MS = 1;
const SHARE_OF_PLACE = 0.2;
/** Looks of one clock that does not become known well enough: so many at once, and as many a minute. */
const LOOKS_PER_MINUTE = 20;

/** So many answers tell how late they come at worst. */
const RECENT_ANSWERS = 32;

/** What is taken for granted, and what is before a few answers were seen: the first ones take longest. */
const ORDINARY_LATENESS_MS = 25;
const FIRST_LATENESS_MS = 100;
const FIRST_ANSWERS = 8;

/** A place is good for so long at least, however little is known of the clocks; or nothing could ever be sent. */
const LEAST_WINDOW_MS = 1;

/**
 * An answer's times: when it was asked for by our clock; the database's own showed `moment` at the latest when it was looked at
 * first, and `now` at least when it was looked at last.
 */
export type AnswerTimes = { readonly asked: number; readonly moment: number; readonly now: number };

/** A place at a host, by the database's clock: from when until when it may be asked; without end where `sendBy` is left out. */
export type Turn = { readonly turn: number; readonly sendBy?: number | undefined };

/**
 * How well, in milliseconds, the clock has to be known for these places. The less it is, the shorter the time becomes in which
 * they surely are good; those without end do not need it.
 */
export function precisionFor(turns: readonly Turn[]): number {
  const lengths = turns.map(({ turn, sendBy = Number.POSITIVE_INFINITY }) => sendBy - turn);
  return Math.max(FINEST_MS, SHARE_OF_PLACE * Math.min(...lengths));
}

/** By how much our clock is ahead of the database's: at least, and at most. */
type Bounds = { readonly least: number; readonly most: number };

const UNKNOWN: Bounds = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };

/**
 * Turns times of the database's clock into times of ours. A question is asked before the database looks at its clock, and the
 * answer comes after that: each bounds the difference of the two clocks from one side, and the quickest ones by little.
 */
export class DatabaseClock {
  readonly #now: () => number;
  readonly #recent: number[] = [];
  #looksLeft = LOOKS_PER_MINUTE;
  #countedAt: number;
  #boundedAt = 0;
  #known = UNKNOWN;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#countedAt = now();
  }

  /**
   * Whether it is to be looked at, to know it to so many milliseconds. Each answer tells something of it, but those that had to
   * wait or to work for long tell less than a look.
   */
  needsLook(precisionMs: number): boolean {
    const { least, most } = this.#bounds();
    return most - least > precisionMs && this.#countLooks() >= 1;
  }

  /** Notes an answer to the question for the database's time, which has just arrived. */
  look(times: AnswerTimes): void {
    this.#looksLeft = Math.max(0, this.#countLooks() - 1);
    this.#bound(times);
  }

  /** Notes an answer that has just arrived, whose turns were placed at its `moment`. */
  observe(times: AnswerTimes): void {
    this.#bound(times);
    this.#recent.push(this.#now() - times.moment);
    if (this.#recent.length > RECENT_ANSWERS) this.#recent.shift();
  }

  /** Looks at the clock until it is known so well or enough was tried, each time by one question. Rejects as the question does. */
  async lookAsNeeded(precisionMs: number, ask: () => Promise<AnswerTimes>): Promise<void> {
    while (this.needsLook(precisionMs)) this.look(await ask());
  }

  /** What the database's clock shows now, at least and at most. */
  reading(): { readonly now: number; readonly moment: number } {
    const { least, most } = this.#bounds();
    return { now: this.#now() - most, moment: this.#now() - least };
  }

  /** How many milliseconds after their turns were placed answers come, at worst. */
  lateness(): number {
    const least = this.#recent.length < FIRST_ANSWERS ? FIRST_LATENESS_MS : ORDINARY_LATENESS_MS;
    return Math.max(least, ...this.#recent.map((since) => since - this.#bounds().least));
  }

  /**
   * By our clock: when the database's is surely past `turn`, and until when it surely is not past `end`; but a window is
   * never shorter than a millisecond.
   */
  window(turn: number, end?: number): Place {
    const { least, most } = this.#bounds();
    const from = turn + most;
    return end === undefined ? { from } : { from, by: Math.max(end + least, from + LEAST_WINDOW_MS) };
  }

  #bound({ asked, moment, now }: AnswerTimes): void {
    const seen = { least: asked - moment, most: this.#now() - now };
    const known = intersection(this.#bounds(), seen);
    const wasSet = known.least > known.most;
    if (wasSet) this.#recent.length = 0;
    this.#known = wasSet ? seen : known;
    this.#boundedAt = this.#now();
  }

  #countLooks(): number {
    const now = this.#now();
    this.#looksLeft = Math.min(
      LOOKS_PER_MINUTE,
      this.#looksLeft + ((now - this.#countedAt) / 60_000) * LOOKS_PER_MINUTE,
    );
    this.#countedAt = now;
    return this.#looksLeft;
  }

  #bounds(): Bounds {
    const drift = DRIFT * (this.#now() - this.#boundedAt);
    return { least: this.#known.least - drift, most: this.#known.most + drift };
  }
}

function intersection(a: Bounds, b: Bounds): Bounds {
  return { least: Math.max(a.least, b.least), most: Math.min(a.most, b.most) };
}
