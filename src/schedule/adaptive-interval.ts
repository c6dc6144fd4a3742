// An interval that follows the site: shorter while its content changes, longer while it does not.

export type AdaptiveBounds = { readonly minMs: number; readonly maxMs: number };

export type AdaptiveStep = { readonly intervalMs: number; readonly reason: string };

/** Pages of the last run by what became of them since the one before. */
export type PageChanges = {
  readonly added?: number | undefined;
  readonly changed?: number | undefined;
  readonly removed?: number | undefined;
  readonly unchanged?: number | undefined;
};

const SHORTEN = 0.5;
const LENGTHEN = 1.5;
/** A smaller share of changed pages than this is noise: a date in a footer, a counter. */
const QUIET_SHARE = 0.01;
/** With a larger one the next visit comes sooner. */
const BUSY_SHARE = 0.1;

/** The next interval; `changes` are absent when the last run could not tell (the first one, or a failed one). */
export function adaptInterval(
  currentMs: number,
  changes: PageChanges | undefined,
  { minMs, maxMs }: AdaptiveBounds,
): AdaptiveStep {
  const clamp = (value: number) => Math.round(Math.min(maxMs, Math.max(minMs, value)) / 1_000) * 1_000;
  const different = (changes?.added ?? 0) + (changes?.changed ?? 0) + (changes?.removed ?? 0);
  const pages = different + (changes?.unchanged ?? 0);
  if (pages === 0) return { intervalMs: clamp(currentMs), reason: 'kept: the last run gives nothing to compare' };
  const share = different / pages;
  const found = `${different} of ${pages} pages are not as before`;
  if (share > BUSY_SHARE) return { intervalMs: clamp(currentMs * SHORTEN), reason: `shorter: ${found}` };
  if (share < QUIET_SHARE) return { intervalMs: clamp(currentMs * LENGTHEN), reason: `longer: ${found}` };
  return { intervalMs: clamp(currentMs), reason: `kept: ${found}` };
}
