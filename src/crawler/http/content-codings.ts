// Takes the content codings off a body, as browsers do: what is broken gives what could be read of it.
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliDecompress,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  inflate,
  inflateRaw,
  zstdDecompress,
} from 'node:zlib';

/** Codings that servers may stack on one body; more than this is an attack. */
const MAX_CODINGS = 3;
/** A body that breaks off is read again in steps of so many bytes, of which the last one is lost. */
const SALVAGE_STEP = 64;

export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd';

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};

/**
 * The codings that a Content-Encoding header names, in the order in which they are taken off. Names that nobody knows
 * (`none`, `UTF-8`) stand for no coding, as in browsers. Undefined when there are too many.
 */
export function codingsOf(header: string | undefined): readonly Coding[] | undefined {
  const codings = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => CODINGS[name.trim()])
    .filter((coding) => coding !== undefined);
  return codings.length > MAX_CODINGS ? undefined : codings.reverse();
}

/** For bodies that are read as they arrive; one that is broken ends with an error. */
export function decodingStream(coding: Coding): Transform {
  switch (coding) {
    case 'gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress();
  }
}

/** What was read. */
export type Decoded = {
  readonly bytes: Buffer;
  /** It was cut off at the bound. */
  readonly isTooLarge: boolean;
  /** The rest of it could not be read: the body ends too early, or is broken. */
  readonly isBroken: boolean;
};

/**
 * The body without the coding. A body that ends too early, has a wrong checksum or something behind its end gives what
 * could be read; rejects with zlib's error when that is nothing.
 */
export async function decodeBody(body: Buffer, coding: Coding, maxBytes: number): Promise<Decoded> {
  if (body.length === 0) return { bytes: body, isTooLarge: false, isBroken: false };
  if (coding === 'gzip') return gunzip(body, maxBytes);
  if (coding === 'deflate') return decodePart(isZlib(body) ? zlib : rawDeflate, body, maxBytes);
  return decodePart(coding === 'br' ? brotli : zstd, body, maxBytes);
}

/** Unpacks the members of a gzip file one after the other. Bytes behind the last member do not belong to the body (RFC 1952). */
async function gunzip(body: Buffer, maxBytes: number): Promise<Decoded> {
  const parts: Buffer[] = [];
  let size = 0;
  let isBroken = false;
  for (let rest = body; size <= maxBytes; ) {
    const start = gzipHeaderLength(rest);
    if (start === undefined) {
      if (parts.length === 0) throw Object.assign(new Error('incorrect header check'), { code: 'Z_DATA_ERROR' });
      break;
    }
    const member = rest.subarray(start);
    const { used, ...part } = await decodePart(rawDeflate, member, maxBytes - size);
    parts.push(part.bytes);
    size += part.bytes.length;
    if (part.isTooLarge) return { ...part, bytes: Buffer.concat(parts) };
    isBroken ||= part.isBroken;
    rest = member.subarray(used + GZIP_TRAILER_LENGTH);
    if (rest.length === 0) break;
  }
  return { bytes: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), isTooLarge: false, isBroken };
}

const GZIP_TRAILER_LENGTH = 8;

/** Where the compressed data of a member begin (RFC 1952, 2.3); undefined when the bytes are no member. */
function gzipHeaderLength(bytes: Buffer): number | undefined {
  if (bytes.length < 10 || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) return undefined;
  const flags = bytes[3] ?? 0;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end === -1) return undefined;
    at = end + 1;
  }
  if ((flags & 2) !== 0) at += 2;
  return at <= bytes.length ? at : undefined;
}

/** RFC 1950, 2.2. Servers send `deflate` with this header and without. */
function isZlib(bytes: Buffer): boolean {
  const [first = 0, second = 0] = bytes;
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
}

/** A compression method: how its bytes are unpacked at once, and step by step. */
type Method = {
  /** With it, bytes that end too early are no error. */
  readonly flush: number;
  readonly atOnce: (body: Buffer, options: UnpackOptions) => Promise<Unpacked>;
  readonly inSteps: (options: { readonly finishFlush: number; readonly chunkSize?: number }) => Transform;
};
type UnpackOptions = { readonly maxOutputLength: number; readonly info: true };
/** `bytesWritten` counts what was used of the input. The types of Node know nothing of the option `info`. */
type Unpacked = { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };

const unpacker = (unpack: (body: Buffer, options: object) => Promise<unknown>) => unpack as Method['atOnce'];

const rawDeflate: Method = {
  flush: constants.Z_SYNC_FLUSH,
  atOnce: unpacker(promisify(inflateRaw)),
  inSteps: createInflateRaw,
};
const zlib: Method = { flush: constants.Z_SYNC_FLUSH, atOnce: unpacker(promisify(inflate)), inSteps: createInflate };
const brotli: Method = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  atOnce: unpacker(promisify(brotliDecompress)),
  inSteps: createBrotliDecompress,
};
const zstd: Method = {
  flush: constants.ZSTD_e_flush,
  atOnce: unpacker(promisify(zstdDecompress)),
  inSteps: createZstdDecompress,
};

/** @returns also how many bytes of the input were used; all of them when it was broken. */
async function decodePart(
  method: Method,
  body: Buffer,
  maxBytes: number,
): Promise<Decoded & { readonly used: number }> {
  try {
    const { buffer, engine } = await method.atOnce(body, { maxOutputLength: Math.max(maxBytes, 1), info: true });
    return { bytes: buffer, isTooLarge: false, isBroken: false, used: engine.bytesWritten };
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const bytes = await salvage(method, body, maxBytes, isTooLarge ? undefined : SALVAGE_STEP);
    if (bytes.length === 0 && !isTooLarge) throw error;
    return { bytes, isTooLarge, isBroken: !isTooLarge, used: body.length };
  }
}

/** What comes before the error, or before the bound. */
async function salvage(method: Method, body: Buffer, maxBytes: number, chunkSize?: number): Promise<Buffer> {
  const stream = method.inSteps({ finishFlush: method.flush, ...(chunkSize === undefined ? {} : { chunkSize }) });
  const chunks: Buffer[] = [];
  let left = maxBytes;
  stream.end(body);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) break;
    }
  } catch {
    // The rest cannot be read.
  }
  return Buffer.concat(chunks);
}
