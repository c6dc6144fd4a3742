// The headers of a response, by name, however often the server repeats them.
import type { IncomingHttpHeaders } from 'node:http';

/** By lower-case name; without Set-Cookie, which the run's cookies take. */
export type ResponseHeaders = {
  /** Those that each value counts of, as a list where they are repeated. */
  readonly [name: string]: string | readonly string[] | undefined;
} & Readonly<Partial<Record<Single | Joined, string>>>;

type Single = (typeof SINGLE)[number];
type Joined = (typeof JOINED)[number];

/** Those that hold one value: of several the first one counts. */
const SINGLE = ['age', 'date', 'etag', 'expires', 'last-modified', 'location', 'retry-after'] as const;
/** Those whose values mean the same after commas (RFC 9110, 5.3). */
const JOINED = ['content-encoding', 'content-type', 'x-content-type-options'] as const;

export function responseHeaders(received: IncomingHttpHeaders): ResponseHeaders {
  const headers: Record<string, string | readonly string[] | undefined> = { ...received };
  delete headers['set-cookie'];
  for (const name of SINGLE) if (Array.isArray(headers[name])) headers[name] = headers[name][0];
  for (const name of JOINED) if (Array.isArray(headers[name])) headers[name] = headers[name].join(', ');
  return headers as ResponseHeaders;
}
