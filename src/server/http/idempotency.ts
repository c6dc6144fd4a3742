// Requests that may be sent again: what one has made is found by an id that its caller and its key give.
import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { ProblemError } from './problem.ts';

export const idempotent = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('The same key gives the same runs, as long as they are there: send a request again with its key.'),
});

/** A UUID of version 8 (RFC 9562): the same text gives the same one. */
export function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export class KeyUsedBefore extends ProblemError {
  constructor() {
    super('Invalid', 'this Idempotency-Key came with another request before', {
      errors: [{ field: 'Idempotency-Key', message: 'came with another request before' }],
    });
  }
}
