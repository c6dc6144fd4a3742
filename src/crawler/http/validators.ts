// Conditional requests (RFC 9110, 13): what tells one version of a page from another, and how to ask for newer ones.
import type { Validators } from '../../gateway/protocol/worker-store.ts';
import type { ResponseHeaders } from './response-headers.ts';

const MAX_ETAG_LENGTH = 1_024;
const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
/** Of the three forms of a date the one that servers must send. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
/** RFC 9110, 8.8.2.2: a page that changed in this very second may do so again in it. */
const STRONG_AFTER_MS = 1_000;

/**
 * What a later request can be made conditional on; undefined when the response names nothing that is well formed.
 * @param now milliseconds, for servers that do not say when they answered
 */
export function validatorsOf(headers: ResponseHeaders, now: number): Validators | undefined {
  const { etag } = headers;
  const lastModified = headers['last-modified'];
  const validators = {
    ...(etag !== undefined && etag.length <= MAX_ETAG_LENGTH && ENTITY_TAG.test(etag) ? { etag } : {}),
    ...(lastModified !== undefined && isSettled(lastModified, headers.date, now) ? { lastModified } : {}),
  };
  return Object.keys(validators).length === 0 ? undefined : validators;
}

function isSettled(lastModified: string, date: string | undefined, now: number): boolean {
  const answeredAt = date !== undefined && HTTP_DATE.test(date) ? Date.parse(date) : now;
  return HTTP_DATE.test(lastModified) && answeredAt - Date.parse(lastModified) >= STRONG_AFTER_MS;
}

/** Both conditions where both are known: servers that understand the first ignore the second. */
export function conditionalHeaders(known: Validators | undefined): Record<string, string> {
  return {
    ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    ...(known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
  };
}
