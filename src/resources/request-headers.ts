// Which headers a user may add to requests.

/**
 * Headers that are not for users to set, in lower case: those of the connection (RFC 9110, 7.6.1), those that frame the
 * message, and those that the crawler sets itself.
 */
export const RESERVED_HEADERS = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
  'content-length',
  'expect',
  'user-agent',
  'accept-encoding',
  'if-none-match',
  'if-modified-since',
  'range',
] as const;

/** A token (RFC 9110, 5.6.2). */
export const HEADER_NAME_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Printable, in ASCII: what every server reads alike. */
export const HEADER_VALUE_PATTERN = /^[\x20-\x7e]*$/;

export function isReservedHeader(name: string): boolean {
  return RESERVED_HEADERS.some((reserved) => reserved === name.toLowerCase());
}
