// Named tokens as text: trawler_NAME_SECRET. Only a hash of the secret is kept; 256 random bits need no slow one.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;
const TOKEN = /^trawler_([a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?)_([A-Za-z0-9_-]{43})$/;

/** What names match; a token of Kubernetes never looks like one of ours. */
export const TOKEN_NAME = /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/;

export function newToken(name: string): { readonly token: string; readonly hash: string } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { token: `trawler_${name}_${secret}`, hash: hashOf(secret).toString('base64') };
}

/** Undefined for any other token. */
export function parseToken(token: string): { readonly name: string; readonly secret: string } | undefined {
  const [, name, secret] = TOKEN.exec(token) ?? [];
  return name === undefined || secret === undefined ? undefined : { name, secret };
}

/** Takes as long whatever the secret is. @param hash as `newToken` gives it */
export function isSecretOf(hash: string, secret: string): boolean {
  const kept = Buffer.from(hash, 'base64');
  const given = hashOf(secret);
  return kept.length === given.length && timingSafeEqual(kept, given);
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
