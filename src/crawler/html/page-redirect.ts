// Whether a page that was read is a page, or only sends its visitor on.
import { encodeQuery } from '../urls/query-encoding.ts';
import type { RawPage } from './raw-page.ts';
import { parseRefresh, soonestRefresh } from './refresh.ts';

/** Nobody saves a file that a page names so soon: it is where the page has moved to. */
const AT_ONCE_SECONDS = 1;
/** A page that says little and is left within this time says that it is left. One that says more is read: nothing is lost. */
const SOON_SECONDS = 15;
const LITTLE_TEXT = 400;
const FEW_LINKS = 3;
/** Names of files that no page has: what leads there is a page about a download. */
const FILE_NAME = /\.(?!(?:[sx]?html?|php\d?|aspx?|jspx?|do|cgi|pl|cfm|action|html?5)$)[a-z][a-z0-9]{1,4}$/i;

/** How a page is left: by what it says of itself, and by what a script of it does. */
export type Leaving = {
  /** Each Refresh header. */
  readonly refreshHeaders: readonly string[];
  /** What the page's only script assigns to `location`; see `scriptRedirect`. */
  readonly script?: string | undefined;
};

/**
 * The reference that the page is left for, relative to its base and with its query in the page's encoding (HTML, "encoding-parsing
 * a URL"); an empty one when it is loaded again. Undefined for a page that
 * is to be read: most that refresh themselves show news, and those that begin a download say more than that.
 */
export function redirectOfPage(page: RawPage, leaving: Leaving): string | undefined {
  const reference = writtenRedirect(page, leaving);
  return reference === undefined ? undefined : encodeQuery(reference, page.encoding);
}

function writtenRedirect(page: RawPage, { refreshHeaders, script }: Leaving): string | undefined {
  const refresh = soonestRefresh([...refreshHeaders, ...page.refreshes]);
  if (refresh !== undefined) {
    const { delaySeconds, reference = '' } = refresh;
    // One that shows nothing has set a cookie, and is asked again with it.
    if (reference === '') return delaySeconds <= AT_ONCE_SECONDS && page.isEmpty ? '' : undefined;
    if (/^\s*javascript:/i.test(reference)) return undefined;
    const mayBeFile = delaySeconds > AT_ONCE_SECONDS && isFile(reference);
    if (delaySeconds <= SOON_SECONDS && saysLittle(page) && !mayBeFile) return reference;
  }
  return script !== undefined && saysLittle(page) ? script : undefined;
}

/** What a page refreshes itself with is one more of its links. */
export function refreshLinks(page: RawPage, refreshHeaders: readonly string[]): string[] {
  return [...refreshHeaders, ...page.refreshes]
    .map((content) => parseRefresh(content)?.reference ?? '')
    .filter((reference) => reference !== '')
    .map((reference) => encodeQuery(reference, page.encoding));
}

/** Others are not left for what a script of theirs says. */
export function saysLittle({ beginning, links }: Pick<RawPage, 'beginning' | 'links'>): boolean {
  return beginning.length <= LITTLE_TEXT && links.length <= FEW_LINKS;
}

function isFile(reference: string): boolean {
  return FILE_NAME.test(reference.replace(/[?#].*$/s, ''));
}
