// Cursors of lists: what comes next, opaque to callers. A cursor names the last row seen, so that inserts move nothing.
import { z } from '@hono/zod-openapi';
import { ProblemError } from './problem.ts';

/** Most rows of one page. */
export const MOST_ROWS = 500;

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MOST_ROWS).default(50).describe('Most rows of the page.'),
  cursor: z.string().max(4_096).optional().describe('`nextCursor` of the page before.'),
});

export const nextCursor = z.string().optional().describe('Where the next page begins; absent at the end.');

export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Throws a BadRequest for what is no cursor of this list. */
export function decodeCursor<T extends z.ZodType>(schema: T, cursor: string | undefined): z.output<T> | undefined {
  if (cursor === undefined) return undefined;
  const position = decodeOpaque(schema, cursor);
  if (position !== undefined) return position;
  const errors = [{ field: 'cursor', message: 'is no cursor of this list' }];
  throw new ProblemError('BadRequest', 'cursor: is no cursor of this list', { errors });
}

/** Undefined for what is not of that shape. */
export function decodeOpaque<T extends z.ZodType>(schema: T, text: string): z.output<T> | undefined {
  return schema.safeParse(jsonOf(text)).data;
}

function jsonOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
