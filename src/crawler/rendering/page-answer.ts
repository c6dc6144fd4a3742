// From a document and its headers to a page, or to the redirect that the page only stands for.
import type { FetchFacts } from '../../gateway/protocol/worker-store.ts';
import { headerLinks } from '../html/link-header.ts';
import { NEXT_BY_RELATION } from '../html/next-page.ts';
import type { PagePlan } from '../html/page-plan.ts';
import { redirectOfPage, refreshLinks } from '../html/page-redirect.ts';
import type { RawPage } from '../html/raw-page.ts';
import { baseUrlOf } from '../urls/base-url.ts';
import { isSameDocument, normaliseUrl } from '../urls/url.ts';
import type { Rendered } from './renderer.ts';

/** By lower-case name; repeated ones as a list, or joined by commas. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export type DocumentRead = {
  readonly page: RawPage;
  /** What the page was read by. */
  readonly plan: Pick<PagePlan, 'next'>;
  /** What its only script assigns to `location`, where scripts do not run. */
  readonly script?: string | undefined;
};

export function pageAnswer(
  { page, plan, script }: DocumentRead,
  headers: ResponseHeaders,
  url: URL,
  facts: FetchFacts,
) {
  const refreshHeaders = headerValues(headers, 'refresh');
  const reference = redirectOfPage(page, { refreshHeaders, script });
  const to = reference === undefined ? undefined : normaliseUrl(reference, baseUrlOf(page.base, url), 'Keep');
  if (to !== undefined && (reference === '' || !isSameDocument(to, url)))
    return { type: 'redirect', to, facts } as const;
  return {
    type: 'page',
    page: withHeaderLinks(
      { ...page, links: [...page.links, ...refreshLinks(page, refreshHeaders)] },
      plan,
      headers,
      url,
    ),
    robotsHeaders: headerValues(headers, 'x-robots-tag'),
    facts,
  } as const satisfies Rendered;
}

/** A header names the canonical page, or the next one of a listing, where the page itself names none. */
function withHeaderLinks(page: RawPage, plan: Pick<PagePlan, 'next'>, headers: ResponseHeaders, url: URL): RawPage {
  const links = headerLinks(headerValues(headers, 'link'));
  // Relative to the page's URL, whatever its <base> is (RFC 8288, 3.1).
  const targetOf = (relation: string) => {
    const link = links.find(({ relations }) => relations.includes(relation));
    return (link && URL.parse(link.target, url.href))?.href ?? null;
  };
  const next = page.next ?? (plan.next === NEXT_BY_RELATION ? targetOf('next') : null);
  return { ...page, canonical: page.canonical ?? targetOf('canonical'), next };
}

/** Each value of a header that may be repeated. */
function headerValues(headers: ResponseHeaders, name: string): readonly string[] {
  const value = headers[name];
  return typeof value === 'string' ? [value] : (value ?? []);
}
