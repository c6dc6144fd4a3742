// The database's clock as a worker knows it, steady enough to space requests by.

const SAMPLES = 32;

/** What is taken for granted before enough answers were seen. */
const ORDINARY_LATENESS_MS = 25;

/**
 * Turns times of the database's clock into waits. How long an answer was under way varies, and with it a wait counted
 * from its arrival; the quickest of the last answers is the best measure of how far the two clocks are apart.
 */
export class DatabaseClock {
  readonly #offsets: number[] = [];
  readonly #now: () => number;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Notes an answer that has just arrived: the time that the database wrote into it, in milliseconds. */
  observe(databaseNow: number): void {
    this.#offsets.push(this.#now() - databaseNow);
    if (this.#offsets.length > SAMPLES) this.#offsets.shift();
  }

  /** By how many milliseconds answers come later than the quickest one, at worst. */
  lateness(): number {
    const measured = this.#offsets.length === 0 ? 0 : Math.max(...this.#offsets) - Math.min(...this.#offsets);
    return Math.max(measured, ORDINARY_LATENESS_MS);
  }

  /** Milliseconds from now until the database's time `turn`; 0 when it is past. */
  waitUntil(turn: number): number {
    return Math.max(0, turn + Math.min(...this.#offsets) - this.#now());
  }
}
