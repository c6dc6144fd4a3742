// A document that Chromium would take for something else than it is: its bytes are looked at by the same rules as in render
// mode HTTP, and what is a page is handed to Chromium under the type that it shows.
import { CrawlError, pageTooLarge } from '../failure.ts';
import { contentTypeOf } from '../html/content-type.ts';
import { pageSource } from '../html/page-source.ts';
import { MAX_PAGE_BYTES } from '../rendering/renderer.ts';
import type { Session } from './devtools.ts';
import type { DocumentAnswer } from './document-answer.ts';

/** What Chromium is given in place of the answer. */
export type RetypedDocument = { readonly contentType: string; readonly body: Buffer };

/**
 * @param requestId of the answer, which can only be fulfilled or refused from now on
 * @returns undefined when the document is no page. Rejects with a CrawlError when it is too large, else as DevTools do.
 */
export async function retyped(
  session: Session,
  requestId: string,
  { headers }: DocumentAnswer,
): Promise<RetypedDocument | undefined> {
  const body = await bodyOf(session, requestId);
  if (isTruncated(body, headers)) {
    throw new CrawlError({ cause: 'ConnectionError', message: 'the document broke off', retryable: true });
  }
  const source = await pageSource(body, headers);
  if (source === undefined) return undefined;
  const charset = contentTypeOf(headers['content-type'])?.charset;
  const type = source.kind === 'Html' ? 'text/html' : 'application/xhtml+xml';
  return { body, contentType: charset === undefined ? type : `${type}; charset=${charset}` };
}

async function bodyOf(session: Session, requestId: string): Promise<Buffer> {
  const { stream: handle } = await session.send('Fetch.takeResponseBodyAsStream', { requestId });
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { data, base64Encoded, eof } = await session.send('IO.read', { handle });
    const chunk = Buffer.from(data, base64Encoded === true ? 'base64' : 'utf8');
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_PAGE_BYTES) throw pageTooLarge(MAX_PAGE_BYTES);
    if (eof) return Buffer.concat(chunks);
  }
}

/** DevTools do not tell whether a body has come to its end. */
function isTruncated(body: Buffer, headers: DocumentAnswer['headers']): boolean {
  const { 'content-length': length = '', 'content-encoding': coding } = headers;
  return coding === undefined && /^\d+$/.test(length) && body.length < Number(length);
}
