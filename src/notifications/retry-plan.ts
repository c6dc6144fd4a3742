// When a delivery is tried again, and what an answer means. Pure functions.
import type { DeliveryResult } from '../store/notification-store.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Delays between tries, as the Standard Webhooks specification recommends: the last is 75.6 hours after the first. */
const DELAYS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/** A receiver may ask for more patience than the plan has, but not for ever. */
const LONGEST_RETRY_AFTER_MS = 24 * HOUR;

const GONE = 410;

/** What came of a try: an answer, or why there was none. */
export type Answer = { readonly status: number; readonly retryAfter?: string } | { readonly error: string };

/** @param tries before this one */
export function resultOf(answer: Answer, tries: number, now: Date): DeliveryResult {
  if ('error' in answer) return again({ error: answer.error }, tries, 0);
  const { status, retryAfter } = answer;
  if (status >= 200 && status < 300) return { state: 'delivered', status };
  if (status === GONE)
    return { state: 'disabled', status, error: 'the receiver answered 410: it wants no more messages' };
  return again({ status, error: `the receiver answered ${status}` }, tries, retryAfterMs(retryAfter, now));
}

function again(
  what: { readonly status?: number; readonly error: string },
  tries: number,
  atLeastMs: number,
): DeliveryResult {
  const delay = DELAYS_MS[tries];
  if (delay === undefined) return { ...what, state: 'failed' };
  return { ...what, state: 'pending', retryInMs: Math.max(delay, atLeastMs) };
}

/** Retry-After (RFC 9110, 10.2.3) in seconds or as a date; 0 when it says nothing. */
export function retryAfterMs(value: string | undefined, now: Date): number {
  if (value === undefined) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * SECOND : Date.parse(value) - now.getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : 0;
}
