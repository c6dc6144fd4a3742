// What a worker knows to be in the frontier already: most links of a site are on all of its pages.

const MOST_URLS = 50_000;

/** Forgets the oldest URL when it is full; a forgotten URL is offered to the database again, which knows it. */
export class KnownUrls {
  readonly #depths = new Map<string, number>();

  /** Whether the URL is known from this depth or nearer: from farther away it may have been left out. */
  has(key: string, depth: number): boolean {
    const known = this.#depths.get(key);
    return known !== undefined && known <= depth;
  }

  add(key: string, depth: number): void {
    if (this.has(key, depth)) return;
    this.#depths.set(key, depth);
    if (this.#depths.size <= MOST_URLS) return;
    const [oldest] = this.#depths.keys();
    if (oldest !== undefined) this.#depths.delete(oldest);
  }

  /** Forgets all: the database may not have them any more. */
  clear(): void {
    this.#depths.clear();
  }
}
