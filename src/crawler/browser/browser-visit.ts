// One visit to a page of the browser: it goes to one document, is given time to show itself, and is read.
import type { CDPSession, Page, Request, Response } from 'playwright-core';
import type { FetchFacts } from '../../store/worker-store.ts';
import { blockEvidence, blockedBy, isRefusing } from '../extraction/blocked.ts';
import { type PagePlan, type RawPage, withoutContent } from '../extraction/read-page.ts';
import { CrawlError, type Failure, failureOfStatus } from '../failure.ts';
import { type GuardProxy, PROXY_FAILURE_HEADER } from '../network/guard-proxy.ts';
import type { Headers, HeadersFor } from '../network/request-headers.ts';
import { isHtml, type Rendered } from '../renderer.ts';
import { normaliseUrl } from '../url.ts';
import { endOfError, isAborted, proxyFailure } from './browser-errors.ts';
import type { PooledPage } from './browser-pool.ts';
import { pageScript, parseRawPage } from './page-script.ts';
import type { RequestPattern } from './resource-blocking.ts';

/** How long a loaded page may go on fetching data before it is read as it is. */
const SETTLE_MS = 5_000;
/** How long a page may take to come to rest after an error or a script's navigation. */
const REST_MS = 2_000;
/** What a page gets to show the data that it has fetched. */
const SHOW_MS = 50;

export type Visitor = {
  /**
   * `interrupted` when scripts of the page that was visited before took the navigation away: another page has to be
   * used, and this one is good for nothing more.
   */
  readonly visit: (url: URL, plan: PagePlan, timeoutMs: number) => Promise<Rendered | 'interrupted'>;
};

/**
 * A page that goes to the one document that it is sent to, and to no other by itself: where a redirect or a script would
 * take it becomes a request of the frontier.
 */
export async function createVisitor(
  { page, session, mainFrameId }: PooledPage,
  proxy: GuardProxy,
  blocked: readonly RequestPattern[],
  headersFor: HeadersFor,
): Promise<Visitor> {
  const requests = trackRequests(page);
  let visit: Visit | undefined;

  function admit(document: DocumentRequest): boolean {
    if (document.frameId !== mainFrameId) return true;
    const url = normaliseUrl(document.url);
    if (visit === undefined) return false;
    if (visit.loaderId === undefined && url?.href === visit.url.href) {
      visit.loaderId = document.loaderId;
      return true;
    }
    // Before our document is there, a script's navigation is one of the page that was visited before.
    const isRedirect = document.loaderId === visit.loaderId;
    if (isRedirect || visit.isCommitted) visit.redirect ??= url;
    if (!isRedirect && visit.redirect !== undefined) visit.leave();
    return false;
  }

  // Redirects of this document are refused, so that what is added to its request goes nowhere else.
  const addedTo = ({ frameId, url }: DocumentRequest) => (frameId === mainFrameId ? headersFor(new URL(url)) : {});
  await interceptRequests(session, proxy, blocked, admit, addedTo);
  session.on('Page.frameNavigated', ({ frame }) => {
    if (visit !== undefined && frame.id === mainFrameId && frame.loaderId === visit.loaderId) visit.isCommitted = true;
  });
  await session.send('Page.enable');

  async function go(now: Visit, plan: PagePlan, timeoutMs: number): Promise<Rendered | 'interrupted'> {
    const loading = page.goto(now.url.href, { waitUntil: 'load', timeout: timeoutMs });
    const response = await Promise.race([loading, now.left]);
    // A script that goes elsewhere may keep the page from ever being loaded.
    if (response === 'left') {
      await comeToRest(page);
      return redirectOf(now, {});
    }
    if (response === null) return 'interrupted';
    const status = response.status();
    const headers = response.headers();
    const ended = endOf(response, now.url, proxy, factsOf(response, now.url));
    if ('type' in ended) {
      if (!isRefusing(status) || !isHtml(headers['content-type'] ?? 'text/html')) return ended;
      const evidence = blockEvidence({
        status,
        headers,
        page: await read(page, withoutContent(plan)),
      });
      if (evidence === undefined || ended.type !== 'failed') return ended;
      return { ...ended, failure: blockedBy(evidence, ended.failure.retryAfterMs) };
    }
    await settle(page, requests);
    if (now.redirect !== undefined) return redirectOf(now, ended.facts);
    const shown = await read(page, plan);
    const evidence = blockEvidence({ status, headers, page: shown });
    if (evidence !== undefined) return { type: 'failed', failure: blockedBy(evidence), facts: ended.facts };
    const robotsHeader = headers['x-robots-tag'];
    return { type: 'page', page: shown, facts: ended.facts, ...(robotsHeader === undefined ? {} : { robotsHeader }) };
  }

  return {
    async visit(url, plan, timeoutMs) {
      const now = createVisit(url);
      visit = now;
      requests.reset();
      try {
        return await go(now, plan, timeoutMs);
      } catch (error) {
        if (now.redirect !== undefined) return redirectOf(now, {});
        if (isAborted(error)) return endOfAborted(await requests.answer());
        const end = endOfError(error, url, proxy);
        if (end.type === 'failed') await leaveErrorPage(page);
        return end;
      } finally {
        visit = undefined;
      }
    },
  };
}

