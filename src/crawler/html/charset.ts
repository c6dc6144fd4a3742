// The text of an HTML document: which encoding its bytes are in, decided in the order that browsers use.
import { TextDecoder } from 'node:util';
import iconv from 'iconv-lite';

/** How far browsers look for a <meta> that names the encoding, in bytes. */
const META_BYTES = 1_024;

/** Byte-order mark, then the Content-Type header, then a <meta>; without any, UTF-8 if it is, else windows-1252. */
export function decodeHtml(body: Buffer, contentType: string | undefined): string {
  const label = byteOrderMark(body) ?? labelOfHeader(contentType) ?? labelOfMeta(body);
  const encoding = label === undefined ? undefined : encodingOf(label);
  return encoding === undefined ? decodeUnlabelled(body) : decode(body, encoding);
}

function byteOrderMark(body: Buffer): string | undefined {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return 'utf-8';
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be';
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le';
  return undefined;
}

function labelOfHeader(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*["']?([^\s"';]+)/i.exec(contentType ?? '')?.[1];
}

function labelOfMeta(body: Buffer): string | undefined {
  const start = body.toString('latin1', 0, META_BYTES);
  const label = /<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([^\s"'/>;]+)/i.exec(start)?.[1];
  // A <meta> that could be read as ASCII is not in UTF-16, whatever it says (HTML standard, prescan).
  return label !== undefined && /^utf-?16/i.test(label) ? 'utf-8' : label;
}

/** The standard's name of the encoding that a label stands for; undefined when no browser knows it. */
function encodingOf(label: string): string | undefined {
  const name = label.trim().toLowerCase();
  if (name === 'iso-8859-16') return name;
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return undefined;
  }
}

function decode(body: Buffer, encoding: string): string {
  // Node's own decoder reads 0x80 to 0x9f of windows-1252 as control characters, and has no iso-8859-16.
  if (encoding === 'windows-1252' || encoding === 'iso-8859-16') return iconv.decode(body, encoding);
  return new TextDecoder(encoding).decode(body);
}

function decodeUnlabelled(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return decode(body, 'windows-1252');
  }
}
