// The cookies that a run's browser got: carried from a context that ends into the next one, so that a host does not meet
// a stranger every few pages.
import type { Protocol } from 'playwright/types/protocol';

export type BrowserCookie = Protocol.Network.Cookie;
/** For `Storage.setCookies`. */
export type CookieToSet = Protocol.Network.CookieParam;

/** As many as Chromium keeps in a context, about. */
const MAX_COOKIES = 3_000;

export type CarriedCookies = {
  /** For a new context, those that were set longest ago first. */
  readonly all: () => readonly BrowserCookie[];
  /**
   * Takes what a context has in the end.
   * @param given what it began with; what it has no longer, it was told to forget
   */
  readonly take: (given: readonly BrowserCookie[], kept: readonly BrowserCookie[]) => void;
};

export function createCarriedCookies(): CarriedCookies {
  const cookies = new Map<string, BrowserCookie>();
  return {
    all: () => [...cookies.values()],
    take(given, kept) {
      const names = new Set(kept.map(nameOf));
      for (const cookie of given) if (!names.has(nameOf(cookie))) cookies.delete(nameOf(cookie));
      for (const cookie of kept) {
        // Its site has no name, so that no other context knows it.
        if (cookie.partitionKeyOpaque) continue;
        const name = nameOf(cookie);
        cookies.delete(name);
        cookies.set(name, cookie);
      }
      const tooMany = Math.max(0, cookies.size - MAX_COOKIES);
      for (const name of [...cookies.keys()].slice(0, tooMany)) cookies.delete(name);
    },
  };
}

/** What makes two cookies the same one (RFC 6265, 5.3), and the site under which a partitioned one was set. */
function nameOf({ name, domain, path, partitionKey }: BrowserCookie): string {
  return JSON.stringify([domain, path, name, partitionKey ?? null]);
}

/** A cookie for one host alone is set by an address of it: a domain would give it to all below. */
export function cookieToSet(cookie: BrowserCookie): CookieToSet {
  const { name, value, path, secure, httpOnly, sameSite, priority, partitionKey, domain } = cookie;
  const isForDomain = domain.startsWith('.');
  return {
    ...{ name, value, path, secure, httpOnly, priority },
    ...(isForDomain ? { domain } : { url: `${secure ? 'https' : 'http'}://${domain}${path}` }),
    ...(sameSite === undefined ? {} : { sameSite }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
    ...(cookie.session ? {} : { expires: cookie.expires }),
  };
}
