// Render mode Browser: pages as a visitor sees them, scripts run, read by one evaluation.
import type { Logger } from '../../telemetry/logger.ts';
import type { AddressGuard } from '../network/address-guard.ts';
import { startGuardProxy } from '../network/guard-proxy.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import { PUBLIC_TRUST, type TlsTrust } from '../network/tls-trust.ts';
import type { UpstreamProxy } from '../network/upstream-proxy.ts';
import type { OpenVisit, Rendered, Renderer } from '../rendering/renderer.ts';
import { failureOfBrowser } from './browser-errors.ts';
import { createBrowserPool, type PooledPage } from './browser-pool.ts';
import { createVisitor, type VisitOrder, type Visitor } from './browser-visit.ts';
import { createHungResources } from './hung-resources.ts';
import { type BlockedResource, createBlocking } from './resource-blocking.ts';
import { shortened } from './visit-reading.ts';
import { createVisitTabs, type TabEnd, type VisitTabs } from './visit-tabs.ts';
import type { Patience } from './what-hangs.ts';

/** Pages that are tried when the one visited before keeps a page from going on. */
const MAX_INTERRUPTIONS = 3;

/** What is left of a page's time to read it as it stands; of a very short time a part. */
const READING_MS = 3_000;
const LEAST_PART = 0.7;

/** Of the time that a visit has, after which it is looked at whether it waits for what hangs; the rest is enough to load it anew. */
const FIRST_LOOK = 0.4;
const LAST_LOOK = 0.5;

/** Starts the guard proxy; the browser itself is started with the first page. */
export async function createBrowserRenderer(options: {
  readonly executablePath: string;
  readonly guard: AddressGuard;
  /** By which everything that pages load goes, if there is one. */
  readonly upstream?: UpstreamProxy;
  readonly userAgent: string;
  readonly blocked: readonly BlockedResource[];
  readonly sandbox: boolean;
  /** Which certificates count; without it those that Chromium trusts by itself. */
  readonly trust?: TlsTrust;
  readonly recycleAfterPages: number;
  /** What the user adds to the requests for documents of some hosts. */
  readonly headersFor: HeadersFor;
  readonly log: Logger;
}): Promise<Renderer> {
  const proxy = await startGuardProxy(options.guard, options.upstream);
  const pool = createBrowserPool({ ...options, trust: options.trust ?? PUBLIC_TRUST, proxy });
  const blocking = createBlocking(options.blocked);
  const hung = createHungResources();
  const visitors = new WeakMap<PooledPage, Visitor>();
  const tabs = createVisitTabs(pool);

  async function visitorOf(page: PooledPage): Promise<Visitor> {
    let visitor = visitors.get(page);
    if (visitor === undefined) {
      visitor = await createVisitor(page, { proxy, blocking, hung, headersFor: options.headersFor });
      visitors.set(page, visitor);
    }
    return visitor;
  }

  /** Without what hangs, a page is loaded anew: its parser may wait for that, and the scripts that make it, too. */
  async function render(
    order: VisitOrder,
    open: OpenVisit | undefined,
    deadline: AbortSignal,
    endsAt: number,
  ): Promise<Rendered> {
    let without: readonly string[] = [];
    for (let tries = 0; tries < MAX_INTERRUPTIONS; tries++) {
      const visit = (visitor: Visitor) =>
        visitor.visit(without.length === 0 ? { ...order, patience: patienceUntil(endsAt) } : order);
      const result = await withPage(tabs, open, deadline, visitorOf, visit);
      if (result === 'interrupted') continue;
      if (result.type !== 'hanging') return without.length === 0 ? result : loadedWithout(result, without);
      without = result.missing;
    }
    const message = 'other pages did not let the browser go on';
    return { type: 'failed', failure: { cause: 'BrowserError', message, retryable: true }, facts: {} };
  }

  return {
    async render(url, plan, timeoutMs, signal, _, open) {
      const startedAt = performance.now();
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const readBy = AbortSignal.timeout(Math.max(timeoutMs - READING_MS, timeoutMs * LEAST_PART));
      const result = await render({ url, plan, readBy, mayAsk: open?.mayAsk }, open, deadline, startedAt + timeoutMs);
      signal.throwIfAborted();
      return { ...result, facts: { ...result.facts, durationMs: Math.round(performance.now() - startedAt) } };
    },
    leave: tabs.leave,
    recycle: pool.recycle,
    async close() {
      await pool.close();
      await proxy.close();
    },
  };
}

/**
 * Lends a page out until the visit or the deadline ends. A page that did not answer in time is thrown away: its scripts
 * may hang for ever.
 */
async function withPage(
  tabs: VisitTabs,
  open: OpenVisit | undefined,
  deadline: AbortSignal,
  visitorOf: (page: PooledPage) => Promise<Visitor>,
  visit: (visitor: Visitor) => ReturnType<Visitor['visit']>,
): ReturnType<Visitor['visit']> {
  const tooLate = rejectionOf(deadline);
  const acquiring = tabs.acquire(open);
  let end: TabEnd = 'Broken';
  try {
    const page = await Promise.race([acquiring, tooLate]);
    const visitor = await Promise.race([visitorOf(page), tooLate]);
    const result = await Promise.race([visit(visitor), tooLate]);
    const isSound = result !== 'interrupted' && result.type !== 'hanging' && !leavesDoubt(result) && visitor.isAtRest();
    if (isSound) end = result.type === 'redirect' ? 'Redirected' : 'Done';
    return result;
  } catch (error) {
    return { type: 'failed', failure: failureOfBrowser(error, deadline.aborted), facts: {} };
  } finally {
    acquiring.then(
      (page) => tabs.release(page, open, end),
      () => {},
    );
  }
}

/** A browser may have to be started before the page is visited. @param endsAt by `performance.now` */
function patienceUntil(endsAt: number): Patience {
  const leftMs = Math.max(0, endsAt - performance.now());
  return { firstLookMs: leftMs * FIRST_LOOK, lastLookMs: leftMs * LAST_LOOK };
}

function loadedWithout(result: Rendered, missing: readonly string[]): Rendered {
  const unfinished = `loaded without what did not answer: ${shortened(missing)}`;
  return result.type === 'page' ? { ...result, facts: { unfinished, ...result.facts } } : result;
}

/** Whether nobody knows what the page is doing now. */
function leavesDoubt(result: Rendered): boolean {
  return result.type === 'failed' && ['Timeout', 'BrowserError'].includes(result.failure.cause);
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}
