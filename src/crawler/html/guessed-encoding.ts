// The encoding of a page that names none and is no UTF-8, guessed from its letters as browsers do.
import { labelToName } from '@exodus/bytes/encoding.js';

/** Letters of a language that the guess knows give 0.1 and more, a few accents of any language less. */
const LEAST_CONFIDENCE = 0.1;
/** What is looked at, from the first byte that is not ASCII. */
const SAMPLE_BYTES = 64 * 1_024;

/**
 * The standard's name of the likeliest encoding (HTML standard, 13.2.3.2: a user agent may detect it), else windows-1252.
 * The tables of all languages are only loaded by the first page that needs them: they take 40 MB.
 */
export async function guessedEncoding(bytes: Uint8Array): Promise<string> {
  const { detectAll } = await import('jschardet');
  const start = Math.max(
    0,
    bytes.findIndex((byte) => byte >= 0x80),
  );
  for (const { encoding, confidence } of detectAll(bytes.subarray(start, start + SAMPLE_BYTES))) {
    const name = encoding === null ? null : labelToName(encoding);
    if (name !== null && confidence >= LEAST_CONFIDENCE) return name;
  }
  return 'windows-1252';
}
