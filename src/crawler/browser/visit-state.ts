// One document on its way into a tab: what is known of it, and what can be waited for.
import type { DocumentAnswer } from './document-answer.ts';

/** Addresses that hang: the document is to be loaded anew without them, in another tab. */
export type Hanging = { readonly type: 'hanging'; readonly missing: readonly string[] };

/** A script's navigation. */
export type Moving = {
  readonly requestId: string;
  readonly url: URL;
  /** Its answer takes the place of the document: that to a form, and the document itself when it is loaded again. */
  readonly isShown: boolean;
};

export type Visit = {
  /** Of the document that is shown, or to be shown: another one than at first when a form has posted itself. */
  url: URL;
  /** Of the request for the document, when the browser has made it. */
  requestId: string | undefined;
  answer: DocumentAnswer | undefined;
  /** Whether the page shows the document, so that its scripts run. */
  isCommitted: boolean;
  /** Where the page that was visited before asked to go meanwhile; without fragments. */
  readonly movesBefore: Set<string>;
  /** Where the document, or a script of it, would have gone from here. */
  target: URL | undefined;
  /** Where a script is about to go: it is not known yet whether that is another page, or a file. */
  moving: Moving | undefined;
  /** When a script asked to go somewhere, by `performance.now`: the request for that comes a little later. */
  askedToMoveAt: number;
  /** Where the document refreshes itself to; without fragments. What it says decides whether that is a redirect. */
  readonly refreshes: Set<string>;
  /** Forms that were posted, or were to be. */
  posts: number;
  /** How often the document was loaded again by its scripts, or was to be. */
  reloads: number;
  /** Files to which scripts went: the page stays. */
  readonly files: Set<string>;
  /** Resolves when a script has gone elsewhere. */
  readonly left: Promise<'left'>;
  readonly leave: () => void;
  /** Resolves at the load event of the document that is shown. */
  loaded: PromiseWithResolvers<'loaded'>;
  /** Resolves when the document stops loading before that. */
  readonly stopped: Promise<'stopped'>;
  readonly stop: () => void;
  /** Resolves with what keeps the document from being loaded. */
  readonly hanging: PromiseWithResolvers<Hanging>;
  /** Resolves when the browser shows its own page about an error. */
  readonly errorShown: Promise<true>;
  readonly showError: () => void;
  /** Rejects when there is nothing left to visit. */
  readonly crashed: Promise<never>;
  readonly crash: (why: string) => void;
};

export function createVisit(url: URL): Visit {
  const left = Promise.withResolvers<'left'>();
  const stopped = Promise.withResolvers<'stopped'>();
  const error = Promise.withResolvers<true>();
  const crashed = Promise.withResolvers<never>();
  // Nobody listens when the page crashes after its end.
  crashed.promise.catch(() => {});
  return {
    url,
    requestId: undefined,
    answer: undefined,
    isCommitted: false,
    movesBefore: new Set(),
    target: undefined,
    moving: undefined,
    askedToMoveAt: Number.NEGATIVE_INFINITY,
    refreshes: new Set(),
    posts: 0,
    reloads: 0,
    files: new Set(),
    left: left.promise,
    leave: () => left.resolve('left'),
    loaded: Promise.withResolvers<'loaded'>(),
    stopped: stopped.promise,
    stop: () => stopped.resolve('stopped'),
    hanging: Promise.withResolvers(),
    errorShown: error.promise,
    showError: () => error.resolve(true),
    crashed: crashed.promise,
    crash: (why) => crashed.reject(new Error(why)),
  };
}
