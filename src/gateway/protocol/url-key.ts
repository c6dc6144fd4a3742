// Short names for long texts: the first half of their SHA-256, as a UUID.
import { hash } from 'node:crypto';

/** 16 bytes in an index, and no collisions to build. */
export function uuidOfText(text: string): string {
  const hex = hash('sha256', text, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** The name of a normalised URL in the frontier. */
export function urlKey(url: string): string {
  return uuidOfText(url);
}
