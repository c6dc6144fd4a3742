// The bytes of a sitemap as they arrive -> its text: unzipped, and decoded by what the server and the file say of it.
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { TextDecoder } from '@exodus/bytes/encoding.js';
import { CrawlError } from '../failure.ts';
import { encodingOfXml } from '../html/charset.ts';

/** What the encoding is decided by, in bytes: an XML declaration is at the very beginning. */
const BEGINNING_BYTES = 1_024;

/**
 * Encoding: byte-order mark, then the charset of the Content-Type header, then an XML declaration, else UTF-8 (RFC 7303, 3.2).
 * @param maxBytes of the unzipped file; beyond them reading fails with TooLarge
 * Rejects as the body does, and with zlib's error when a compressed file is broken.
 */
export async function* textOfSitemap(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
  contentType?: string,
): AsyncGenerator<string> {
  let bytes = 0;
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  for await (const chunk of withWholeBeginning(unzipped(withWholeBeginning(body)))) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    decoder ??= new TextDecoder(encodingOfXml(withoutBlanks(chunk), contentType));
    yield decoder.decode(chunk, { stream: true });
  }
  if (decoder !== undefined) yield decoder.decode();
}

/** A byte-order mark, a signature or a declaration may arrive in pieces. */
async function* withWholeBeginning(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let beginning: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of body) {
    if (beginning === undefined) {
      yield chunk;
      continue;
    }
    beginning = Buffer.concat([beginning, chunk]);
    if (beginning.length < BEGINNING_BYTES) continue;
    yield beginning;
    beginning = undefined;
  }
  if (beginning !== undefined && beginning.length > 0) yield beginning;
}

/** Declarations stand behind blank lines here and there, where XML has none. */
function withoutBlanks(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => ![0x09, 0x0a, 0x0d, 0x20].includes(byte));
  return bytes.subarray(Math.max(start, 0));
}

/** A file that was compressed before it was put on the server is known by its first bytes, whatever its name and type. */
async function* unzipped(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done === true) return;
  const whole = rejoined(first.value, chunks);
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* whole;
    return;
  }
  const gunzip = createGunzip();
  // Reading from it reports whatever goes wrong here.
  pipeline(whole, gunzip).catch(() => {});
  yield* gunzip as AsyncIterable<Buffer>;
}

async function* rejoined(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

function tooLarge(maxBytes: number): CrawlError {
  const message = `the sitemap is larger than ${maxBytes} bytes`;
  return new CrawlError({ cause: 'TooLarge', message, retryable: false });
}