type DocumentRequest = { readonly frameId: string; readonly loaderId: string | undefined; readonly url: string };

/** One document on its way. */
type Visit = {
  readonly url: URL;
  /** Chromium's name for the navigation; redirects keep it. Unknown until the request is made. */
  loaderId: string | undefined;
  /** Whether the page shows the document, so that its scripts run. */
  isCommitted: boolean;
  /** Where it would have gone from here. */
  redirect: URL | undefined;
  /** Resolves when a script has gone elsewhere. */
  readonly left: Promise<'left'>;
  readonly leave: () => void;
};

function createVisit(url: URL): Visit {
  const { promise: left, resolve } = Promise.withResolvers<'left'>();
  return { url, loaderId: undefined, isCommitted: false, redirect: undefined, left, leave: () => resolve('left') };
}

function redirectOf({ url, redirect }: Visit, facts: FetchFacts): Rendered {
  return { type: 'redirect', to: redirect ?? url, facts };
}

/**
 * Pauses documents (to keep navigations to the one that was asked for), and what is not to be loaded. Playwright's own
 * interception would pause every request and switch the HTTP cache off. The proxy's password is given here, too.
 */
async function interceptRequests(
  session: CDPSession,
  proxy: GuardProxy,
  blocked: readonly RequestPattern[],
  admit: (document: DocumentRequest) => boolean,
  addedTo: (document: DocumentRequest) => Headers,
): Promise<void> {
  // A page that is being closed answers nothing any more, and need not.
  const send = (answer: Promise<unknown>) => void answer.catch(() => {});

  session.on('Fetch.requestPaused', ({ requestId, frameId, networkId, resourceType, request }) => {
    const document = { frameId, loaderId: networkId, url: request.url };
    if (resourceType === 'Document' && admit(document)) {
      const headers = withAdded(request.headers, addedTo(document));
      send(session.send('Fetch.continueRequest', { requestId, ...headers }));
    } else send(session.send('Fetch.failRequest', { requestId, errorReason: 'Aborted' }));
  });
  session.on('Fetch.authRequired', ({ requestId, authChallenge }) => {
    const { username, password } = proxy;
    const isOurs = authChallenge.source === 'Proxy';
    const response = isOurs ? 'ProvideCredentials' : 'CancelAuth';
    const authChallengeResponse = { response, ...(isOurs ? { username, password } : {}) } as const;
    send(session.send('Fetch.continueWithAuth', { requestId, authChallengeResponse }));
  });
  await session.send('Fetch.enable', {
    handleAuthRequests: true,
    patterns: [{ resourceType: 'Document' }, ...blocked],
  });
}

/** Nothing when nothing is added: naming the headers replaces them all. */
function withAdded(headers: Headers, added: Headers) {
  if (Object.keys(added).length === 0) return {};
  const kept = Object.entries(headers).filter(([name]) => !(name.toLowerCase() in added));
  return { headers: [...kept, ...Object.entries(added)].map(([name, value]) => ({ name, value })) };
}

