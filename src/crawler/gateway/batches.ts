// Commits of a size that the gateway takes: many outcomes go in several calls, and one that is too large in none.
import { BODIES_MEMORY, MOST_OF_A_BODY, memoryOfBody } from '../../gateway/protocol/body-memory.ts';
import type { Outcome } from '../../gateway/protocol/worker-store.ts';

/** About how large a commit may grow before the next outcome goes into another one: it fits, whatever it is made of. */
const BATCH_BYTES = 3 * 1_024 * 1_024;
/** What a single page may give: below what the gateway takes, for what is around it. */
const MOST_BYTES = 12 * 1_024 * 1_024;
const MOST_MEMORY = BODIES_MEMORY * MOST_OF_A_BODY - 4 * 1_024 * 1_024;
/** Keys, commas and the key of a link, around each link and each value. */
const BYTES_AROUND_LINK = 200;
const BYTES_AROUND_VALUE = 8;

/** In their order; outcomes that are too large have become dead letters that say so. */
export function batchesOf(outcomes: readonly Outcome[]): Outcome[][] {
  const batches: Outcome[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const outcome of outcomes) {
    const size = bytesOf(outcome);
    const fits = isTaken(outcome, size);
    const bounded = fits ? outcome : tooLarge(outcome, size);
    const added = fits ? size : 0;
    if (bytes + added > BATCH_BYTES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(bounded);
    bytes += added;
  }
  return batches;
}

/** Whether a gateway has room for it. What is larger than a batch is rare enough to be written as JSON once more. */
function isTaken(outcome: Outcome, bytes: number): boolean {
  if (bytes <= BATCH_BYTES) return true;
  if (bytes > MOST_BYTES) return false;
  const json = Buffer.from(JSON.stringify(outcome));
  return json.length <= MOST_BYTES && memoryOfBody(json) <= MOST_MEMORY;
}

function tooLarge({ claim, facts }: Outcome, bytes: number): Outcome {
  const megabytes = Math.ceil(bytes / 2 ** 20);
  const allowed = `${MOST_BYTES / 2 ** 20} MB are allowed, or less where they are many small values`;
  const message = `the page gave ${megabytes} MB of items and links, and ${allowed}`;
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
