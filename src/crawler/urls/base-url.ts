// What the references of a page are relative to.

/**
 * HTML 4.2.3: the page's own URL where it has no <base>, or one that references cannot be relative to.
 * @param base the `href` of the first <base> that has one
 * @param url the page's own
 */
export function baseUrlOf(base: string | null, url: URL): string {
  const parsed = base === null ? null : URL.parse(base, url.href);
  return parsed === null || parsed.protocol === 'data:' || parsed.protocol === 'javascript:' ? url.href : parsed.href;
}
