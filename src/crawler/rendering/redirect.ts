// Where a redirect leads: reported to the crawl, which follows it as a request of the frontier.
import { isUtf8 } from 'node:buffer';
import type { FetchFacts } from '../../gateway/protocol/worker-store.ts';
import { retryAfterMs } from '../back-off.ts';
import { normaliseUrl } from '../urls/url.ts';
import { isRedirect, type Rendered } from './renderer.ts';

type Value = string | readonly string[] | undefined;
/** By lower-case name; repeated ones as a list. */
type Headers = { readonly location?: Value; readonly 'retry-after'?: Value };

/** The result of an answer that sends its reader elsewhere; undefined of one that does not. */
export function redirectOf(status: number, headers: Headers, url: URL, facts: FetchFacts): Rendered | undefined {
  const location = locationOf(headers);
  if (!isRedirect(status) || location === undefined) return undefined;
  const to = normaliseUrl(location, url.href, 'Keep');
  const wait = retryAfterMs(headers['retry-after'], Date.now());
  if (to !== undefined) return { type: 'redirect', to, facts, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
  const message = `redirected to "${location.slice(0, 200)}", which cannot be crawled`;
  return { type: 'failed', failure: { cause: 'InvalidUrl', message, retryable: false }, facts };
}

/** The first Location header that is not empty, as in Chromium, as text: its bytes arrive decoded one by one. */
export function locationOf({ location = [] }: Pick<Headers, 'location'>): string | undefined {
  const header = [location].flat().find((value) => value.trim() !== '');
  return header === undefined ? undefined : headerText(header);
}

/** What is UTF-8 in truth, as most of it is, is put together again; other bytes are kept as browsers keep them. */
function headerText(header: string): string {
  if (/[\u0100-\uffff]/.test(header)) return header;
  const bytes = Buffer.from(header, 'latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return header.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}
