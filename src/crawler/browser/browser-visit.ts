// One visit to a page of the browser: it goes to one document, is given time to show itself, and is read.
import { setTimeout as sleep } from 'node:timers/promises';
import { blockEvidence, blockedBy } from '../blocking/blocked.ts';
import { CrawlError } from '../failure.ts';
import { withEncodedQueries } from '../html/page-references.ts';
import { type PagePlan, type RawPage, withoutContent } from '../html/read-page.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import { pageAnswer } from '../rendering/page-answer.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { normaliseUrl } from '../urls/url.ts';
import { cookiesOfHeader } from './browser-cookies.ts';
import { endOfError, isAborted, isNetworkError } from './browser-errors.ts';
import type { PooledPage } from './browser-pool.ts';
import { settle, trackDataRequests } from './data-requests.ts';
import type { Session } from './devtools.ts';
import { answerOf, type DocumentAnswer, endWithoutPage } from './document-answer.ts';
import { interceptRequests, type PausedRequest } from './interception.ts';
import { pageScript, parseRawPage } from './page-script.ts';
import type { Blocking } from './resource-blocking.ts';
import { takeScreenshot } from './screenshot.ts';

/** How long a page may take to come to rest after an error or a script's navigation. */
const REST_MS = 2_000;

/** Their pages would be fetched by themselves, past what watches over this one. */
const NO_SERVICE_WORKERS = `if (globalThis.ServiceWorkerContainer !== undefined) {
  ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException('not here', 'NotSupportedError'));
}`;

export type Visitor = {
  /**
   * `interrupted` when scripts of the page that was visited before took the navigation away: another page has to be
   * used, and this one is good for nothing more.
   */
  readonly visit: (url: URL, plan: PagePlan) => Promise<Rendered | 'interrupted'>;
  /** Whether the page can be sent on: false when nobody knows what it does now. */
  readonly isAtRest: () => boolean;
};

/**
 * A page that goes to the one document that it is sent to, and to no other by itself: where a redirect or a script would
 * take it becomes a request of the frontier.
 */
export async function createVisitor(
  { session, mainFrameId, introduce }: PooledPage,
  proxy: GuardProxy,
  blocking: Blocking,
  headersFor: HeadersFor,
): Promise<Visitor> {
  const data = trackDataRequests(session);
  let visit: Visit | undefined;
  let atRest = true;

  /** Whether the main frame may ask for the document. */
  function admits({ requestId, redirectedRequestId, request }: PausedRequest): boolean {
    if (visit === undefined) return false;
    const url = normaliseUrl(request.url + (request.urlFragment ?? ''), undefined, 'Keep');
    if (visit.requestId === undefined && normaliseUrl(request.url)?.href === visit.document) {
      visit.requestId = requestId;
      return true;
    }
    // Before our document is there, a navigation is one of the page that was visited before.
    const isRedirect = redirectedRequestId !== undefined && redirectedRequestId === visit.requestId;
    if (isRedirect || visit.isCommitted) visit.target ??= url;
    if (!isRedirect && visit.target !== undefined) visit.leave();
    return false;
  }

  /** Whether what was answered to the main frame is to be shown. Only our document gets as far as an answer. */
  function shows({ responseStatusCode, responseHeaders }: PausedRequest): boolean {
    if (visit === undefined || responseStatusCode === undefined) return true;
    visit.answer = answerOf(responseStatusCode, responseHeaders ?? [], visit.url, proxy);
    // Where a redirect leads is the browser's to tell: what is read here of a header's bytes is not all of them.
    return visit.answer.end === undefined || visit.answer.end.type === 'redirect';
  }

  session.on('Page.frameNavigated', ({ frame }) => {
    if (visit === undefined || frame.id !== mainFrameId) return;
    if (visit.answer !== undefined && normaliseUrl(frame.url)?.href === visit.document) {
      visit.isCommitted = true;
      // What the page before was waiting for has been broken off.
      data.reset();
    }
    if (frame.url.startsWith('chrome-error:')) visit.showError();
  });
  session.on('Page.loadEventFired', () => {
    if (visit?.isCommitted) visit.load();
  });
  session.on('Page.javascriptDialogOpening', ({ type }) => {
    session.send('Page.handleJavaScriptDialog', { accept: type === 'beforeunload' }).catch(() => {});
  });
  session.on('Inspector.targetCrashed', () => visit?.crash('the page crashed'));
  void session.closed.then((why) => visit?.crash(why));
  await Promise.all([
    session.send('Inspector.enable'),
    session.send('Page.enable'),
    session.send('Page.addScriptToEvaluateOnNewDocument', { source: NO_SERVICE_WORKERS }),
    interceptRequests(session, { mainFrameId, admits, shows, headersFor, blocking, data, proxy }),
  ]);

  async function go(now: Visit, plan: PagePlan): Promise<Rendered | 'interrupted'> {
    const { cookie } = headersFor(now.url);
    if (cookie !== undefined) await introduce(now.url.origin, cookiesOfHeader(cookie, now.url));
    const left = await Promise.race([load(session, now), now.left, now.crashed]);
    // A script that goes elsewhere may keep the page from ever being loaded.
    if (left === 'left') {
      atRest = await comesToRest(session);
      return whereto(now);
    }
    const { answer } = now;
    if (answer === undefined) return 'interrupted';
    if (answer.failure !== undefined) {
      const page = await read(session, withoutContent(plan));
      const evidence = blockEvidence({ ...answer, page });
      const failure = evidence === undefined ? answer.failure : blockedBy(evidence, answer.failure.retryAfterMs);
      return { type: 'failed', failure, facts: answer.facts };
    }
    const hasSettled = await settle(data);
    if (now.target !== undefined) return whereto(now);
    let page = await read(session, plan);
    // What a script asked for before the load event may be heard of after it.
    if (!hasSettled && data.areUnderWay()) {
      await settle(data);
      page = await read(session, plan);
    }
    if (now.target !== undefined) return whereto(now);
    const evidence = blockEvidence({ ...answer, page });
    if (evidence !== undefined) return { type: 'failed', failure: blockedBy(evidence), facts: answer.facts };
    const screenshot = plan.screenshot === null ? undefined : await takeScreenshot(session, plan.screenshot);
    // A script may have gone elsewhere meanwhile.
    if (now.target !== undefined) return whereto(now);
    const result = pageAnswer({ page }, answer.headerLists, now.url, answer.facts);
    return result.type === 'redirect' || screenshot === undefined ? result : { ...result, screenshot };
  }

  return {
    async visit(url, plan) {
      const now = createVisit(url);
      visit = now;
      try {
        return await go(now, plan);
      } catch (error) {
        if (now.target !== undefined) return whereto(now);
        // The browser does not go where the redirect leads.
        if (now.answer?.end?.type === 'redirect') return now.answer.end;
        if (isAborted(error)) return now.answer?.end ?? (now.answer && endWithoutPage(now.answer)) ?? 'interrupted';
        if (!(error instanceof CrawlError)) atRest = isNetworkError(error) && (await errorIsShown(now));
        return endOfError(error, url, proxy);
      } finally {
        visit = undefined;
      }
    },
    isAtRest: () => atRest && !session.isClosed(),
  };
}

