// What a document that a tab shows comes to: a page, a redirect, a refusal, or no page at all.
import { blockEvidence, blockedBy } from '../blocking/blocked.ts';
import { CrawlError, type Failure } from '../failure.ts';
import { readXml } from '../html/html-page.ts';
import { type PagePlan, withoutContent } from '../html/page-plan.ts';
import { isPageInXml } from '../html/page-source.ts';
import type { RawPage } from '../html/raw-page.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import { pageAnswer } from '../rendering/page-answer.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { withTruncations } from '../rendering/truncations.ts';
import { endOfError, isAborted } from './browser-errors.ts';
import { type DocumentAnswer, endWithoutPage } from './document-answer.ts';
import type { PageReader } from './page-reader.ts';
import type { Screenshot } from './screenshot.ts';
import { MAX_POSTS } from './visit-navigation.ts';
import type { Visit } from './visit-state.ts';

/** What a document comes to that is not HTML by its header, as far as that is known without reading it in the browser. */
export type EndOfXml =
  | { readonly type: 'Read'; readonly page: RawPage }
  | { readonly type: 'Ended'; readonly end: Rendered };

/**
 * Of a document that is not HTML by its header: no page, if the browser does not show it as one. Of XML that is not well formed
 * the browser shows the first error, and its scripts have not run: that is read as render mode HTTP reads it. Undefined for what
 * the browser shows as a page.
 */
export async function endOfXml(
  answer: DocumentAnswer,
  reader: PageReader,
  plan: PagePlan,
): Promise<EndOfXml | undefined> {
  const { kind, headers, failure, facts } = answer;
  const shown = kind === 'Html' ? 'Page' : await reader.whatIsShown();
  if (shown === 'Page') return undefined;
  const source = shown === 'BrokenXml' ? await reader.source() : undefined;
  if (source === undefined || !isPageInXml(source.text, headers['content-type'])) {
    return { type: 'Ended', end: { type: 'notHtml', facts } };
  }
  if (failure !== undefined) return { type: 'Ended', end: { type: 'failed', failure, facts } };
  return { type: 'Read', page: readXml(source, plan) };
}

/** The page of a failure may tell that the crawl was refused. */
export async function readFailure(
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

/** The refusal that the page is, if it is one. */
export function refusalOf(answer: DocumentAnswer, page: RawPage): Rendered | undefined {
  const evidence = blockEvidence({ ...answer, page });
  return evidence === undefined ? undefined : { type: 'failed', failure: blockedBy(evidence), facts: answer.facts };
}

/** The page, or the redirect that it is. @param screenshot absent where the plan asks for none */
export function resultOf(
  now: Pick<Visit, 'url' | 'files' | 'posts'>,
  answer: DocumentAnswer,
  page: RawPage,
  plan: PagePlan,
  screenshot: Screenshot | undefined,
): Rendered {
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

/** Where a visit leads whose document was left. */
export function whereto({ url, target, answer }: Pick<Visit, 'url' | 'target' | 'answer'>): Rendered {
  // Of a form that was posted: what its address says to others is nothing of this page.
  if (answer?.end?.type === 'failed') return answer.end;
  const redirect = answer?.end?.type === 'redirect' ? answer.end : undefined;
  return { facts: answer?.facts ?? {}, ...redirect, type: 'redirect', to: target ?? redirect?.to ?? url };
}

/** How a visit ends that the browser broke off; undefined for an error that says something of the page or the browser itself. */
export function endOfAbortedVisit(
  error: unknown,
  now: Pick<Visit, 'url' | 'target' | 'answer'>,
): Rendered | 'interrupted' | undefined {
  const { target, answer } = now;
  if (target !== undefined) return whereto(now);
  // The browser does not go where the redirect leads.
  if (answer?.end?.type === 'redirect') return answer.end;
  if (!isAborted(error)) return undefined;
  return answer?.end ?? (answer && endWithoutPage(answer)) ?? 'interrupted';
}

export function endOfFailedVisit(error: unknown, { url, answer }: Visit, proxy: GuardProxy): Rendered {
  const end = endOfError(error, url, proxy);
  return { ...end, facts: { ...answer?.facts, ...end.facts } };
}

export function brokeOff(): CrawlError {
  return new CrawlError({ cause: 'ConnectionError', message: 'the document broke off', retryable: true });
}

/** Why the page was read before it was loaded. */
export function unfinished(missing: readonly string[]): string {
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
