// One visit to a page of the browser: it goes to one document, is given time to show itself, and is read.
import { setTimeout as sleep } from 'node:timers/promises';
import { blockEvidence, blockedBy } from '../blocking/blocked.ts';
import { CrawlError, type Failure } from '../failure.ts';
import { readXml } from '../html/html-page.ts';
import { type PagePlan, withoutContent } from '../html/page-plan.ts';
import { isPageInXml } from '../html/page-source.ts';
import type { RawPage } from '../html/raw-page.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import { pageAnswer } from '../rendering/page-answer.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { withTruncations } from '../rendering/truncations.ts';
import { isSameDocument, normaliseUrl, withoutFragment } from '../urls/url.ts';
import { cookiesOfHeader } from './browser-cookies.ts';
import { endOfError, failureOfBrowser, isAborted, isNetworkError, notInTime } from './browser-errors.ts';
import type { PooledPage } from './browser-pool.ts';
import type { Session } from './devtools.ts';
import { answerOf, type DocumentAnswer, endWithoutPage, isAttachment, isMisunderstood } from './document-answer.ts';
import type { HungResources } from './hung-resources.ts';
import { interceptRequests, type PausedRequest, type Shows } from './interception.ts';
import { watchActivity } from './page-activity.ts';
import { PAGE_HOOKS } from './page-hooks.ts';
import { createPageReader, type PageReader } from './page-reader.ts';
import type { Blocking } from './resource-blocking.ts';
import { retyped } from './retyped-document.ts';
import { takeScreenshot } from './screenshot.ts';
import { createVisit, type Hanging, type Visit } from './visit-state.ts';
import { type Patience, unansweredIn, whatHangs } from './what-hangs.ts';

/** Forms that are posted in one visit; a page that goes on posting is read as it is. */
const MAX_POSTS = 5;
/** How long a page may take to come to rest after an error or a script's navigation. */
const REST_MS = 2_000;

export type VisitOrder = {
  readonly url: URL;
  readonly plan: PagePlan;
  /** When a page that is still loading is read as it stands: early enough before the visit is given up. */
  readonly readBy: AbortSignal;
  /** When a page that waits for what hangs is given up, to be loaded anew; absent where it has been. */
  readonly patience?: Patience;
  /**
   * Whether a document may be asked for to which a script of the page goes, to see whether that is a page or a file. Absent:
   * it is taken for a page.
   */
  readonly mayAsk?: ((url: URL) => Promise<boolean>) | undefined;
};

export type Visitor = {
  /**
   * `interrupted` when scripts of the page that was visited before took the navigation away: another page has to be
   * used, and this one is good for nothing more.
   */
  readonly visit: (order: VisitOrder) => Promise<Rendered | Hanging | 'interrupted'>;
  /** Whether the page can be sent on: false when nobody knows what it does now. */
  readonly isAtRest: () => boolean;
};

/**
 * A page that goes to the one document that it is sent to, and to no other by itself: where a redirect or a script would
 * take it becomes a request of the frontier.
 */
