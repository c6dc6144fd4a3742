// What the server said of a document before there was anything to read: most that is no page ends with it.
import type { FetchFacts } from '../../gateway/protocol/worker-store.ts';
import { isRefusing } from '../blocking/blocked.ts';
import { type Failure, failureOfStatus, failureWithoutPage } from '../failure.ts';
import { type DocumentKind, isUnderstoodByChromium, kindByHeader } from '../html/content-type.ts';
import { type GuardProxy, PROXY_FAILURE_HEADER } from '../network/guard-proxy.ts';
import { redirectOf } from '../rendering/redirect.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { proxyFailure } from './browser-errors.ts';
import type { Events } from './devtools.ts';

export type DocumentAnswer = {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The same, each as it was sent. */
  readonly headerLists: Readonly<Record<string, readonly string[]>>;
  /** By its Content-Type. What is not Html for certain is a page if the browser takes it for one. */
  readonly kind: DocumentKind;
  readonly facts: FetchFacts;
  /** A failure whose page may still tell that the crawl was refused. */
  readonly failure?: Failure;
  /** The result, when there is nothing to read. */
  readonly end?: Rendered;
};

type HeaderList = NonNullable<Events['Fetch.requestPaused']['responseHeaders']>;

export function answerOf(status: number, list: HeaderList, url: URL, proxy: GuardProxy): DocumentAnswer {
  const headerLists = headerListsOf(list);
  const headers = joined(headerLists);
  const contentType = headerLists['content-type']?.join(', ');
  const kind = kindByHeader(contentType);
  const facts = {
    status,
    finalUrl: url.href,
    ...(contentType === undefined ? {} : { contentType: contentType.slice(0, 200) }),
  };
  const answer = { status, headers, headerLists, kind, facts };
  if (headers[PROXY_FAILURE_HEADER] !== undefined) {
    return { ...answer, end: { type: 'failed', failure: proxyFailure(url, proxy), facts } };
  }
  const redirect = redirectOf(status, headerLists, url, facts);
  if (redirect !== undefined) return { ...answer, end: redirect };
  const mayBePage = kind !== 'Other';
  const failure = failureOfStatus(status, headerLists['retry-after'], Date.now());
  if (failure !== undefined) {
    if (isRefusing(status) && mayBePage) return { ...answer, failure };
    return { ...answer, end: { type: 'failed', failure, facts } };
  }
  if (status === 304) return { ...answer, end: { type: 'failed', failure: failureWithoutPage(status), facts } };
  return mayBePage ? answer : { ...answer, end: { type: 'notHtml', facts } };
}

/** Whether Chromium would show something else than the page that it may be, or nothing. */
export function isMisunderstood({ headerLists }: DocumentAnswer): boolean {
  return !isUnderstoodByChromium(headerLists['content-type']?.join(', '));
}

/** Whether the server means the document to be saved and not to be shown. */
export function isAttachment({ headers }: DocumentAnswer): boolean {
  return /^\s*attachment/i.test(headers['content-disposition'] ?? '');
}

/**
 * Of a navigation that the browser broke off when it was answered: for lack of a page (204), or because it takes it for
 * a download. Anything else may have been a crash.
 */
export function endWithoutPage({ status, kind, headers, facts }: DocumentAnswer): Rendered | undefined {
  const isEmpty = status === 204 || status === 205;
  const mayBeDownload = kind !== 'Html' || headers['content-disposition'] !== undefined;
  return isEmpty || mayBeDownload ? { type: 'notHtml', facts } : undefined;
}

function headerListsOf(list: HeaderList): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const { name, value } of list) {
    const key = name.toLowerCase();
    lists[key] = [...(lists[key] ?? []), value];
  }
  return lists;
}

/** Repeated ones are joined by commas. */
function joined(lists: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  return Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values.join(', ')]));
}
