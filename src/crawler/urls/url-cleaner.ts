// Removes from URLs what does not identify the page: parameters for sessions and campaigns, and fragments.
import { normaliseUrl } from './url.ts';

/** Names that mean a session on some sites and a thing of its own on others: the value tells. */
const MAYBE_SESSION = /^(sid|s|sess|session|session[-_]?id)$/i;

export type UrlCleaner = (url: URL) => URL;

/** Which fragments (`#…`) name a page, so that they are part of its URL. */
export type KeepsFragment = (fragment: string) => boolean;

/**
 * Only scripts read fragments, and most name a place on the page. Those that are the addresses of single-page applications begin
 * with `#/` or `#!`.
 */
export function fragmentRule(fragments: 'Drop' | 'Keep' | 'Auto', render: 'HTTP' | 'Browser' | 'Auto'): KeepsFragment {
  if (fragments === 'Keep') return () => true;
  const runsScripts = render !== 'HTTP';
  return (fragment) => fragments === 'Auto' && runsScripts && /^#[/!]/.test(fragment);
}

/**
 * @param names of query parameters, and of path parameters (`/a;jsessionid=1`), in any case; `*` stands for any characters.
 *   Without names nothing is taken out.
 */
export function createUrlCleaner(names: readonly string[], keepsFragment: KeepsFragment = () => false): UrlCleaner {
  const withoutParameters = parameterCleaner(names);
  return (url) => {
    if (url.hash === '' || keepsFragment(url.hash)) return withoutParameters(url);
    const bare = new URL(url);
    bare.hash = '';
    return withoutParameters(bare);
  };
}

function parameterCleaner(names: readonly string[]): UrlCleaner {
  if (names.length === 0) return (url) => url;
  const patterns = names.map((name) => name.split('*').map(escaped).join('.*'));
  const dropped = new RegExp(`^(?:${patterns.join('|')})$`, 'i');

  function isDropped(parameter: string): boolean {
    const [name = '', value = ''] = parameter.split('=', 2);
    return dropped.test(name) || (MAYBE_SESSION.test(name) && looksLikeSession(value));
  }

  return (url) => {
    if (url.search === '' && !url.pathname.includes(';')) return url;
    const path = url.pathname.replace(/;([^/;]*)/g, (whole, parameter: string) => (isDropped(parameter) ? '' : whole));
    const query = url.search
      .slice(1)
      .split('&')
      .filter((parameter) => !isDropped(parameter))
      .join('&');
    if (path === url.pathname && query === url.search.slice(1)) return url;
    const cleaned = new URL(url);
    cleaned.pathname = path;
    cleaned.search = query;
    return normaliseUrl(cleaned.href, undefined, 'Keep') ?? url;
  };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Long, without the separators that words and UUIDs have, and of letters and digits; or longer than any number of a thing. */
function looksLikeSession(value: string): boolean {
  return /^\d{20,}$/.test(value) || (/^[0-9a-z]{16,}$/i.test(value) && /\d/.test(value) && /[a-z]/i.test(value));
}
