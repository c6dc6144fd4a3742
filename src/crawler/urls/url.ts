// What makes two URLs the same page, and which host has to be treated politely for a URL.

/** Longest URL that is crawled, in characters after normalisation. */
export const MAX_URL_LENGTH = 2_048;

/** Longer than any reference that could pass; parsing megabytes of a hostile attribute would be work for nothing. */
const LONGEST_REFERENCE = 4 * MAX_URL_LENGTH;

const OTHER_SCHEME = /^\s*(?!https?:)[a-z][a-z0-9+.-]*:/i;

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;

/**
 * The URL in the one form that the frontier knows it by, or undefined when it cannot be crawled (not http or https,
 * no host, malformed, too long).
 *
 * The WHATWG parser resolves it against `base`, lower-cases scheme and host, drops default ports and dot segments and
 * encodes what must be encoded. On top of that: the fragment (unless it is asked for), user name, password, an empty query and a trailing dot
 * of the host go; percent-encoding is upper-case, and unreserved characters are not encoded (RFC 3986, 6.2.2).
 * Parameters keep their order: servers may tell them apart, and crawling a page twice is better than missing one.
 */
export function normaliseUrl(reference: string, base?: string, fragment: 'Drop' | 'Keep' = 'Drop'): URL | undefined {
  if (reference.length > LONGEST_REFERENCE) return undefined;
  const url = normaliseAnyLength(reference, base, fragment);
  return url !== undefined && url.href.length <= MAX_URL_LENGTH ? url : undefined;
}

function normaliseAnyLength(
  reference: string,
  base: string | undefined,
  fragment: 'Drop' | 'Keep' = 'Drop',
): URL | undefined {
  const url = URL.parse(reference, base);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  // Most references need nothing of what follows, and each change of a URL takes as long as parsing it.
  if (url.href.includes('#') && (fragment === 'Drop' || url.hash === '')) url.hash = '';
  if (url.username !== '' || url.password !== '') {
    url.username = '';
    url.password = '';
  }
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.replace(/\.+$/, '');
  if (url.hostname === '') return undefined;
  const path = normalisePercentEncoding(url.pathname);
  if (path !== url.pathname) url.pathname = path;
  const query = normalisePercentEncoding(url.search);
  // Also takes away the question mark of an empty query.
  if (query !== url.search || (query === '' && url.href.includes('?'))) url.search = query;
  return url;
}

/** Whether only its length keeps a reference from being crawled. */
export function isTooLong(reference: string, base?: string): boolean {
  if (reference.length > LONGEST_REFERENCE) return !OTHER_SCHEME.test(reference.slice(0, 100));
  const url = normaliseAnyLength(reference, base);
  return url !== undefined && url.href.length > MAX_URL_LENGTH;
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

/** The same but for the fragment, which no server sees. */
export function isSameDocument(one: URL, other: URL): boolean {
  return withoutFragment(one) === withoutFragment(other);
}

export function withoutFragment({ href }: URL): string {
  return href.replace(/#.*$/s, '');
}
