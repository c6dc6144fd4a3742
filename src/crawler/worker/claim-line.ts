// The claims that a worker holds before it begins their pages: those whose place at the host has not come yet, and enough
// others that no slot waits for the database.
import type { Claim } from '../../gateway/protocol/worker-store.ts';

/** How much work to have in hand: of pages in the browser, 30 a second, a claim then brings four or more. */
const AHEAD_MS = 250;
/**
 * Most claims in hand beyond the slots: another worker may be idle, and a worker that dies holds them up. Of pages by HTTP, more
 * than a thousand a second, it is the work of the time above.
 */
const MOST_AHEAD = 250;
/** Recent ends of pages, from which the pace is measured. */
const RECENT_ENDS = 20;

/** Times are milliseconds of `performance.now()`. */
export class ClaimLine {
  readonly #line: Claim[] = [];
  readonly #ends: number[] = [];
  /** How long the places of the last claims stay good. */
  #patienceMs = 0;

  get length(): number {
    return this.#line.length;
  }

  /** When the place of the first one comes; undefined when there is none. */
  get nextAt(): number | undefined {
    return this.#line[0]?.from;
  }

  add(claims: readonly Claim[]): void {
    this.#patienceMs = Math.min(...claims.map(({ from, by = Number.POSITIVE_INFINITY }) => by - from));
    this.#line.push(...claims);
    this.#line.sort((a, b) => a.from - b.from);
  }

  /** Takes the first one, if its place has come. */
  take(now: number): Claim | undefined {
    const [first] = this.#line;
    return first !== undefined && first.from <= now ? this.#line.shift() : undefined;
  }

  takeAll(): Claim[] {
    return this.#line.splice(0);
  }

  /** Records that a page has ended: the pace of ends decides how many claims to hold. */
  pageEnded(now: number): void {
    this.#ends.push(now);
    if (this.#ends.length > RECENT_ENDS) this.#ends.shift();
  }

  /**
   * How many claims to ask for with `busy` of so many `slots`, so that every slot is busy and a quarter of a second's work in
   * hand; 0 while half of that is there, so that one call brings many. Where no slot is free, claims in line may miss their
   * places: then there are only as many as are begun in time. Pages so slow that this is none are claimed one by one.
   */
  wanted(busy: number, slots: number, now: number): number {
    const [first = now] = this.#ends;
    const pace = this.#ends.length < RECENT_ENDS ? 0 : this.#ends.length / Math.max(now - first, 1);
    const aheadMs = busy < slots ? AHEAD_MS : Math.min(AHEAD_MS, this.#patienceMs / 2);
    const ahead = Math.min(Math.floor(pace * aheadMs), MOST_AHEAD);
    const missing = slots + ahead - busy - this.#line.length;
    return missing >= Math.max(1, ahead / 2) ? missing : 0;
  }
}
