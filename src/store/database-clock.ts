// The database's clock as a worker knows it, steady enough to space requests by.

/** The quickest answer of this and of the last period counts: long enough to see one, too short for clocks to drift. */
const PERIOD_MS = 30_000;

/** So many answers tell how late they come at worst. */
const RECENT_ANSWERS = 32;

/** What is taken for granted, and what is before a few answers were seen: the first ones take longest. */
const ORDINARY_LATENESS_MS = 25;
const FIRST_LATENESS_MS = 100;
const FIRST_ANSWERS = 8;

/**
 * Turns times of the database's clock into waits. How long an answer was under way varies, and with it a wait counted
 * from its arrival; the quickest answer is the best measure of how far the two clocks are apart.
 */
export class DatabaseClock {
  readonly #now: () => number;
  readonly #recent: number[] = [];
  #periodStart = Number.NEGATIVE_INFINITY;
  #quickest = Number.POSITIVE_INFINITY;
  #quickestBefore = Number.POSITIVE_INFINITY;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether it has seen an answer at all; before that it knows nothing. */
  get isSet(): boolean {
    return this.#recent.length > 0;
  }

  /** Notes an answer that has just arrived: the time that the database wrote into it, in milliseconds. */
  observe(databaseNow: number): void {
    const now = this.#now();
    const offset = now - databaseNow;
    if (now - this.#periodStart >= PERIOD_MS) {
      this.#quickestBefore = this.#quickest;
      this.#quickest = offset;
      this.#periodStart = now;
    }
    this.#quickest = Math.min(this.#quickest, offset);
    this.#recent.push(offset);
    if (this.#recent.length > RECENT_ANSWERS) this.#recent.shift();
  }

  /** By how many milliseconds answers come later than the quickest one, at worst. */
  lateness(): number {
    const least = this.#recent.length < FIRST_ANSWERS ? FIRST_LATENESS_MS : ORDINARY_LATENESS_MS;
    return Math.max(least, ...this.#recent.map((offset) => offset - this.#offset()));
  }

  /** Milliseconds from now until the database's time `turn`; 0 when it is past. */
  waitUntil(turn: number): number {
    return Math.max(0, turn + this.#offset() - this.#now());
  }

  #offset(): number {
    return Math.min(this.#quickest, this.#quickestBefore);
  }
}
