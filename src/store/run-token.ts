// The secret of a run: whoever holds it may work on that run and on no other.
import { createHash, randomBytes } from 'node:crypto';

/** A new token; only its hash is stored. */
export function createToken(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256, as `acceptRun` takes it. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
