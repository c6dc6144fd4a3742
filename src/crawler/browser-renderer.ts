// Render mode Browser: pages as a visitor sees them, scripts run, read by one evaluation.
import type { CDPSession, Page, Request, Response } from 'playwright-core';
import type { FetchFacts } from '../store/worker-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { AddressGuard } from './address-guard.ts';
import { type BrowserPool, createBrowserPool, type PooledPage } from './browser-pool.ts';
import { CrawlError, type Failure, failureOfStatus } from './failure.ts';
import { type GuardProxy, PROXY_FAILURE_HEADER, startGuardProxy } from './guard-proxy.ts';
import { pageScript, parseRawPage } from './page-script.ts';
import type { PagePlan, RawPage } from './read-page.ts';
import { isHtml, type Rendered, type Renderer } from './renderer.ts';
import { normaliseUrl } from './url.ts';

/** How long a loaded page may go on fetching data before it is read as it is. */
const SETTLE_MS = 5_000;
/** How long the browser may take to show that a page could not be had. */
const ERROR_PAGE_MS = 2_000;
/** What a page gets to show the data that it has fetched. */
const SHOW_MS = 50;

/** Starts the guard proxy; the browser itself is started with the first page. */
export async function createBrowserRenderer(options: {
  readonly executablePath: string;
  readonly guard: AddressGuard;
  readonly userAgent: string;
  readonly log: Logger;
}): Promise<Renderer> {
  const proxy = await startGuardProxy(options.guard);
  const pool = createBrowserPool({ ...options, proxy });
  const visitors = new WeakMap<PooledPage, Visitor>();

  async function visitorOf(page: PooledPage): Promise<Visitor> {
    let visitor = visitors.get(page);
    if (visitor === undefined) {
      visitor = await createVisitor(page, proxy);
      visitors.set(page, visitor);
    }
    return visitor;
  }

  return {
    remembersCookies: true,
    async render(url, plan, timeoutMs, signal) {
      const startedAt = performance.now();
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const result = await withPage(pool, deadline, async (page) =>
        (await visitorOf(page)).visit(url, plan, timeoutMs),
      );
      signal.throwIfAborted();
      return { ...result, facts: { ...result.facts, durationMs: Math.round(performance.now() - startedAt) } };
    },
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
  pool: BrowserPool,
  deadline: AbortSignal,
  visit: (page: PooledPage) => Promise<Rendered>,
): Promise<Rendered> {
  const tooLate = rejectionOf(deadline);
  const acquiring = pool.acquire();
  let isSound = false;
  try {
    const page = await Promise.race([acquiring, tooLate]);
    const result = await Promise.race([visit(page), tooLate]);
    isSound = result.type !== 'failed' || !['Timeout', 'BrowserError'].includes(result.failure.cause);
    return result;
  } catch (error) {
    return { type: 'failed', failure: failureOfBrowser(error, deadline.aborted), facts: {} };
  } finally {
    const released = acquiring.then(
      (page) => pool.release(page, isSound),
      () => {},
    );
    // What hangs is closed in the background: the next page need not wait for it.
    if (isSound) await released;
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}

type Visitor = {
  readonly visit: (url: URL, plan: PagePlan, timeoutMs: number) => Promise<Rendered>;
};

/** A page that knows where it may go: to the one document that it is sent to, and to no other by itself. */
async function createVisitor({ page, session, mainFrameId }: PooledPage, proxy: GuardProxy): Promise<Visitor> {
  const requests = trackRequests(page);
  let expected: string | undefined;
  let redirect: URL | undefined;

  /** Navigations of the page itself, by redirect or script, become requests of the frontier. */
  function admit(frameId: string, text: string): boolean {
    if (frameId !== mainFrameId) return true;
    const url = normaliseUrl(text);
    if (expected !== undefined && url?.href === expected) {
      expected = undefined;
      return true;
    }
    redirect ??= url;
    return false;
  }

  await interceptDocuments(session, proxy, admit);

  return {
    async visit(url, plan, timeoutMs) {
      expected = url.href;
      redirect = undefined;
      requests.reset();
      try {
        const response = await page.goto(url.href, { waitUntil: 'load', timeout: timeoutMs });
        const ended = endOf(response, url, proxy, factsOf(response, url));
        if ('type' in ended) return ended;
        await settle(page, requests);
        if (redirect !== undefined) return { type: 'redirect', to: redirect, facts: ended.facts };
        return { type: 'page', page: await read(page, plan), facts: ended.facts };
      } catch (error) {
        if (redirect !== undefined) return { type: 'redirect', to: redirect, facts: {} };
        const end = endOfError(error, url, proxy);
        if (end.type === 'failed') await leaveErrorPage(page);
        return end;
      }
    },
  };
}

/**
 * Pauses documents (to keep navigations to the one that was asked for), and media (nobody plays it). Playwright's own
 * interception would pause every request and switch the HTTP cache off. The proxy's password is given here, too.
 */
async function interceptDocuments(
  session: CDPSession,
  proxy: GuardProxy,
  admit: (frameId: string, url: string) => boolean,
): Promise<void> {
  // A page that is being closed answers nothing any more, and need not.
  const send = (answer: Promise<unknown>) => void answer.catch(() => {});

  session.on('Fetch.requestPaused', ({ requestId, frameId, resourceType, request }) => {
    if (resourceType === 'Document' && admit(frameId, request.url)) {
      send(session.send('Fetch.continueRequest', { requestId }));
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
    patterns: [{ resourceType: 'Document' }, { resourceType: 'Media' }],
  });
}

/**
 * After an error Chromium goes on to a page of its own that shows it, which would interrupt the next navigation. A page
 * that does not come to rest is closed; the pool notices.
 */
async function leaveErrorPage(page: Page): Promise<void> {
  try {
    await page.waitForURL(/^chrome-error:/, { waitUntil: 'commit', timeout: ERROR_PAGE_MS });
    await page.goto('about:blank', { timeout: ERROR_PAGE_MS });
  } catch {
    await page.close();
  }
}

type OpenRequests = { readonly count: () => number; readonly reset: () => void };

/** Counts what the page's scripts are fetching. */
function trackRequests(page: Page): OpenRequests {
  const open = new Set<Request>();
  page.on('request', (request) => {
    if (['xhr', 'fetch'].includes(request.resourceType())) open.add(request);
  });
  page.on('requestfinished', (request) => open.delete(request));
  page.on('requestfailed', (request) => open.delete(request));
  return { count: () => open.size, reset: () => open.clear() };
}

/** A page that still fetches data when it has loaded is given time to get and show it. */
async function settle(page: Page, requests: OpenRequests): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while (requests.count() > 0 && performance.now() < until) await page.waitForTimeout(SHOW_MS);
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

/** What the response says before anything is read; the facts alone when there is a page to read. */
function endOf(
  response: Response | null,
  url: URL,
  proxy: GuardProxy,
  facts: FetchFacts,
): Rendered | { readonly facts: FetchFacts } {
  if (response === null) throw new Error('the navigation had no response');
  const headers = response.headers();
  if (headers[PROXY_FAILURE_HEADER] !== undefined) return { type: 'failed', failure: proxyFailure(url, proxy), facts };
  const failure = failureOfStatus(response.status(), headers['retry-after'], Date.now());
  if (failure !== undefined) return { type: 'failed', failure, facts };
  if (facts.contentType !== undefined && !isHtml(facts.contentType)) return { type: 'notHtml', facts };
  return { facts };
}

function factsOf(response: Response | null, url: URL): FetchFacts {
  if (response === null) return {};
  const contentType = response.headers()['content-type'];
  return {
    status: response.status(),
    finalUrl: url.href,
    ...(contentType === undefined ? {} : { contentType: contentType.slice(0, 200) }),
  };
}

/** How Chromium names its network errors; the first that fits counts. */
const NET_ERRORS: readonly (readonly [RegExp, Failure['cause'], retryable: boolean])[] = [
  [/ERR_NAME_/, 'DnsError', true],
  [/ERR_(CERT|SSL)_/, 'TlsError', false],
  [/ERR_(CONNECTION_)?TIMED_OUT/, 'Timeout', true],
  [/ERR_TOO_MANY_REDIRECTS/, 'TooManyRedirects', false],
  [/ERR_RESPONSE_HEADERS_TOO_BIG/, 'TooLarge', false],
  [/ERR_(INVALID_URL|UNSAFE_PORT|DISALLOWED_URL_SCHEME|UNKNOWN_URL_SCHEME)/, 'InvalidUrl', false],
  [/net::ERR_/, 'ConnectionError', true],
];

function endOfError(error: unknown, url: URL, proxy: GuardProxy): Rendered {
  const message = error instanceof Error ? error.message : String(error);
  // Answers without a page: a download, or 204.
  if (/Download is starting|net::ERR_ABORTED/.test(message)) return { type: 'notHtml', facts: {} };
  if (/ERR_(TUNNEL_CONNECTION|PROXY_CONNECTION)_FAILED/.test(message)) {
    return { type: 'failed', failure: proxyFailure(url, proxy), facts: {} };
  }
  return { type: 'failed', failure: failureOfBrowser(error, false), facts: {} };
}

function proxyFailure(url: URL, proxy: GuardProxy): Failure {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port;
  const unknown: Failure = { cause: 'ConnectionError', message: 'the connection could not be made', retryable: true };
  return proxy.failureOf(`${url.hostname}:${port}`) ?? unknown;
}

/** An exception of Playwright's: a network error, a time-out, or a page or browser that is no more. */
function failureOfBrowser(error: unknown, timedOut: boolean): Failure {
  if (error instanceof CrawlError) return error.failure;
  // Playwright adds a log of its calls, which is of no use to the user.
  const message = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
  if (timedOut || (error instanceof Error && error.name === 'TimeoutError')) {
    return { cause: 'Timeout', message: 'the page did not load in time', retryable: true };
  }
  const rule = NET_ERRORS.find(([pattern]) => pattern.test(message));
  if (rule !== undefined)
    return { cause: rule[1], message: message.replace(/^.*?(net::\w+).*$/, '$1'), retryable: rule[2] };
  return { cause: 'BrowserError', message: message.slice(0, 500), retryable: true };
}
