// What the second call that clears dead letters shows: that somebody has seen how many there are, of which run and which filter.
// Nothing is remembered between the two calls; docs/decisions/0097-dead-letters-of-a-run-that-lives.md says why that is enough.
import { isDeepStrictEqual } from 'node:util';
import { z } from '@hono/zod-openapi';
import type { DeadLetterFilter } from '../../store/dead-letter-store.ts';
import { decodeOpaque, encodeCursor } from '../http/cursor.ts';
import { ProblemError } from '../http/problem.ts';

const seen = z.strictObject({
  runId: z.guid(),
  wanted: z.record(z.string(), z.string()),
  count: z.int().min(1),
  until: z.iso.datetime(),
});

/** `count` dead letters of the run had died at `until`. */
export type Seen = {
  readonly runId: string;
  readonly wanted: DeadLetterFilter;
  readonly count: number;
  readonly until: string;
};

export function confirmationOf(what: Seen): string {
  return encodeCursor(what);
}

/** Throws a BadRequest for what is no confirmation, or one of something else than is asked for. */
export function confirmed(confirmation: string, runId: string, wanted: DeadLetterFilter): Seen {
  const shown = decodeOpaque(seen, confirmation);
  const message =
    shown === undefined
      ? 'is none that the first call gives'
      : shown.runId !== runId || !isDeepStrictEqual(shown.wanted, { ...wanted })
        ? 'was given for another run or another filter'
        : undefined;
  if (shown !== undefined && message === undefined) return shown;
  throw new ProblemError('BadRequest', `confirm: ${message}`, {
    errors: [{ field: 'confirm', message: message ?? '' }],
  });
}
