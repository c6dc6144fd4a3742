// The visit to a claimed page: from its place at the host to what the server, or the browser, has for it.

import type { Claim, FetchFacts, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import { type PagePlan, withoutContent } from '../html/page-plan.ts';
import type { HostPacer } from '../network/host-pacer.ts';
import type { OpenVisit, Rendered, Renderer } from '../rendering/renderer.ts';
import { isSameSite } from '../urls/scope.ts';
import { hostKey } from '../urls/url.ts';
import { MAX_REDIRECTS } from './outcomes.ts';
import type { PageMemory, Recalled } from './page-memory.ts';
import { createStrangers } from './strangers.ts';

export type CrawlSignals = {
  /** No new page is begun: what still waits for its place is released. Aborted whenever `abort` is. */
  readonly stopping: AbortSignal;
  /** What is under way is given up, too. */
  readonly abort: AbortSignal;
};

type Page = Extract<Rendered, { type: 'page' }>;
type Redirect = Extract<Rendered, { type: 'redirect' }>;
type Failed = Extract<Rendered, { type: 'failed' }>;

/** How a visit ended. `url` is the one that answered: another one than the claim's when a redirect led back to it. */
export type Visit = { readonly url: URL; readonly facts: FetchFacts } & (
  | { readonly type: 'page'; readonly rendered: Page }
  /** The page gives what it gave in the run of the schedule before. */
  | { readonly type: 'unchanged'; readonly before: Recalled }
  /** The redirect's target is a request of its own, so that it is fetched once however many URLs lead to it. */
  | { readonly type: 'redirect'; readonly to: URL; readonly path: readonly string[] }
  /** The redirects lead out of the scope, and do not come back: `to` is where they end, as far as they were followed. */
  | { readonly type: 'away'; readonly to: URL; readonly path: readonly string[] }
  | { readonly type: 'tooManyRedirects'; readonly path: readonly string[] }
  | { readonly type: 'notHtml' }
  | { readonly type: 'failed'; readonly failure: Failed['failure'] }
);

/** What to do with a redirect. */
export type Hop = 'Request' | 'Here' | 'TooMany';

/**
 * A redirect's target becomes a request of its own. Only a URL that this visit has been at is gone to at once, and once:
 * a cookie that was set meanwhile may make the difference.
 * @param path the URLs that led here, that of this answer included
 */
export function hopOf(path: readonly string[], to: URL): Hop {
  const visits = path.filter((url) => url === to.href).length;
  if (path.length > MAX_REDIRECTS || visits > 1) return 'TooMany';
  return visits > 0 ? 'Here' : 'Request';
}

/** Where the redirects of a claim's source may lead. */
export type RedirectRules = {
  readonly plan: PagePlan;
  /** Without what names a session. */
  readonly clean: (url: URL) => URL;
  /** Whether a redirect may lead to the URL as a page of the source. */
  readonly follows: (url: URL) => boolean;
  /**
   * Whether a URL out of the scope may be passed through, since it may lead back: pages for consent and single sign-on do.
   * Rejects as the store does.
   */
  readonly mayPass: (url: URL, signal: AbortSignal) => Promise<boolean>;
};

export function createPageVisits(options: {
  readonly spec: CrawlRunSpec;
  readonly store: Pick<WorkerStore, 'deferHost'>;
  readonly renderer: Renderer;
  readonly pacer: HostPacer;
  /** Absent for a run without a schedule: nothing is kept for a next one. */
  readonly memory?: PageMemory;
  /** Whether a document to which the claim's page leads may be asked for now, within its visit; waits for its place. */
  readonly mayAsk: (claim: Claim, url: URL, signals: CrawlSignals) => Promise<boolean>;
}) {
  const { store, renderer, pacer, memory, mayAsk } = options;
  const timeoutMs = durationMs(options.spec.fetch.pageTimeout);
  const strangers = createStrangers();

  /**
   * A redirect that a visitor without cookies was given: the page is asked for once more with those that its redirect gave, or the
   * page that it leads to. Whoever comes without them is often sent to a page that is known already.
   */
  async function asKnownVisitor(
    claim: Claim,
    asked: URL,
    redirect: Redirect,
    plan: PagePlan,
    signals: CrawlSignals,
  ): Promise<Rendered> {
    const { to, visitor, retryAfterMs } = redirect;
    // Another site cannot give cookies of this one, and a host that asks for patience gets it.
    if (visitor === undefined || retryAfterMs !== undefined || !isSameSite(asked, to)) return redirect;
    if (!strangers.mayAskAgain(asked)) return redirect;
    if (visitor === 'Stranger') {
      if (!(await mayAsk(claim, to, signals))) return redirect;
      await renderer.render(to, withoutContent(plan), timeoutMs, signals.abort);
    }
    await pacer.takePlace(hostKey(asked), signals.stopping);
    const answer = await renderer.render(asked, plan, timeoutMs, signals.abort);
    strangers.asked(asked, answer.type !== 'redirect' || answer.to.href !== to.href);
    return answer;
  }

  /**
   * Goes to the claim's URL, whose place at the host has come, and on to where the answer leads within this visit.
   * Rejects with a signal's reason, or as the store does.
   */
  return async function visit(claim: Claim, start: URL, rules: RedirectRules, signals: CrawlSignals): Promise<Visit> {
    const open: OpenVisit = { mayAsk: (to) => mayAsk(claim, to, signals) };
    try {
      return await follow(claim, start, rules, signals, open);
    } finally {
      renderer.leave?.(open);
    }
  };

  async function follow(
    claim: Claim,
    start: URL,
    rules: RedirectRules,
    signals: CrawlSignals,
    open: OpenVisit,
  ): Promise<Visit> {
    const path = [...(claim.redirects ?? []), start.href];
    let known = memory?.validatorsOf(claim);
    /** The visit passes through other sites; what is read there is no page of the source. */
    let isAway = false;
    // `asked` is the URL with its session where a redirect gave it one.
    for (let url = start, asked = start; ; ) {
      const plan = isAway ? withoutContent(rules.plan) : rules.plan;
      const first = await renderer.render(asked, plan, timeoutMs, signals.abort, known, open);
      const isSentOn = first.type === 'redirect' && hopOf(path, rules.clean(first.to)) === 'Request';
      const rendered = isSentOn && !isAway ? await asKnownVisitor(claim, asked, first, plan, signals) : first;
      known = undefined;
      const { facts } = rendered;
      if (isAway && rendered.type !== 'redirect') return { type: 'away', url, to: url, path, facts };
      switch (rendered.type) {
        case 'page':
          return { type: 'page', url, rendered, facts };
        case 'notHtml':
          return { type: 'notHtml', url, facts };
        case 'failed':
          return { type: 'failed', url, failure: rendered.failure, facts };
        case 'unmodified': {
          const before = await memory?.recall(claim, signals.abort);
          if (before !== undefined) return { type: 'unchanged', url, before, facts };
          // What it gave was dropped meanwhile: the page is asked for whole.
          break;
        }
        case 'redirect': {
          const { to, retryAfterMs } = rendered;
          // A host may ask for patience with itself, but not with another host, which it could keep from being crawled.
          if (retryAfterMs !== undefined && hostKey(to) === claim.host) {
            await store.deferHost(claim.host, retryAfterMs, signals.abort);
          }
          const target = rules.clean(to);
          const hop = hopOf(path, target);
          if (hop === 'TooMany') return { type: 'tooManyRedirects', url, path: [...path, target.href], facts };
          if (hop === 'Request') {
            if (rules.follows(target)) return { type: 'redirect', url, to: target, path, facts };
            if (!(await rules.mayPass(to, signals.abort))) return { type: 'away', url, to: target, path, facts };
          }
          isAway = hop === 'Request' || (target.href !== start.href && !rules.follows(target));
          // A page of the source goes by the URL without the session that it was asked for with.
          url = isAway ? to : target;
          asked = to;
          path.push(url.href);
        }
      }
      await pacer.takePlace(hostKey(url), signals.stopping);
    }
  }
}
