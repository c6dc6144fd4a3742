// Where the main frame may go during a visit, and what it shows of the answers. The rules are pure; `followNavigations` applies
// them to what the browser asks and tells.
import { CrawlError } from '../failure.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import { isSameDocument, normaliseUrl, withoutFragment } from '../urls/url.ts';
import { failureOfBrowser } from './browser-errors.ts';
import type { Session } from './devtools.ts';
import { answerOf, type DocumentAnswer, isAttachment, isMisunderstood } from './document-answer.ts';
import type { PausedRequest, Shows } from './interception.ts';
import type { PageActivity } from './page-activity.ts';
import { retyped } from './retyped-document.ts';
import type { Moving, Visit } from './visit-state.ts';

/** Forms that are posted in one visit; a page that goes on posting is read as it is. */
export const MAX_POSTS = 5;
/** How often a document is loaded again in one visit; one that goes on is read as it is. */
export const MAX_RELOADS = 5;

/** Whether a document may be asked for to which a page leads. Waits for a place at its host. */
export type MayAsk = (url: URL) => Promise<boolean>;

export type Navigations = {
  /** From now on the main frame's requests belong to the visit. */
  readonly begin: (visit: Visit, mayAsk: MayAsk | undefined) => void;
  /** The main frame may ask for no document any more. */
  readonly end: () => void;
  /** Whether the main frame may ask for the document. */
  readonly admits: (paused: PausedRequest) => boolean | Promise<boolean>;
  /** Whether the main frame shows what it was answered. */
  readonly shows: (paused: PausedRequest) => Shows | Promise<Shows>;
  readonly shownUrl: () => string;
};

/** What a request of the main frame for a document is, seen from the visit under way. */
export type Navigation =
  /** The request of the visit itself. */
  | 'Ours'
  /** Where the answer to that redirects. */
  | 'Redirect'
  /** A script of the document, or a refresh, goes elsewhere. */
  | 'Move'
  /** Of the page that was visited before, or one too many. */
  | 'Stale';

type VisitSoFar = Pick<Visit, 'url' | 'requestId' | 'isCommitted' | 'target' | 'movesBefore'>;

/**
 * @param url undefined when it cannot be crawled
 * @param redirected the request whose answer redirects there
 */
export function navigationOf(url: URL | undefined, redirected: string | undefined, visit: VisitSoFar): Navigation {
  if (visit.requestId === undefined && url !== undefined && isSameDocument(url, visit.url)) return 'Ours';
  if (redirected !== undefined && redirected === visit.requestId) return 'Redirect';
  // Before our document is there, a navigation is one of the page that was visited before.
  if (!visit.isCommitted || url === undefined || visit.target !== undefined) return 'Stale';
  // One that it asked for just before it was replaced comes later than that.
  return visit.movesBefore.has(withoutFragment(url)) ? 'Stale' : 'Move';
}

/** What becomes of a page whose script went somewhere, by what it was answered there. */
export type EndOfMove =
  /** The page stays: it was answered a file, or nothing. */
  | { readonly type: 'Stays' }
  /** The visit ends with where the script went; `answer` ends it in place of the page's own. */
  | { readonly type: 'Leaves'; readonly to: URL; readonly answer?: DocumentAnswer }
  /** The answer is the page now: nobody else could ask for that to a form, or would come back to the document in this tab. */
  | { readonly type: 'IsShown' };

export function endOfMove({ url, isShown }: Moving, answer: DocumentAnswer): EndOfMove {
  if (answer.end?.type === 'notHtml' || answer.status === 204 || isAttachment(answer)) return { type: 'Stays' };
  if (!isShown) return { type: 'Leaves', to: url };
  if (answer.end === undefined) return { type: 'IsShown' };
  return { type: 'Leaves', to: answer.end.type === 'redirect' ? answer.end.to : url, answer };
}

/** How long the browser may take to ask for the document to which a script goes; on a busy machine over half a second. */
const ASKING_MS = 2_000;

/** Whether a script of the document is about to go somewhere. */
export function isMoving({ moving, askedToMoveAt }: Pick<Visit, 'moving' | 'askedToMoveAt'>, now: number): boolean {
  return moving !== undefined || now - askedToMoveAt < ASKING_MS;
}

