// The database's clock as a worker or a gateway knows it, steady enough to space requests by.
import type { Place } from './worker-store.ts';

/** How fast two clocks may drift apart: what was seen a minute ago is known to a millisecond less. */
const DRIFT = 20e-6;
/** After so long without a look at the clock alone it is time for one, or for some more until it is known well. */
const LOOK_EVERY_MS = 3_000;
const WELL_KNOWN_MS = 1;
const FIRST_LOOKS = 20;
const LATER_LOOKS = 3;

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
  #looksLeft = FIRST_LOOKS;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #boundedAt = 0;
  #known = UNKNOWN;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether it is time for a look at the clock alone: other answers are slower, and tell less. */
  get needsLook(): boolean {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) return true;
    const { least, most } = this.#bounds();
    return this.#looksLeft > 0 && most - least > WELL_KNOWN_MS;
  }

  /** Notes an answer to the question for the database's time, which has just arrived. */
  look(times: AnswerTimes): void {
    const isLater = this.#now() - this.#lookedAt >= LOOK_EVERY_MS && this.#looksLeft <= 0;
    this.#looksLeft = (isLater ? LATER_LOOKS : this.#looksLeft) - 1;
    this.#lookedAt = this.#now();
    this.#bound(times);
  }

  /** Notes an answer that has just arrived, whose turns were placed at its `moment`. */
  observe(times: AnswerTimes): void {
    this.#bound(times);
    this.#recent.push(this.#now() - times.moment);
    if (this.#recent.length > RECENT_ANSWERS) this.#recent.shift();
  }

  /** Looks at the clock as often as is needed now, each time by one question. Rejects with what the question does. */
  async lookAsNeeded(ask: () => Promise<AnswerTimes>): Promise<void> {
    while (this.needsLook) this.look(await ask());
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

  #bounds(): Bounds {
    const drift = DRIFT * (this.#now() - this.#boundedAt);
    return { least: this.#known.least - drift, most: this.#known.most + drift };
  }
}

function intersection(a: Bounds, b: Bounds): Bounds {
  return { least: Math.max(a.least, b.least), most: Math.min(a.most, b.most) };
}
