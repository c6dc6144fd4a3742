// A wait that can be ended.
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after `ms` milliseconds; rejects with the signal's reason when that is aborted before. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    // Timers run up to a millisecond early.
    await sleep(Math.ceil(ms), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