export async function createVisitor(
  { session, mainFrameId, introduce }: PooledPage,
  options: {
    readonly proxy: GuardProxy;
    readonly blocking: Blocking;
    readonly hung: HungResources;
    readonly headersFor: HeadersFor;
  },
): Promise<Visitor> {
  const { proxy, hung, headersFor } = options;
  const activity = await watchActivity(session);
  let visit: Visit | undefined;
  let mayAsk: VisitOrder['mayAsk'];
  let atRest = true;
  let shownUrl = 'about:blank';
  let blockedVersion = 0;

  /** Whether the main frame may ask for the document. */
  function admits(paused: PausedRequest): boolean | Promise<boolean> {
    if (visit === undefined) return false;
    const { requestId, redirectedRequestId, request } = paused;
    const url = normaliseUrl(request.url + (request.urlFragment ?? ''), undefined, 'Keep');
    if (visit.requestId === undefined && url !== undefined && isSameDocument(url, visit.url)) {
      visit.requestId = requestId;
      return true;
    }
    // Before our document is there, a navigation is one of the page that was visited before.
    const isRedirect = redirectedRequestId !== undefined && redirectedRequestId === visit.requestId;
    if (isRedirect) {
      visit.target ??= url;
      return false;
    }
    if (!visit.isCommitted || url === undefined || visit.target !== undefined) return false;
    // One that it asked for just before it was replaced comes later than that.
    if (visit.movesBefore.has(withoutFragment(url))) return false;
    return admitsMove(visit, paused, url);
  }

  /** A form that posts itself is posted; another document is looked at, whether it is a page at all. */
  async function admitsMove(now: Visit, { requestId, request }: PausedRequest, url: URL): Promise<boolean> {
    const isPost = request.method !== 'GET';
    if (isPost && ++now.posts > MAX_POSTS) return false;
    now.moving = { requestId, url, isPost };
    const isAllowed = await mayMove(url, isPost, now);
    // Meanwhile the page may have gone somewhere else, or the visit may be over.
    if (visit !== now || now.moving?.requestId !== requestId) return false;
    if (!isAllowed) moved(now, url);
    return isAllowed;
  }

  function moved(now: Visit, to: URL): void {
    now.moving = undefined;
    if (now.refreshes.has(withoutFragment(to))) return;
    now.target ??= to;
    now.leave();
  }

  /** A page that goes to itself has set a cookie, or is loaded again: whoever follows the redirect comes back here. */
  async function mayMove(url: URL, isPost: boolean, now: Visit): Promise<boolean> {
    if (mayAsk === undefined) return isPost;
    if (!isPost && isSameDocument(url, now.url)) return false;
    // A crawl that is stopping asks for nothing more.
    return mayAsk(url).catch(() => false);
  }

  /** Whether what was answered to the main frame is to be shown. */
  function shows(paused: PausedRequest): Shows | Promise<Shows> {
    const { requestId, responseStatusCode, responseHeaders } = paused;
    if (visit === undefined || responseStatusCode === undefined) return 'AsItIs';
    const { moving } = visit;
    if (moving?.requestId === requestId) {
      return showsMove(visit, moving, answerOf(responseStatusCode, responseHeaders ?? [], moving.url, proxy));
    }
    visit.answer = answerOf(responseStatusCode, responseHeaders ?? [], visit.url, proxy);
    // Where a redirect leads, Chromium knows best: it comes back as a request, which is not admitted.
    if (visit.answer.end !== undefined) return visit.answer.end.type === 'redirect' ? 'AsItIs' : 'No';
    if (isMisunderstood(visit.answer)) return showsRetyped(visit, visit.answer, requestId);
    return isAttachment(visit.answer) ? 'AsPage' : 'AsItIs';
  }

  async function showsRetyped(now: Visit, answer: DocumentAnswer, requestId: string): Promise<Shows> {
    const { failure, facts } = answer;
    try {
      const document = await retyped(session, requestId, answer);
      if (document !== undefined) return document;
      now.answer = {
        ...answer,
        end: failure === undefined ? { type: 'notHtml', facts } : { type: 'failed', failure, facts },
      };
    } catch (error) {
      now.answer = { ...answer, end: { type: 'failed', failure: failureOfBrowser(error, false), facts } };
    }
    return 'No';
  }

  function showsMove(now: Visit, { url, isPost }: NonNullable<Visit['moving']>, answer: DocumentAnswer): Shows {
    if (answer.end?.type === 'notHtml' || answer.status === 204 || isAttachment(answer)) {
      now.moving = undefined;
      now.files.add(url.href);
      return 'No';
    }
    if (!isPost) {
      moved(now, url);
      return 'No';
    }
    if (answer.end !== undefined) {
      now.answer = answer;
      moved(now, answer.end.type === 'redirect' ? answer.end.to : url);
      return 'No';
    }
    // What a form was answered is the page: nobody else could ask for it.
    Object.assign(now, { url, answer, isCommitted: false, moving: undefined, loaded: Promise.withResolvers() });
    return 'AsItIs';
  }

  // A page's request to go elsewhere and its replacement by the next document are told in the order in which they were made.
  session.on('Page.frameRequestedNavigation', ({ frameId, url, reason }) => {
    const to = normaliseUrl(url);
    if (visit === undefined || frameId !== mainFrameId || to === undefined) return;
    if (!visit.isCommitted) visit.movesBefore.add(to.href);
    else {
      visit.movesBefore.delete(to.href);
      if (reason === 'metaTagRefresh' || reason === 'httpHeaderRefresh') visit.refreshes.add(to.href);
    }
  });
  session.on('Page.frameNavigated', ({ frame }) => {
    if (frame.id !== mainFrameId) return;
    shownUrl = frame.url;
    if (visit === undefined) return;
    const url = normaliseUrl(frame.url);
    if (visit.answer !== undefined && url !== undefined && isSameDocument(url, visit.url)) {
      visit.isCommitted = true;
      activity.committed(frame.loaderId);
    }
    if (frame.url.startsWith('chrome-error:')) visit.showError();
  });
  session.on('Page.loadEventFired', () => {
    if (visit?.isCommitted) visit.loaded.resolve('loaded');
  });
  session.on('Page.frameStoppedLoading', ({ frameId }) => {
    if (frameId === mainFrameId && visit?.isCommitted && visit.moving === undefined) visit.stop();
  });
  session.on('Page.javascriptDialogOpening', ({ type }) => {
    session.send('Page.handleJavaScriptDialog', { accept: type === 'beforeunload' }).catch(() => {});
  });
  session.on('Inspector.targetCrashed', () => visit?.crash('the page crashed'));
  void session.closed.then((why) => visit?.crash(why));
  await Promise.all([
    session.send('Inspector.enable'),
    session.send('Page.enable'),
    session.send('Page.addScriptToEvaluateOnNewDocument', { source: PAGE_HOOKS }),
  ]);
  const interception = await interceptRequests(session, { ...options, mainFrameId, admits, shows, activity });

  async function prepare(url: URL): Promise<void> {
    const { cookie } = headersFor(url);
    if (cookie !== undefined) await introduce(url.origin, cookiesOfHeader(cookie, url));
    if (blockedVersion !== hung.version()) {
      blockedVersion = hung.version();
      await interception.update();
    }
    // Another fragment of the document that is shown would not be asked for.
    const shown = normaliseUrl(shownUrl);
    if (shown !== undefined && url.hash !== '' && isSameDocument(shown, url)) await comesToRest(session);
  }

  /** Waits for the page to be loaded: `late` when that takes too long. */
  async function untilLoaded(
    now: Visit,
    readBy: AbortSignal,
  ): Promise<'loaded' | 'left' | 'late' | 'stopped' | Hanging> {
    const late = aborted(readBy);
    const navigated = await Promise.race([
      session.send('Page.navigate', { url: now.url.href }),
      now.hanging.promise,
      now.crashed,
      late,
    ]);
    if (typeof navigated === 'object' && 'errorText' in navigated && navigated.errorText !== undefined) {
      throw new Error(navigated.errorText);
    }
    for (;;) {
      const { loaded } = now;
      const end = await Promise.race([loaded.promise, now.left, now.stopped, now.hanging.promise, late, now.crashed]);
      // The load event of a page whose form has posted itself is not that of its answer.
      if (end !== 'loaded' || (now.loaded === loaded && now.moving?.isPost !== true)) return end;
      await Promise.race([sleep(20), now.crashed]);
    }
  }

  /** A page whose script stands still does not even say that it is shown. */
  async function unanswered(now: Visit): Promise<readonly string[]> {
    return now.answer === undefined ? [] : unansweredIn(session, activity, now.url);
  }

  /** Gives the page up when something hangs, and its document may be asked for once more. Rejects when the visit is over. */
  async function watchForHanging(now: Visit, patience: Patience, signal: AbortSignal): Promise<void> {
    const missing = await whatHangs(() => unanswered(now), patience, signal);
    const isAllowed = missing.length > 0 && ((await mayAsk?.(now.url)) ?? true);
    if (isAllowed) now.hanging.resolve({ type: 'hanging', missing });
  }

  async function go(now: Visit, order: VisitOrder): Promise<Rendered | Hanging | 'interrupted'> {
    const { plan, readBy } = order;
    await prepare(now.url);
    activity.reset();
    const end = await untilLoaded(now, readBy);
    if (end === 'left') return leave(now);
    if (typeof end === 'object') {
      hung.note(end.missing);
      return end;
    }
    const { answer } = now;
    if (answer === undefined || !now.isCommitted) {
      if (end !== 'late') return 'interrupted';
      const missing = await unanswered(now);
      hung.note(missing);
      throw new CrawlError(notInTime(missing));
    }
    const reader = await createPageReader(session, mainFrameId, now.url, activity);
    if (end === 'late') return readAsItStands(now, answer, reader, order);
    if (end === 'stopped' && !(await hasLoaded(now, reader))) {
      throw new CrawlError({ cause: 'ConnectionError', message: 'the document broke off', retryable: true });
    }
    const endOfDocument = await endOfXml(now, answer, reader, order);
    if (endOfDocument !== undefined) return endOfDocument;
    if (answer.failure !== undefined) return readFailure(answer, answer.failure, reader, plan);
    const isMoving = () => now.moving !== undefined;
    const reading = reader.readQuiet(plan, isMoving).catch((error: unknown) => {
      // The document is gone: the answer to its form has taken its place.
      if (now.answer !== answer) return 'replaced' as const;
      throw error;
    });
    const page = await Promise.race([reading, now.left, now.crashed]);
    if (page === 'left') {
      reading.catch(() => {});
      return leave(now);
    }
    // Nobody knows where it leads: whoever asks for it will.
    if (now.moving !== undefined) return leave(now, now.moving.url);
    if (page === 'replaced' || now.answer !== answer) return readFormAnswer(now, order);
    return resultOf(now, answer, page, order);
  }

  /**
   * Of a document that is not HTML by its header: no page, if the browser does not show it as one. Of XML that is not well formed
   * the browser shows the first error, and its scripts have not run: that is read as render mode HTTP reads it.
   */
  async function endOfXml(
    now: Visit,
    answer: DocumentAnswer,
    reader: PageReader,
    order: VisitOrder,
  ): Promise<Rendered | undefined> {
    const { kind, headers, failure, facts } = answer;
    const shown = kind === 'Html' ? 'Page' : await reader.whatIsShown();
    if (shown === 'Page') return undefined;
    const source = shown === 'BrokenXml' ? await reader.source() : undefined;
    if (source === undefined || !isPageInXml(source.text, headers['content-type'])) return { type: 'notHtml', facts };
    if (failure !== undefined) return { type: 'failed', failure, facts };
    return resultOf(now, answer, readXml(source, order.plan), order);
  }

  /** The page of a failure may tell that the crawl was refused. */
  async function readFailure(
    answer: DocumentAnswer,
    failure: Failure,
    reader: PageReader,
    plan: PagePlan,
  ): Promise<Rendered> {
    const page = await reader.read(withoutContent(plan));
    const evidence = blockEvidence({ ...answer, page });
    const told = evidence === undefined ? failure : blockedBy(evidence, failure.retryAfterMs);
    return { type: 'failed', failure: told, facts: answer.facts };
  }

  /** The answer to a form that was posted after the page had loaded. */
  async function readFormAnswer(now: Visit, order: VisitOrder): Promise<Rendered | 'interrupted'> {
    await Promise.race([now.loaded.promise, now.left, now.crashed]);
    const { answer } = now;
    if (answer === undefined || now.target !== undefined) return leave(now);
    const reader = await createPageReader(session, mainFrameId, now.url, activity);
    const end = await endOfXml(now, answer, reader, order);
    if (end !== undefined) return end;
    if (answer.failure !== undefined) return readFailure(answer, answer.failure, reader, order.plan);
    return resultOf(now, answer, await reader.readQuiet(order.plan, () => false), order);
  }

  async function resultOf(
    now: Visit,
    answer: DocumentAnswer,
    page: RawPage,
    { plan, readBy }: VisitOrder,
  ): Promise<Rendered> {
    const evidence = blockEvidence({ ...answer, page });
    if (evidence !== undefined) return { type: 'failed', failure: blockedBy(evidence), facts: answer.facts };
    const screenshot = plan.screenshot === null ? undefined : await takeScreenshot(session, plan.screenshot, readBy);
    if (screenshot !== undefined && 'error' in screenshot) atRest = false;
    // A script may have gone elsewhere meanwhile.
    if (now.target !== undefined) return leave(now);
    if (shownUrl.startsWith('about:')) {
      const message = `a script of the page left it for ${shownUrl.slice(0, 100)}, which holds nothing`;
      throw new CrawlError({ cause: 'BrowserError', message, retryable: true });
    }
    const isPictureCut = screenshot !== undefined && 'picture' in screenshot && screenshot.isCut;
    const facts = withTruncations(answer.facts, [
      ...(now.posts > MAX_POSTS ? (['FormPosts'] as const) : []),
      ...(isPictureCut ? (['Screenshot'] as const) : []),
    ]);
    const result = pageAnswer({ page, plan }, answer.headerLists, now.url, facts);
    // A refresh that begins a download leaves the page where it is.
    const stays = result.type === 'redirect' && now.files.has(result.to.href);
    const shown = stays ? pageAnswer({ page: { ...page, refreshes: [] }, plan }, {}, now.url, facts) : result;
    if (shown.type === 'redirect' || screenshot === undefined) return shown;
    if ('picture' in screenshot) return { ...shown, screenshot: screenshot.picture };
    return { ...shown, facts: { ...shown.facts, screenshotError: screenshot.error } };
  }

  /** What has been parsed is a page; what keeps it from being loaded is not asked for again by the next ones. */
  async function readAsItStands(
    now: Visit,
    answer: DocumentAnswer,
    reader: PageReader,
    order: VisitOrder,
  ): Promise<Rendered> {
    const missing = await unanswered(now);
    hung.note(missing);
    atRest = false;
    if (!(await reader.isParsed())) throw new CrawlError(notInTime(missing));
    const end = await endOfXml(now, answer, reader, order);
    if (end !== undefined) return end;
    if (answer.failure !== undefined) return { type: 'failed', failure: answer.failure, facts: answer.facts };
    const result = await resultOf(now, answer, await reader.read(order.plan), order);
    return { ...result, facts: { ...result.facts, unfinished: unfinished(missing) } };
  }

  /** A script that goes elsewhere may keep the page from ever being loaded. */
  async function leave(now: Visit, target = now.target): Promise<Rendered> {
    now.target ??= target;
    atRest = await comesToRest(session);
    return whereto(now);
  }

  return {
    async visit(order) {
      const now = createVisit(order.url);
      const ended = new AbortController();
      visit = now;
      mayAsk = order.mayAsk;
      if (order.patience !== undefined) watchForHanging(now, order.patience, ended.signal).catch(() => {});
      try {
        return await go(now, order);
      } catch (error) {
        if (now.target !== undefined) return whereto(now);
        // The browser does not go where the redirect leads.
        if (now.answer?.end?.type === 'redirect') return now.answer.end;
        if (isAborted(error)) return now.answer?.end ?? (now.answer && endWithoutPage(now.answer)) ?? 'interrupted';
        if (!(error instanceof CrawlError)) atRest = isNetworkError(error) && (await errorIsShown(now));
        const end = endOfError(error, now.url, proxy);
        return { ...end, facts: { ...now.answer?.facts, ...end.facts } };
      } finally {
        ended.abort();
        visit = undefined;
      }
    },
    isAtRest: () => atRest && !session.isClosed(),
  };
}

