// The cookies that a run got (RFC 6265): in the worker's memory, apart by registrable domain, and so few that no site
// can fill it or make its own requests too large to be answered.
import QuickLRU from 'quick-lru';
import { type Cookie, CookieJar, MemoryCookieStore } from 'tough-cookie';
import { registrableDomain } from '../urls/scope.ts';

/** Domains that cookies are kept of; the one that was asked longest ago goes first. */
const MAX_DOMAINS = 1_000;
const MAX_COOKIES = 50;
/** Of one Set-Cookie header: what RFC 6265, 6.1, asks for at least. */
const MAX_COOKIE_LENGTH = 4_096;
/** Of all cookies of a domain together; servers refuse headers of more than 8 KiB. */
const MAX_TOTAL_LENGTH = 6_144;
/** What a request's header may hold. */
const SENDABLE = /^[\t\x20-\x7e\x80-\xff]*$/;

export type Cookies = {
  /** The Cookie header for a request; undefined without any. */
  readonly headerFor: (url: URL) => string | undefined;
  /** Takes what a response sets; what is malformed or of another domain is passed over. */
  readonly take: (url: URL, setCookie: string | readonly string[] | undefined) => void;
};

type Kept = { readonly cookie: Cookie; readonly length: number };
/** `kept` holds the cookies of the jar, the one that was set longest ago first. */
type Domain = { readonly jar: CookieJar; readonly store: MemoryCookieStore; readonly kept: Map<string, Kept> };

export function createCookies(): Cookies {
  const domains = new QuickLRU<string, Domain>({ maxSize: MAX_DOMAINS });

  function domainOf(name: string): Domain {
    const domain = domains.get(name) ?? createDomain();
    domains.set(name, domain);
    return domain;
  }

  return {
    headerFor(url) {
      const header = domains.get(registrableDomain(url))?.jar.getCookieStringSync(url.href);
      return header === '' ? undefined : header;
    },
    take(url, setCookie) {
      if (setCookie === undefined) return;
      const domain = domainOf(registrableDomain(url));
      for (const header of [setCookie].flat().slice(0, MAX_COOKIES)) keep(domain, url, header);
    },
  };
}

function createDomain(): Domain {
  const store = new MemoryCookieStore();
  // As browsers do: cookies without a name are taken, those for a whole public suffix are not.
  return { jar: new CookieJar(store, { looseMode: true, rejectPublicSuffixes: true }), store, kept: new Map() };
}

function keep({ jar, store, kept }: Domain, url: URL, header: string): void {
  if (header.length > MAX_COOKIE_LENGTH || !SENDABLE.test(header)) return;
  const cookie = jar.setCookieSync(header, url.href, { ignoreError: true });
  if (cookie === undefined) return;
  const key = `${cookie.domain} ${cookie.path} ${cookie.key}`;
  kept.delete(key);
  kept.set(key, { cookie, length: cookie.cookieString().length + 2 });
  let total = [...kept.values()].reduce((sum, { length }) => sum + length, 0);
  for (const [oldest, { cookie: old, length }] of kept) {
    if (kept.size <= MAX_COOKIES && total <= MAX_TOTAL_LENGTH) break;
    kept.delete(oldest);
    total -= length;
    void store.removeCookie(old.domain ?? '', old.path ?? '', old.key);
  }
}