/** One document on its way. */
type Visit = {
  readonly url: URL;
  /** Its URL without the fragment, which nobody is asked for. */
  readonly document: string;
  /** Of the request for the document, when the browser has made it. */
  requestId: string | undefined;
  answer: DocumentAnswer | undefined;
  /** Whether the page shows the document, so that its scripts run. */
  isCommitted: boolean;
  /** Where the document, or a script of it, would have gone from here. */
  target: URL | undefined;
  /** Resolves when a script has gone elsewhere. */
  readonly left: Promise<'left'>;
  readonly leave: () => void;
  /** Resolves at the load event. */
  readonly loaded: Promise<void>;
  readonly load: () => void;
  /** Resolves when the browser shows its own page about an error. */
  readonly errorShown: Promise<true>;
  readonly showError: () => void;
  /** Rejects when there is nothing left to visit. */
  readonly crashed: Promise<never>;
  readonly crash: (why: string) => void;
};

function createVisit(url: URL): Visit {
  const left = Promise.withResolvers<'left'>();
  const loaded = Promise.withResolvers<void>();
  const error = Promise.withResolvers<true>();
  const crashed = Promise.withResolvers<never>();
  // Nobody listens when the page crashes after its end.
  crashed.promise.catch(() => {});
  return {
    url,
    document: normaliseUrl(url.href)?.href ?? url.href,
    requestId: undefined,
    answer: undefined,
    isCommitted: false,
    target: undefined,
    left: left.promise,
    leave: () => left.resolve('left'),
    loaded: loaded.promise,
    load: loaded.resolve,
    errorShown: error.promise,
    showError: () => error.resolve(true),
    crashed: crashed.promise,
    crash: (why) => crashed.reject(new Error(why)),
  };
}

function whereto({ url, target, answer }: Visit): Rendered {
  const redirect = answer?.end?.type === 'redirect' ? answer.end : undefined;
  return { facts: answer?.facts ?? {}, ...redirect, type: 'redirect', to: target ?? redirect?.to ?? url };
}

async function load(session: Session, now: Visit): Promise<void> {
  // From another fragment of the same document the browser would not ask for anything.
  if (now.url.hash !== '') await session.send('Page.navigate', { url: 'about:blank' });
  const { errorText } = await session.send('Page.navigate', { url: now.url.href });
  if (errorText !== undefined) throw new Error(errorText);
  await now.loaded;
}

/** False when the page does not leave what it shows. */
async function comesToRest(session: Session): Promise<boolean> {
  const left = session.send('Page.navigate', { url: 'about:blank' }).then(
    ({ errorText }) => errorText === undefined,
    () => false,
  );
  return Promise.race([left, sleep(REST_MS, false, { ref: false })]);
}

/** Chromium goes on to a page of its own about the error, which would interrupt the next navigation. */
async function errorIsShown({ errorShown }: Visit): Promise<boolean> {
  return Promise.race([errorShown, sleep(REST_MS, false, { ref: false })]);
}

async function read(session: Session, plan: PagePlan): Promise<RawPage> {
  const expression = pageScript(plan);
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', { expression, returnByValue: true });
  try {
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return withEncodedQueries(parseRawPage(result.value));
  } catch (error) {
    const message = `the page could not be read: ${error instanceof Error ? error.message.slice(0, 500) : String(error)}`;
    throw new CrawlError({ cause: 'ExtractionError', message, retryable: false });
  }
}
