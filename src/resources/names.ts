// Deterministic names: the same slot gives the same run, the same run the same Job, so that creating twice conflicts.
import { createHash } from 'node:crypto';

/** Pod names add a suffix of their own; with 58 characters they stay valid host names (63). */
const MAX_CHILD_NAME = 58;
const HASH_LENGTH = 8;

/** Name of the run for a slot. Schedule names are at most 52 characters, so that this fits a label. */
export function runName(scheduleName: string, slot: Date): string {
  return `${scheduleName}-${Math.floor(slot.getTime() / 1_000)}`;
}

/** Name of the Job that writes the file of a run whose own Job cannot any more. */
export function outputJobName(runName: string): string {
  return hashed(runName, `output of ${runName}`);
}

/**
 * Name of what belongs to a run (Job, Secret): the run's own name where that is a DNS label of at most 58 characters,
 * else cut and made unique by a hash of the whole name.
 */
export function childName(runName: string): string {
  if (runName.length <= MAX_CHILD_NAME && !runName.includes('.')) return runName;
  return hashed(runName, runName);
}

function hashed(runName: string, text: string): string {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
  const head = runName
    .replaceAll('.', '-')
    .slice(0, MAX_CHILD_NAME - HASH_LENGTH - 1)
    .replace(/-+$/, '');
  return `${head}-${hash}`;
}
