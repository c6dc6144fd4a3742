// The name of a URL in the frontier.
import { hash } from 'node:crypto';

/** First half of the SHA-256 of the normalised URL, as a UUID: 16 bytes in an index, and no collisions to build. */
export function urlKey(url: string): string {
  const hex = hash('sha256', url, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
