// Render mode HTTP: pages as the server sends them, read by one parse.
import type { IncomingHttpHeaders } from 'node:http';
import type { FetchFacts } from '../../store/worker-store.ts';
import { blockEvidence, blockedBy, isRefusing } from '../blocking/blocked.ts';
import { CrawlError, failureOfError, failureOfStatus } from '../failure.ts';
import { decodeHtml } from '../html/charset.ts';
import { readHtml } from '../html/html-page.ts';
import { type PagePlan, withoutContent } from '../html/read-page.ts';
import { scriptRedirect } from '../html/script-redirect.ts';
import { type ScriptSigns, scriptSignsOf } from '../html/script-signs.ts';
import { type DocumentRead, pageAnswer } from '../rendering/page-answer.ts';
import { redirectOf } from '../rendering/redirect.ts';
import { isHtml, isSuccess, type Rendered, type Renderer } from '../rendering/renderer.ts';
import type { HttpClient, HttpResponse } from './http-client.ts';
import { conditionalHeaders, validatorsOf } from './validators.ts';

/** Of one page, decompressed. */
export const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/**
 * The client is the caller's to close: robots.txt is fetched by the same one.
 * @param options.seeksSigns whether pages are looked at for signs that scripts make them
 */
export function createHttpRenderer(client: HttpClient, { seeksSigns = false } = {}): Renderer {
  return {
    async render(url, plan, timeoutMs, signal, known) {
      const startedAt = performance.now();
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const request = { url, maxBytes: MAX_PAGE_BYTES, onTooLarge: 'fail', wantsBody } as const;
        const response = await client.get({ ...request, headers: conditionalHeaders(known) }, limit);
        const facts = factsOf(response, url, startedAt);
        if (response.status === 304 && known !== undefined) return { type: 'unmodified', facts };
        return resultOf(response, url, { plan, seeksSigns }, facts);
      } catch (error) {
        signal.throwIfAborted();
        return { type: 'failed', failure: failureOfError(error), facts: factsOf(undefined, url, startedAt) };
      }
    },
    close: async () => {},
  };
}

function wantsBody(status: number, headers: IncomingHttpHeaders): boolean {
  const contentType = headers['content-type'];
  return (isSuccess(status) || isRefusing(status)) && (contentType === undefined || isHtml(contentType));
}

type Reading = { readonly plan: PagePlan; readonly seeksSigns: boolean };
type Read = DocumentRead & { readonly signs?: ScriptSigns };

function resultOf(response: HttpResponse, url: URL, reading: Reading, facts: FetchFacts): Rendered {
  const { status, headers } = response;
  const read = readingOf(response, reading);
  const evidence = blockEvidence({ status, headers, ...(read === undefined ? {} : { page: read.page }) });
  const failure = failureOfStatus(status, headers['retry-after'], Date.now());
  if (evidence !== undefined) return { type: 'failed', failure: blockedBy(evidence, failure?.retryAfterMs), facts };
  if (failure !== undefined) return { type: 'failed', failure, facts };
  const redirect = redirectOf(status, headers, url, facts);
  if (redirect !== undefined) return redirect;
  if (status >= 300) return { type: 'failed', failure: strangeStatus(status), facts };
  if (read === undefined) return { type: 'notHtml', facts };
  const validators = validatorsOf(headers, Date.now());
  const answer = pageAnswer(read, headers, url, facts);
  if (answer.type === 'redirect') return answer;
  return {
    ...answer,
    ...(read.signs === undefined ? {} : { signs: read.signs }),
    ...(validators === undefined ? {} : { validators }),
  };
}

/** The page that the answer is, if only that of a refusal. */
function readingOf({ status, headers, body }: HttpResponse, { plan, seeksSigns }: Reading): Read | undefined {
  const contentType = headers['content-type'];
  if (!wantsBody(status, headers) || !looksLikeHtml(contentType, body)) return undefined;
  if (isSuccess(status)) return readBody(body, contentType, { plan, seeksSigns });
  return readBody(body, contentType, { plan: withoutContent(plan), seeksSigns: false });
}

function readBody(body: Buffer, contentType: string | undefined, { plan, seeksSigns }: Reading): Read {
  try {
    const html = decodeHtml(body, contentType);
    return {
      page: readHtml(html, plan),
      script: scriptRedirect(html),
      ...(seeksSigns ? { signs: scriptSignsOf(html) } : {}),
    };
  } catch (error) {
    throw new CrawlError({
      cause: 'ExtractionError',
      message: `the page could not be read: ${error instanceof Error ? error.message : String(error)}`,
      retryable: false,
    });
  }
}

/** Servers that name no content type exist; what begins with a tag is taken for HTML. */
function looksLikeHtml(contentType: string | undefined, body: Buffer): boolean {
  return contentType !== undefined || /^[\s\ufeff]*</.test(body.toString('utf8', 0, 512));
}

function strangeStatus(status: number) {
  return { cause: 'HttpError', message: `the server answered ${status} without a page`, retryable: false } as const;
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
  };
}
