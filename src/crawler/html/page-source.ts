// The bytes of an answer and its headers -> the text of a page; undefined when the answer is no page. Both renderers decide
// by it: one for every answer, the browser where Chromium by itself would take it for something else.
import { type DecodedText, decodeHtml, decodeXml } from './charset.ts';
import { contentTypeOf, kindOfDocument } from './content-type.ts';
import { isXhtml } from './parse-document.ts';

export type PageSource = DecodedText & { readonly kind: 'Html' | 'Xml' };

export type SourceHeaders = {
  readonly 'content-type'?: string | undefined;
  readonly 'x-content-type-options'?: string | undefined;
};

/** @param headers those that are repeated are joined by commas */
export async function pageSource(body: Uint8Array, headers: SourceHeaders): Promise<PageSource | undefined> {
  const contentType = headers['content-type'];
  const kind = kindOfDocument(contentType, body, isSniffingForbidden(headers));
  if (kind === 'Html') return { kind, ...(await decodeHtml(body, contentType)) };
  if (kind !== 'Xml') return undefined;
  const decoded = decodeXml(body, contentType);
  return isPageInXml(decoded.text, contentType) ? { kind, ...decoded } : undefined;
}

/** Whether an XML document is a page: by its type, else by its root element. */
export function isPageInXml(text: string, contentType: string | undefined): boolean {
  return contentTypeOf(contentType)?.essence === 'application/xhtml+xml' || isXhtml(text);
}

/** Fetch standard, "determine nosniff": of several values the first one counts. */
function isSniffingForbidden(headers: SourceHeaders): boolean {
  return /^\s*nosniff\s*(,|$)/i.test(headers['x-content-type-options'] ?? '');
}
