// Where a redirect leads: reported to the crawl, which follows it as a request of the frontier.
import type { FetchFacts } from '../../store/worker-store.ts';
import { retryAfterMs } from '../back-off.ts';
import { normaliseUrl } from '../urls/url.ts';
import { isRedirect, type Rendered } from './renderer.ts';

/** By lower-case name. */
type Headers = { readonly location?: string | undefined; readonly 'retry-after'?: string | undefined };

/** The result of an answer that sends its reader elsewhere; undefined of one that does not. */
export function redirectOf(status: number, headers: Headers, url: URL, facts: FetchFacts): Rendered | undefined {
  const { location } = headers;
  if (!isRedirect(status) || location === undefined) return undefined;
  const to = normaliseUrl(headerText(location), url.href);
  const wait = retryAfterMs(headers['retry-after'], Date.now());
  if (to !== undefined) return { type: 'redirect', to, facts, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
  const message = `redirected to "${location.slice(0, 200)}", which cannot be crawled`;
  return { type: 'failed', failure: { cause: 'InvalidUrl', message, retryable: false }, facts };
}

/** Header bytes arrive decoded one by one; what is UTF-8 in truth, as most of it is, is put together again. */
function headerText(header: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1'));
  } catch {
    return header;
  }
}
