// Render mode HTTP: pages as the server sends them, read by one parse.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { FetchFacts } from '../../gateway/protocol/worker-store.ts';
import { blockEvidence, blockedBy, isRefusing } from '../blocking/blocked.ts';
import { failureOfError, failureOfStatus, failureWithoutPage, pageUnreadable } from '../failure.ts';
import { kindByHeader } from '../html/content-type.ts';
import { readDocument } from '../html/html-page.ts';
import { type PagePlan, withoutContent } from '../html/page-plan.ts';
import { saysLittle } from '../html/page-redirect.ts';
import { type PageSource, pageSource } from '../html/page-source.ts';
import { parseHtml, parseXml } from '../html/parse-document.ts';
import { scriptRedirect } from '../html/script-redirect.ts';
import { type ScriptSigns, scriptSignsOf } from '../html/script-signs.ts';
import { HostPausedError } from '../network/host-pacer.ts';
import { enterStage } from '../page-stage.ts';
import { type DocumentRead, pageAnswer } from '../rendering/page-answer.ts';
import { locationOf, redirectOf } from '../rendering/redirect.ts';
import { isRedirect, isSuccess, MAX_PAGE_BYTES, type Rendered, type Renderer } from '../rendering/renderer.ts';
import { timeLimit } from '../time-limit.ts';
import type { HttpClient, HttpResponse } from './http-client.ts';
import type { ResponseHeaders } from './response-headers.ts';
import { conditionalHeaders, validatorsOf } from './validators.ts';

/**
 * The client is the caller's to close: robots.txt is fetched by the same one.
 * @param options.seeksSigns whether pages are looked at for signs that scripts make them
 */
export function createHttpRenderer(client: HttpClient, { seeksSigns = false } = {}): Renderer {
  return {
    async render(url, plan, timeoutMs, signal, known) {
      const startedAt = performance.now();
      using limit = timeLimit(timeoutMs, signal);
      try {
        const request = { url, maxBytes: MAX_PAGE_BYTES, onTooLarge: 'fail', wantsBody } as const;
        const response = await client.get({ ...request, headers: conditionalHeaders(known) }, limit.signal);
        const facts = factsOf(response, url, startedAt);
        if (response.status === 304 && known !== undefined) return { type: 'unmodified', facts };
        return await resultOf(response, url, { plan, seeksSigns }, facts);
      } catch (error) {
        signal.throwIfAborted();
        // What kept the request from its place at the host says nothing of the page.
        if (error instanceof StoreError || error instanceof HostPausedError) throw error;
        return { type: 'failed', failure: failureOfError(error), facts: factsOf(undefined, url, startedAt) };
      }
    },
    close: async () => {},
  };
}

function wantsBody(status: number, headers: ResponseHeaders): boolean {
  return (isShown(status, headers) || isRefusing(status)) && kindByHeader(headers['content-type']) !== 'Other';
}

/** Browsers show what comes with a redirect that leads nowhere, or with a choice (300). */
function isShown(status: number, headers: ResponseHeaders): boolean {
  const isAnswered = status >= 200 && status < 400 && status !== 304;
  return isAnswered && !(isRedirect(status) && locationOf(headers) !== undefined);
}

type Reading = { readonly plan: PagePlan; readonly seeksSigns: boolean };
type Read = DocumentRead & { readonly signs?: ScriptSigns };

async function resultOf(response: HttpResponse, url: URL, reading: Reading, facts: FetchFacts): Promise<Rendered> {
  const { status, headers } = response;
  const read = await readingOf(response, reading);
  const evidence = blockEvidence({ status, headers, ...(read === undefined ? {} : { page: read.page }) });
  const failure = failureOfStatus(status, headers['retry-after'], Date.now());
  if (evidence !== undefined) return { type: 'failed', failure: blockedBy(evidence, failure?.retryAfterMs), facts };
  if (failure !== undefined) return { type: 'failed', failure, facts };
  const redirect = redirectOf(status, headers, url, facts);
  if (redirect?.type === 'redirect') return { ...redirect, ...visitorOf(response) };
  if (redirect !== undefined) return redirect;
  if (read === undefined) {
    return isSuccess(status)
      ? { type: 'notHtml', facts }
      : { type: 'failed', failure: failureWithoutPage(status), facts };
  }
  const validators = validatorsOf(headers, Date.now());
  const answer = pageAnswer(read, headers, url, facts);
  if (answer.type === 'redirect') return { ...answer, ...visitorOf(response) };
  return {
    ...answer,
    ...(read.signs === undefined ? {} : { signs: read.signs }),
    ...(validators === undefined ? {} : { validators }),
  };
}

function visitorOf({ visitor }: HttpResponse): Pick<HttpResponse, 'visitor'> {
  return visitor === undefined ? {} : { visitor };
}

/** The page that the answer is, if only that of a refusal. */
async function readingOf(response: HttpResponse, { plan, seeksSigns }: Reading): Promise<Read | undefined> {
  const { status, headers, body } = response;
  if (!wantsBody(status, headers)) return undefined;
  const source = await pageSource(body, headers);
  if (source === undefined) return undefined;
  const reading = isShown(status, headers) ? { plan, seeksSigns } : { plan: withoutContent(plan), seeksSigns: false };
  enterStage('Reading');
  return readable(() => readSource(source, reading));
}

function readSource(source: PageSource, { plan, seeksSigns }: Reading): Read {
  const document = source.kind === 'Xml' ? parseXml(source.text) : parseHtml(source.text);
  const page = readDocument(document, source, plan);
  const script = saysLittle(page) ? scriptRedirect(source.text) : undefined;
  return { page, plan, script, ...(seeksSigns ? { signs: scriptSignsOf(document) } : {}) };
}

function readable(read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    throw pageUnreadable(error);
  }
}

/** Some servers never finish their codings; a page that comes to its end has lost nothing. */
function endsAsPage(body: Buffer): boolean {
  return /<\/html\s*>\s*(?:<!--[^>]{0,200}-->\s*)*$/i.test(body.subarray(-500).toString('latin1'));
}

function factsOf(response: HttpResponse | undefined, url: URL, startedAt: number): FetchFacts {
  const durationMs = Math.round(performance.now() - startedAt);
  if (response === undefined) return { durationMs };
  const contentType = response.headers['content-type'];
  return {
    durationMs,
    status: response.status,
    bytes: response.body.length,
    finalUrl: url.href,
    ...(contentType === undefined ? {} : { contentType: contentType.slice(0, 200) }),
    ...(response.isBroken && !endsAsPage(response.body) ? { truncated: ['Body'] } : {}),
  };
}