export function followNavigations(
  session: Session,
  mainFrameId: string,
  { activity, proxy }: { readonly activity: PageActivity; readonly proxy: GuardProxy },
): Navigations {
  let visit: Visit | undefined;
  let mayAsk: MayAsk | undefined;
  let shownUrl = 'about:blank';

  function admits(paused: PausedRequest): boolean | Promise<boolean> {
    if (visit === undefined) return false;
    const { requestId, redirectedRequestId, request } = paused;
    const url = normaliseUrl(request.url + (request.urlFragment ?? ''), undefined, 'Keep');
    switch (navigationOf(url, redirectedRequestId, visit)) {
      case 'Ours':
        visit.requestId = requestId;
        return true;
      case 'Redirect':
        visit.target ??= url;
        return false;
      case 'Stale':
        return false;
      case 'Move':
        return url !== undefined && admitsMove(visit, paused, url);
    }
  }

  /**
   * A form that posts itself is posted, and a document that loads itself again is loaded; another document is looked at,
   * whether it is a page at all.
   */
  async function admitsMove(now: Visit, { requestId, request }: PausedRequest, url: URL): Promise<boolean> {
    const isPost = request.method !== 'GET';
    const isReload = !isPost && isSameDocument(url, now.url);
    if (isPost && ++now.posts > MAX_POSTS) return false;
    // By <meta> or a header a document is loaded again for ever, and says when.
    if (isReload && (now.refreshes.has(withoutFragment(url)) || ++now.reloads > MAX_RELOADS)) return false;
    now.moving = { requestId, url, isShown: isPost || isReload };
    // A crawl that is stopping asks for nothing more.
    const isAllowed = mayAsk === undefined ? isPost : await mayAsk(url).catch(() => false);
    // Meanwhile the page may have gone somewhere else, or the visit may be over.
    if (visit !== now || now.moving?.requestId !== requestId) return false;
    if (!isAllowed) leaveFor(now, url);
    return isAllowed;
  }

  function leaveFor(now: Visit, to: URL): void {
    now.moving = undefined;
    if (now.refreshes.has(withoutFragment(to))) return;
    now.target ??= to;
    now.leave();
  }

  function shows(paused: PausedRequest): Shows | Promise<Shows> {
    const { requestId, responseStatusCode, responseHeaders = [] } = paused;
    if (visit === undefined || responseStatusCode === undefined) return 'AsItIs';
    const { moving } = visit;
    if (moving?.requestId === requestId) {
      return showsMove(visit, moving, answerOf(responseStatusCode, responseHeaders, moving.url, proxy));
    }
    const answer = answerOf(responseStatusCode, responseHeaders, visit.url, proxy);
    visit.answer = answer;
    // Where a redirect leads, Chromium knows best: it comes back as a request, which is not admitted.
    if (answer.end !== undefined) return answer.end.type === 'redirect' ? 'AsItIs' : 'No';
    if (isMisunderstood(answer)) return showsRetyped(visit, answer, requestId);
    return isAttachment(answer) ? 'AsPage' : 'AsItIs';
  }

  function showsMove(now: Visit, moving: Moving, answer: DocumentAnswer): Shows | Promise<Shows> {
    const end = endOfMove(moving, answer);
    switch (end.type) {
      case 'Stays':
        now.moving = undefined;
        now.files.add(moving.url.href);
        return 'No';
      case 'Leaves':
        if (end.answer !== undefined) now.answer = end.answer;
        leaveFor(now, end.to);
        return 'No';
      case 'IsShown': {
        const { url } = moving;
        Object.assign(now, { url, answer, isCommitted: false, moving: undefined, loaded: Promise.withResolvers() });
        now.askedToMoveAt = Number.NEGATIVE_INFINITY;
        return isMisunderstood(answer) ? showsRetyped(now, answer, moving.requestId) : 'AsItIs';
      }
    }
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

  // A page's request to go elsewhere and its replacement by the next document are told in the order in which they were made.
  session.on('Page.frameRequestedNavigation', ({ frameId, url, reason }) => {
    const to = normaliseUrl(url);
    if (visit === undefined || frameId !== mainFrameId || to === undefined) return;
    if (!visit.isCommitted) visit.movesBefore.add(to.href);
    else {
      visit.movesBefore.delete(to.href);
      if (reason === 'metaTagRefresh' || reason === 'httpHeaderRefresh') visit.refreshes.add(to.href);
      else visit.askedToMoveAt = performance.now();
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
  session.on('Inspector.targetCrashed', () => visit?.crash('the page crashed'));
  void session.closed.then((why) => visit?.crash(why));

  return {
    begin(started, asks) {
      visit = started;
      mayAsk = asks;
    },
    end() {
      visit = undefined;
    },
    admits,
    shows,
    shownUrl: () => shownUrl,
  };
}

/** Throws a CrawlError when a script has put a page of the browser's own in place of the document. */
export function checkShown(url: string): void {
  if (!url.startsWith('about:')) return;
  const message = `a script of the page left it for ${url.slice(0, 100)}, which holds nothing`;
  throw new CrawlError({ cause: 'BrowserError', message, retryable: true });
}