function whereto({ url, target, answer }: Visit): Rendered {
  // Of a form that was posted: what its address says to others is nothing of this page.
  if (answer?.end?.type === 'failed') return answer.end;
  const redirect = answer?.end?.type === 'redirect' ? answer.end : undefined;
  return { facts: answer?.facts ?? {}, ...redirect, type: 'redirect', to: target ?? redirect?.to ?? url };
}

/** A page may stop itself (`window.stop`): it was parsed as far as it wanted to be. */
async function hasLoaded(now: Visit, reader: PageReader): Promise<boolean> {
  const isLoaded = await Promise.race([now.loaded.promise.then(() => true), sleep(50, false)]);
  return isLoaded || (await reader.isParsed());
}

function unfinished(missing: readonly string[]): string {
  const what = missing.length === 0 ? '' : `: no answer from ${shortened(missing)}`;
  return `read at its deadline, before it was loaded${what}`;
}

/** The first few addresses. */
export function shortened(urls: readonly string[]): string {
  return urls
    .slice(0, 3)
    .map((url) => url.slice(0, 100))
    .join(', ');
}

function aborted(signal: AbortSignal): Promise<'late'> {
  const { promise, resolve } = Promise.withResolvers<'late'>();
  if (signal.aborted) resolve('late');
  else signal.addEventListener('abort', () => resolve('late'), { once: true });
  return promise;
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
