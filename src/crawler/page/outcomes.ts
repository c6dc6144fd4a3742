// Ends of a claim that say no more than why.
import type {
  Claim,
  FetchFacts,
  ItemLeftOutReason,
  ItemsLeftOut,
  LeftOut,
  Outcome,
  SkipReason,
} from '../../gateway/protocol/worker-store.ts';

/** Redirects from the URL that was asked for to a page. */
export const MAX_REDIRECTS = 10;

export function skipped(claim: Claim, reason: SkipReason, facts?: FetchFacts) {
  return { type: 'skipped', claim, reason, ...(facts === undefined ? {} : { facts }) } as const;
}

export function tooManyRedirects(claim: Claim, path: readonly string[], facts: FetchFacts): Outcome {
  const isLoop = path.indexOf(path.at(-1) ?? '') < path.length - 1;
  const message = `${isLoop ? 'redirect loop' : 'too many redirects'}: ${path.join(' -> ')}`;
  return { type: 'dead', claim, cause: 'TooManyRedirects', message: message.slice(0, 2_000), facts };
}

export function countsOf(leftOut: LeftOut): { readonly leftOut?: LeftOut } {
  return Object.keys(leftOut).length === 0 ? {} : { leftOut };
}

/** Counted once, at the request's end: a page that is tried again is read again. */
export function itemsLeftOut(
  { type }: Outcome,
  counts: Readonly<Record<ItemLeftOutReason, number>>,
): { readonly itemsLeftOut?: ItemsLeftOut } {
  const some = Object.entries(counts).filter(([, items]) => items > 0);
  return some.length === 0 || type === 'retry' ? {} : { itemsLeftOut: Object.fromEntries(some) };
}
