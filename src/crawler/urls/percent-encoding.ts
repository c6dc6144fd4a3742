// Percent-encoding for comparisons: of URLs with what people write in robots.txt and in patterns.

/** Their escapes stay: decoded they would be part of the URL's structure, or of a pattern's language. */
const STRUCTURE = '%/?#*$';

/**
 * Both sides of a comparison are brought to one form (RFC 9309, 2.2.2): what is not ASCII is percent-encoded, and what is
 * printable ASCII is not, whether it is reserved or one of the characters that browsers encode in one part of a URL and not in
 * another.
 */
export function comparable(text: string): string {
  if (!/[%\s]|[^\x21-\x7e]/.test(text)) return text;
  return escapeNonAscii(text).replace(/%[0-9a-f]{2}/gi, (encoded) => {
    const code = Number.parseInt(encoded.slice(1), 16);
    const character = String.fromCharCode(code);
    const isPlain = code > 0x20 && code < 0x7f && !STRUCTURE.includes(character);
    return isPlain ? character : encoded.toUpperCase();
  });
}

/** Blanks and control characters count as well. */
export function escapeNonAscii(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}
