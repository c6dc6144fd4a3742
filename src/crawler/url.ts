// What makes two URLs the same page, and which host has to be treated politely for a URL.

/** Longest URL that is crawled, in characters after normalisation. */
export const MAX_URL_LENGTH = 2_048;

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;

/**
 * The URL in the one form that the frontier knows it by, or undefined when it cannot be crawled (not http or https,
 * no host, malformed, too long).
 *
 * The WHATWG parser resolves it against `base`, lower-cases scheme and host, drops default ports and dot segments and
 * encodes what must be encoded. On top of that: the fragment, user name, password, an empty query and a trailing dot
 * of the host go; percent-encoding is upper-case, and unreserved characters are not encoded (RFC 3986, 6.2.2).
 * Parameters keep their order: servers may tell them apart, and crawling a page twice is better than missing one.
 */
export function normaliseUrl(reference: string, base?: string): URL | undefined {
  // Longer than any URL that could pass; parsing megabytes of a hostile attribute would be work for nothing.
  if (reference.length > 4 * MAX_URL_LENGTH) return undefined;
  const url = URL.parse(reference, base);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  url.hash = '';
  url.username = '';
  url.password = '';
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.replace(/\.+$/, '');
  if (url.hostname === '') return undefined;
  const path = normalisePercentEncoding(url.pathname);
  if (path !== url.pathname) url.pathname = path;
  // Also takes away the question mark of an empty query.
  url.search = normalisePercentEncoding(url.search);
  return url.href.length <= MAX_URL_LENGTH ? url : undefined;
}

function normalisePercentEncoding(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded.toUpperCase();
  });
}

/** The unit of politeness: host name, with the port where it is not the scheme's default. */
export function hostKey(url: URL): string {
  return url.host;
}
