// Bytes of a document -> its text: which encoding they are in, decided and decoded as browsers do.
import { labelToName, legacyHookDecode } from '@exodus/bytes/encoding.js';
import sniffEncoding from 'html-encoding-sniffer';
import { contentTypeOf } from './content-type.ts';
import { guessedEncoding } from './guessed-encoding.ts';

/** Browsers look for a <meta> that names the encoding in at least so many bytes, and in the whole head. */
const LEAST_PRESCAN_BYTES = 1_024;
/** How far the end of a head is looked for, in bytes. */
const LONGEST_HEAD_BYTES = 256 * 1_024;

export type DecodedText = {
  readonly text: string;
  /** As `document.characterSet` has it, such as `windows-1251`. */
  readonly encoding: string;
};

/**
 * The text of an HTML document: byte-order mark, then the Content-Type header, then a <meta> of the head, then an XML
 * declaration (HTML standard, 13.2.3.2). A label that nobody knows counts as none. Without any of them it is UTF-8
 * where the bytes are UTF-8, else what their letters look like.
 */
export async function decodeHtml(bytes: Uint8Array, contentType?: string): Promise<DecodedText> {
  const transport = transportLabel(contentType);
  const { transportLayerEncodingLabel: label = '' } = transport;
  // Where the header names the encoding, no <meta> is looked for.
  const maxPrescanBytes = encodingOfLabel(label) === undefined ? prescanLength(bytes) : LEAST_PRESCAN_BYTES;
  const encoding = sniffEncoding(bytes, { ...transport, maxPrescanBytes, defaultEncoding: '' });
  if (encoding !== '') return decode(bytes, encoding);
  return decodeUtf8(bytes) ?? decode(bytes, await guessedEncoding(bytes));
}

/** The text of an XML document: byte-order mark, then the Content-Type header, then its declaration, else UTF-8. */
export function decodeXml(bytes: Uint8Array, contentType?: string): DecodedText {
  return decode(bytes, encodingOfXml(bytes, contentType));
}

/** The encoding of an XML document, as `decodeXml` decides it. @param bytes the document or its first 1,024 bytes */
export function encodingOfXml(bytes: Uint8Array, contentType?: string): string {
  return sniffEncoding(bytes, { xml: true, ...transportLabel(contentType), defaultEncoding: defaultOf(bytes) });
}

/** Without a declaration UTF-16 shows by the zero byte beside the first character, which is in ASCII. */
function defaultOf([first, second]: Uint8Array): string {
  if (first === 0x3c && second === 0) return 'UTF-16LE';
  return first === 0 && second === 0x3c ? 'UTF-16BE' : 'UTF-8';
}

function transportLabel(contentType: string | undefined): { readonly transportLayerEncodingLabel?: string } {
  const label = contentTypeOf(contentType)?.charset;
  return label === undefined ? {} : { transportLayerEncodingLabel: label };
}

function decode(bytes: Uint8Array, encoding: string): DecodedText {
  return { text: legacyHookDecode(bytes, encoding.toLowerCase()), encoding };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined when the bytes are no UTF-8. */
function decodeUtf8(bytes: Uint8Array): DecodedText | undefined {
  try {
    return { text: strictUtf8.decode(bytes), encoding: 'UTF-8' };
  } catch {
    return undefined;
  }
}

/** What may stand in a head. Browsers that have read the least go on only as long as they see nothing else. */
const HEAD_ELEMENTS = new Set([
  ...['html', 'head', 'base', 'link', 'meta', 'noscript', 'object', 'script', 'style', 'template', 'title'],
]);

/** Most heads are short: a longer part of the document is only looked at when the head goes on in it. */
const FIRST_PART_BYTES = 4 * 1_024;
/** What is looked at of a tag, in characters. */
const TAG_BEGINNING = 40;

/** How many bytes of a document the search for a <meta> covers. */
function prescanLength(bytes: Uint8Array): number {
  if (bytes.length <= LEAST_PRESCAN_BYTES) return bytes.length;
  const longest = Math.min(bytes.length, LONGEST_HEAD_BYTES);
  for (let part = FIRST_PART_BYTES; ; part *= 8) {
    const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(part, longest));
    const length = headLength(start.toString('latin1').toLowerCase());
    // A tag at the end of the part may be cut.
    if (part >= longest || length + TAG_BEGINNING <= part) return Math.max(LEAST_PRESCAN_BYTES, length);
  }
}

/** Where the first tag begins that ends the head; the whole length without one. Takes linear time. */
function headLength(lowered: string): number {
  for (let at = lowered.indexOf('<'); at !== -1; at = lowered.indexOf('<', at)) {
    const [, slash, name = ''] = /^<(\/?)([a-z][a-z0-9-]*)/.exec(lowered.slice(at, at + TAG_BEGINNING)) ?? [];
    let end: number;
    if (lowered.startsWith('<!--', at)) {
      end = lowered.indexOf('-->', at + 2);
    } else if (name === '') {
      end = at;
    } else if (!HEAD_ELEMENTS.has(name) || (slash !== '' && name === 'head')) {
      return at;
    } else if (slash === '' && ['script', 'style', 'title'].includes(name)) {
      end = lowered.indexOf(`</${name}`, at);
    } else {
      end = lowered.indexOf('>', at);
    }
    if (end === -1) break;
    at = Math.max(end, at + 1);
  }
  return lowered.length;
}

/** The standard's name of the encoding that a label stands for, such as `gb2312` for GBK; undefined for no known one. */
export function encodingOfLabel(label: string): string | undefined {
  return labelToName(label) ?? undefined;
}