/**
 * After an error Chromium goes on to a page of its own that shows it, which would interrupt the next navigation. A page
 * that does not come to rest is closed; the pool notices.
 */
async function leaveErrorPage(page: Page): Promise<void> {
  try {
    await page.waitForURL(/^chrome-error:/, { waitUntil: 'commit', timeout: REST_MS });
  } catch {
    await page.close();
  }
  await comeToRest(page);
}

async function comeToRest(page: Page): Promise<void> {
  if (page.isClosed()) return;
  try {
    await page.goto('about:blank', { timeout: REST_MS });
  } catch {
    await page.close();
  }
}

type Requests = {
  /** Whether the page's scripts wait for an answer, or have had no time yet to show the last one. */
  readonly areUnderWay: () => boolean;
  /** The document's own, if only a 204. */
  readonly answer: () => Promise<Response | undefined>;
  readonly reset: () => void;
};

function trackRequests(page: Page): Requests {
  const open = new Set<Request>();
  let answeredAt = Number.NEGATIVE_INFINITY;
  let document: Request | undefined;
  page.on('request', (request) => {
    if (['xhr', 'fetch'].includes(request.resourceType())) open.add(request);
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) document = request;
  });
  const ended = (request: Request) => {
    if (open.delete(request)) answeredAt = performance.now();
  };
  page.on('requestfinished', ended);
  page.on('requestfailed', ended);
  return {
    areUnderWay: () => open.size > 0 || performance.now() - answeredAt < SHOW_MS,
    answer: async () => (await document?.response()) ?? undefined,
    reset() {
      open.clear();
      answeredAt = Number.NEGATIVE_INFINITY;
      document = undefined;
    },
  };
}

/** A page that still fetches data when it has loaded is given time to get and show it. */
async function settle(page: Page, requests: Requests): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while (requests.areUnderWay() && performance.now() < until) await page.waitForTimeout(SHOW_MS);
}

async function read(page: Page, plan: PagePlan): Promise<RawPage> {
  const json: unknown = await page.evaluate(pageScript(plan));
  try {
    return parseRawPage(json);
  } catch (error) {
    const message = `the page could not be read: ${error instanceof Error ? error.message.slice(0, 500) : String(error)}`;
    throw new CrawlError({ cause: 'ExtractionError', message, retryable: false });
  }
}

/** A navigation is broken off by an answer that is no page, by another navigation, or when the page's process dies. */
function endOfAborted(answer: Response | undefined): Rendered | 'interrupted' {
  if (answer === undefined) return 'interrupted';
  const { 'content-type': contentType = 'text/html', 'content-disposition': disposition } = answer.headers();
  const isPage = ![204, 205].includes(answer.status()) && disposition === undefined && isHtml(contentType);
  if (!isPage) return { type: 'notHtml', facts: {} };
  const failure: Failure = { cause: 'BrowserError', message: 'the browser broke the page off', retryable: true };
  return { type: 'failed', failure, facts: {} };
}

/** What the response says before anything is read; the facts alone when there is a page to read. */
function endOf(
  response: Response,
  url: URL,
  proxy: GuardProxy,
  facts: FetchFacts,
): Rendered | { readonly facts: FetchFacts } {
  const headers = response.headers();
  if (headers[PROXY_FAILURE_HEADER] !== undefined) return { type: 'failed', failure: proxyFailure(url, proxy), facts };
  const failure = failureOfStatus(response.status(), headers['retry-after'], Date.now());
  if (failure !== undefined) return { type: 'failed', failure, facts };
  if (facts.contentType !== undefined && !isHtml(facts.contentType)) return { type: 'notHtml', facts };
  return { facts };
}

function factsOf(response: Response, url: URL): FetchFacts {
  const contentType = response.headers()['content-type'];
  return {
    status: response.status(),
    finalUrl: url.href,
    ...(contentType === undefined ? {} : { contentType: contentType.slice(0, 200) }),
  };
}
