// The queries of a page's references, written in the page's encoding (URL standard, query state): a search that was typed
// into a page in windows-1251 asks the server in windows-1251.
import '@exodus/bytes/encoding.js'; // The encoders of Asian encodings.
import { percentEncodeAfterEncoding } from '@exodus/bytes/whatwg.js';

/** The special-query percent-encode set, besides controls and what is no ASCII. */
const SPECIAL_QUERY = ' "#\'<>';
// biome-ignore lint/suspicious/noControlCharactersInRegex: what is ASCII, controls included.
const ASCII = /^[\x00-\x7f]*$/;

/**
 * The reference with its query in percent-encoded bytes of the encoding, ready for a URL parser that knows UTF-8 alone.
 * Characters that the encoding lacks become numeric character references, as in browsers. Path and fragment stay.
 * @param encoding a name of the Encoding standard, such as `windows-1251`
 */
export function encodeQuery(reference: string, encoding: string): string {
  if (isUtf8(encoding) || ASCII.test(reference)) return reference;
  const hash = reference.indexOf('#');
  const end = hash === -1 ? reference.length : hash;
  const start = reference.indexOf('?') + 1;
  if (start === 0 || start > end) return reference;
  // URL parsers pass over tabs and line breaks wherever they stand.
  const query = reference.slice(start, end).replaceAll(/[\t\n\r]/g, '');
  const trimmed = hash === -1 ? query.trimEnd() : query;
  return (
    reference.slice(0, start) + percentEncodeAfterEncoding(encoding, trimmed, SPECIAL_QUERY) + reference.slice(end)
  );
}

/** Those that cannot write every character of a query are never used for one (Encoding standard, "get an output encoding"). */
function isUtf8(encoding: string): boolean {
  return /^(utf-8|utf-16[bl]e|replacement)$/i.test(encoding);
}
