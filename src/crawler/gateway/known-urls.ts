// What a worker knows to be in the frontier already: most links of a site are on all of its pages.
import QuickLRU from 'quick-lru';

/** At least so many are known, and twice as many at most. */
const MOST_URLS = 25_000;

/** Forgets the URLs that no page had for longest; a forgotten URL is offered to the database again, which knows it. */
export class KnownUrls {
  readonly #depths = new QuickLRU<string, number>({ maxSize: MOST_URLS });

  /** Whether the URL is known from this depth or nearer: from farther away it may have been left out. */
  has(key: string, depth: number): boolean {
    const known = this.#depths.get(key);
    return known !== undefined && known <= depth;
  }

  add(key: string, depth: number): void {
    if (!this.has(key, depth)) this.#depths.set(key, depth);
  }

  /** Forgets all: the database may not have them any more. */
  clear(): void {
    this.#depths.clear();
  }
}
