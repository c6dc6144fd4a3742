// Commits of a size that the gateway takes: many outcomes go in several calls, and one that is too large in none.
import type { Outcome } from '../../gateway/protocol/worker-store.ts';

/** About how large a commit may grow before the next outcome goes into another one. */
const BATCH_BYTES = 8 * 1_024 * 1_024;
/** What a single page may give: below what the gateway takes, since the size is estimated. */
const MOST_BYTES = 40 * 1_024 * 1_024;
/** Keys, commas and the key of a link, around each link and each value. */
const BYTES_AROUND_LINK = 200;
const BYTES_AROUND_VALUE = 8;

/** In their order; outcomes that are too large have become dead letters that say so. */
export function batchesOf(outcomes: readonly Outcome[]): Outcome[][] {
  const batches: Outcome[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const outcome of outcomes) {
    const size = bytesOf(outcome);
    const bounded = size > MOST_BYTES ? tooLarge(outcome, size) : outcome;
    const added = size > MOST_BYTES ? 0 : size;
    if (bytes + added > BATCH_BYTES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(bounded);
    bytes += added;
  }
  return batches;
}

function tooLarge({ claim, facts }: Outcome, bytes: number): Outcome {
  const megabytes = Math.ceil(bytes / 2 ** 20);
  const message = `the page gave ${megabytes} MB of items and links, and ${MOST_BYTES / 2 ** 20} MB are allowed`;
  return { type: 'dead', claim, cause: 'TooLarge', message, ...(facts === undefined ? {} : { facts }) };
}

function bytesOf(outcome: Outcome): number {
  const { links = [] } = outcome;
  let bytes = 1_000;
  for (const { url, host } of links) bytes += url.length + host.length + BYTES_AROUND_LINK;
  return outcome.type === 'done' ? bytes + bytesOfJson(outcome.items) + bytesOfJson(outcome.page) : bytes;
}

/** As JSON in UTF-8, about: without what escapes add. */
function bytesOfJson(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + BYTES_AROUND_VALUE;
  if (typeof value !== 'object' || value === null) return BYTES_AROUND_VALUE;
  let bytes = BYTES_AROUND_VALUE;
  if (Array.isArray(value)) for (const element of value) bytes += bytesOfJson(element);
  else for (const [key, one] of Object.entries(value)) bytes += key.length + BYTES_AROUND_VALUE + bytesOfJson(one);
  return bytes;
}
