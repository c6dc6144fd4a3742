// One visit to a page of the browser: it goes to one document, is given time to show itself, and is read.
import { CrawlError } from '../failure.ts';
import type { PagePlan } from '../html/page-plan.ts';
import type { RawPage } from '../html/raw-page.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { isSameDocument, normaliseUrl } from '../urls/url.ts';
import { cookiesOfHeader } from './browser-cookies.ts';
import { isNetworkError, notInTime } from './browser-errors.ts';
import type { PooledPage } from './browser-pool.ts';
import type { DocumentAnswer } from './document-answer.ts';
import type { HungResources } from './hung-resources.ts';
import { interceptRequests } from './interception.ts';
import { watchActivity } from './page-activity.ts';
import { PAGE_HOOKS } from './page-hooks.ts';
import { createPageReader, type PageReader } from './page-reader.ts';
import type { Blocking } from './resource-blocking.ts';
import { takeScreenshot } from './screenshot.ts';
import { checkShown, followNavigations, isMoving, type MayAsk } from './visit-navigation.ts';
import {
  brokeOff,
  endOfAbortedVisit,
  endOfFailedVisit,
  endOfXml,
  readFailure,
  refusalOf,
  resultOf,
  unfinished,
  whereto,
} from './visit-reading.ts';
import { createVisit, type Hanging, type Visit } from './visit-state.ts';
import { comesToRest, errorIsShown, hasLoaded, untilLoaded, untilNextLoaded } from './visit-waiting.ts';
import { type Patience, unansweredIn, whatHangs } from './what-hangs.ts';

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
  readonly mayAsk?: MayAsk | undefined;
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
  const navigations = followNavigations(session, mainFrameId, { activity, proxy });
  let atRest = true;
  let blockedVersion = 0;

  session.on('Page.javascriptDialogOpening', ({ type }) => {
    session.send('Page.handleJavaScriptDialog', { accept: type === 'beforeunload' }).catch(() => {});
  });
  await Promise.all([
    session.send('Inspector.enable'),
    session.send('Page.enable'),
    session.send('Page.addScriptToEvaluateOnNewDocument', { source: PAGE_HOOKS }),
  ]);
  const { admits, shows } = navigations;
  const interception = await interceptRequests(session, { ...options, mainFrameId, admits, shows, activity });

  async function prepare(url: URL): Promise<void> {
    const { cookie } = headersFor(url);
    if (cookie !== undefined) await introduce(url.origin, cookiesOfHeader(cookie, url));
    if (blockedVersion !== hung.version()) {
      blockedVersion = hung.version();
      await interception.update();
    }
    // Another fragment of the document that is shown would not be asked for.
    const shown = normaliseUrl(navigations.shownUrl());
    if (shown !== undefined && url.hash !== '' && isSameDocument(shown, url)) await comesToRest(session);
  }

  /** A page whose script stands still does not even say that it is shown. */
  async function unanswered(now: Visit): Promise<readonly string[]> {
    return now.answer === undefined ? [] : unansweredIn(session, activity, now.url);
  }

  /** Gives the page up when something hangs, and its document may be asked for once more. Rejects when the visit is over. */
  async function watchForHanging(now: Visit, { patience, mayAsk }: VisitOrder, signal: AbortSignal): Promise<void> {
    if (patience === undefined) return;
    const missing = await whatHangs(() => unanswered(now), patience, signal);
    const isAllowed = missing.length > 0 && ((await mayAsk?.(now.url)) ?? true);
    if (isAllowed) now.hanging.resolve({ type: 'hanging', missing });
  }

  async function go(now: Visit, order: VisitOrder): Promise<Rendered | Hanging | 'interrupted'> {
    await prepare(now.url);
    activity.reset();
    const end = await untilLoaded(session, now, order.readBy);
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
    if (end === 'stopped' && !(await hasLoaded(now, reader))) throw brokeOff();
    return readLoaded(now, answer, reader, order);
  }

  async function readLoaded(
    now: Visit,
    answer: DocumentAnswer,
    reader: PageReader,
    order: VisitOrder,
  ): Promise<Rendered | 'interrupted'> {
    const { plan } = order;
    const xml = await endOfXml(answer, reader, plan);
    if (xml !== undefined) return xml.type === 'Ended' ? xml.end : finish(now, answer, xml.page, order);
    if (answer.failure !== undefined) return readFailure(answer, answer.failure, reader, plan);
    const isBusy = () => isMoving(now, performance.now());
    const reading = reader.readQuiet(plan, isBusy).catch((error: unknown) => {
      // The document is gone: the answer to its form, or the document itself once more, has taken its place.
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
    if (page === 'replaced' || now.answer !== answer) return readNext(now, order);
    return finish(now, answer, page, order);
  }

  /** The document that has taken the place of one that had loaded. */
  async function readNext(now: Visit, order: VisitOrder): Promise<Rendered | 'interrupted'> {
    const end = await untilNextLoaded(now, order.readBy);
    const { answer } = now;
    if (end === 'left' || answer === undefined || now.target !== undefined) return leave(now);
    const reader = await createPageReader(session, mainFrameId, now.url, activity);
    return end === 'late' ? readAsItStands(now, answer, reader, order) : readLoaded(now, answer, reader, order);
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
    const xml = await endOfXml(answer, reader, order.plan);
    if (xml !== undefined) return xml.type === 'Ended' ? xml.end : finish(now, answer, xml.page, order);
    if (answer.failure !== undefined) return { type: 'failed', failure: answer.failure, facts: answer.facts };
    const result = await finish(now, answer, await reader.read(order.plan), order);
    return { ...result, facts: { ...result.facts, unfinished: unfinished(missing) } };
  }

  /** Takes the picture of the page that was read, when one is wanted. */
  async function finish(
    now: Visit,
    answer: DocumentAnswer,
    page: RawPage,
    { plan, readBy }: VisitOrder,
  ): Promise<Rendered> {
    const refusal = refusalOf(answer, page);
    if (refusal !== undefined) return refusal;
    const screenshot = plan.screenshot === null ? undefined : await takeScreenshot(session, plan.screenshot, readBy);
    if (screenshot !== undefined && 'error' in screenshot) atRest = false;
    // A script may have gone elsewhere meanwhile.
    if (now.target !== undefined) return leave(now);
    checkShown(navigations.shownUrl());
    return resultOf(now, answer, page, plan, screenshot);
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
      navigations.begin(now, order.mayAsk);
      watchForHanging(now, order, ended.signal).catch(() => {});
      try {
        return await go(now, order);
      } catch (error) {
        const end = endOfAbortedVisit(error, now);
        if (end !== undefined) return end;
        if (!(error instanceof CrawlError)) atRest = isNetworkError(error) && (await errorIsShown(now));
        return endOfFailedVisit(error, now, proxy);
      } finally {
        ended.abort();
        navigations.end();
      }
    },
    isAtRest: () => atRest && !session.isClosed(),
  };
}
