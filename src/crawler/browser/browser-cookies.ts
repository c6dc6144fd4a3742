// The cookies of a run's visitor: carried from a browser that ends into the next one, so that no host meets a stranger, and
// those that the user gives as a header.
import type { Protocol } from 'playwright/types/protocol';

export type BrowserCookie = Protocol.Network.Cookie;
/** For `Storage.setCookies`. */
export type CookieToSet = Protocol.Network.CookieParam;

/** About as many as Chromium keeps. */
const MAX_COOKIES = 3_000;

export type CarriedCookies = {
  /** For a new browser, those that were set longest ago first. */
  readonly all: () => readonly BrowserCookie[];
  /**
   * Takes what a browser has.
   * @param given what it had before; what it has no longer, it was told to forget
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
        // Its site has no name, so that no other browser knows it.
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

/**
 * What changed between two looks at a browser's cookies, to be set in another one. A cookie that is gone is set with an
 * end that has passed, which removes it.
 */
export function cookieChanges(before: readonly BrowserCookie[], after: readonly BrowserCookie[]): CookieToSet[] {
  const known = new Map(before.map((cookie) => [nameOf(cookie), cookie]));
  const kept = new Set(after.map(nameOf));
  const isSame = (cookie: BrowserCookie) => {
    const old = known.get(nameOf(cookie));
    return old !== undefined && old.value === cookie.value && old.expires === cookie.expires;
  };
  const changed = after.filter((cookie) => !cookie.partitionKeyOpaque && !isSame(cookie));
  const gone = before.filter((cookie) => !cookie.partitionKeyOpaque && !kept.has(nameOf(cookie)));
  return [...changed.map(cookieToSet), ...gone.map((cookie) => ({ ...cookieToSet(cookie), expires: 1 }))];
}

/**
 * The cookies of a `Cookie` header (RFC 6265, 4.2.1) for the host of a URL alone and all of its paths; over `https:` they
 * are never sent in clear text. A part without `=` is a cookie without a name, as servers read it.
 */
export function cookiesOfHeader(header: string, { href, protocol }: URL): CookieToSet[] {
  return header
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      const name = part.slice(0, Math.max(equals, 0)).trim();
      return { name, value: part.slice(equals + 1).trim(), url: href, path: '/', secure: protocol === 'https:' };
    });
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
