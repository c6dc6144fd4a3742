// What of a page was cut, among the facts of its fetch.
import { type FetchFacts, TRUNCATIONS, type Truncation } from '../../gateway/protocol/worker-store.ts';

/** The facts with what else was cut: each name once, in the order of the fixed list. */
export function withTruncations(facts: FetchFacts, cut: Iterable<Truncation>): FetchFacts {
  const names = new Set([...(facts.truncated ?? []), ...cut]);
  return names.size === 0 ? facts : { ...facts, truncated: TRUNCATIONS.filter((name) => names.has(name)) };
}
