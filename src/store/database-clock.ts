// The database's clock as a worker knows it, steady enough to space requests by.

/** What was seen in this and in the last period counts: long enough for a quick answer, too short for clocks to drift. */
const PERIOD_MS = 10_000;
/** After so long without a look at the clock alone it is time for one, or for as many as it takes to know it well. */
const LOOK_EVERY_MS = 3_000;
const WELL_KNOWN_MS = 1;
const MOST_LOOKS = 5;

/** So many answers tell how late they come at worst. */
const RECENT_ANSWERS = 32;

/** What is taken for granted, and what is before a few answers were seen: the first ones take longest. */
const ORDINARY_LATENESS_MS = 25;
const FIRST_LATENESS_MS = 100;
const FIRST_ANSWERS = 8;

/** A place is good for so long at least, however little is known of the clocks; or nothing could ever be sent. */
const LEAST_WINDOW_MS = 1;

/** An answer's times: when it was asked for by our clock, and the first and last look at the database's own. */
export type AnswerTimes = { readonly asked: number; readonly moment: number; readonly now: number };

/** By how much our clock is ahead of the database's: at least, and at most. */
type Bounds = { readonly least: number; readonly most: number };

const UNKNOWN: Bounds = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };

/**
 * Turns times of the database's clock into waits. A question is asked before the database looks at its clock, and the
 * answer comes after that: each bounds the difference of the two clocks from one side, and the quickest ones by little.
 */
export class DatabaseClock {
  readonly #now: () => number;
  readonly #recent: number[] = [];
  #periodStart = Number.NEGATIVE_INFINITY;
  #looks = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #current = UNKNOWN;
  #before = UNKNOWN;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether it is time for a look at the clock alone: other answers are slower, and tell less. */
  get needsLook(): boolean {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) this.#looks = 0;
    const { least, most } = this.#bounds();
    return this.#looks === 0 || (this.#looks < MOST_LOOKS && most - least > WELL_KNOWN_MS);
  }

  /** Notes an answer to the question for the database's time, which has just arrived. */
  look(asked: number, databaseNow: number): void {
    this.#lookedAt = this.#now();
    this.#looks += 1;
    this.#bound({ asked, moment: databaseNow, now: databaseNow });
  }

  /** Notes an answer that has just arrived, whose turns were placed at its `moment`. */
  observe(times: AnswerTimes): void {
    this.#bound(times);
    this.#recent.push(this.#now() - times.moment);
    if (this.#recent.length > RECENT_ANSWERS) this.#recent.shift();
  }

  /** How many milliseconds after their turns were placed answers come, at worst. */
  lateness(): number {
    const least = this.#recent.length < FIRST_ANSWERS ? FIRST_LATENESS_MS : ORDINARY_LATENESS_MS;
    return Math.max(least, ...this.#recent.map((since) => since - this.#bounds().least));
  }

  /**
   * Milliseconds from now until the database's clock is surely past `from`, and until it may be past `by`, at which
   * time the window ends; but a window is never shorter than a millisecond. Negative where that has been.
   */
  window(from: number, by?: number): { readonly waitMs: number; readonly goodForMs?: number } {
    const { least, most } = this.#bounds();
    const waitMs = from + most - this.#now();
    if (by === undefined) return { waitMs };
    return { waitMs, goodForMs: Math.max(by + least - this.#now(), waitMs + LEAST_WINDOW_MS) };
  }

  #bound({ asked, moment, now }: AnswerTimes): void {
    const seen = { least: asked - moment, most: this.#now() - now };
    const known = intersection(this.#bounds(), seen);
    if (known.least > known.most) {
      // One of the clocks was set.
      this.#before = UNKNOWN;
      this.#current = UNKNOWN;
      this.#recent.length = 0;
    } else if (this.#now() - this.#periodStart >= PERIOD_MS) {
      this.#before = this.#current;
      this.#current = UNKNOWN;
      this.#periodStart = this.#now();
    }
    this.#current = intersection(this.#current, seen);
  }

  #bounds(): Bounds {
    return intersection(this.#current, this.#before);
  }
}

function intersection(a: Bounds, b: Bounds): Bounds {
  return { least: Math.max(a.least, b.least), most: Math.min(a.most, b.most) };
}
