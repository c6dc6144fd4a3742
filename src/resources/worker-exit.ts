// How a worker says why it ended: its exit code and the termination message, written by the worker, read by the Job's
// failure policy and by the operator.
import { z } from 'zod';

/** Exit codes of a worker. 0 only when Postgres says that the run is finished. */
export const EXIT_CODE = {
  finished: 0,
  /** The spec or the configuration is broken or newer than this worker: no other pod could work with it. */
  badSpec: 64,
  /** The run's token is refused, since the run is gone or over: no replacement can help. */
  tokenRefused: 65,
  /** Every source refuses the crawl, from this address and any other pod's. */
  blocked: 66,
  /** Stalled, or an unexpected exception; another pod may fare better. */
  crashed: 70,
  /** Stopped by SIGTERM or SIGINT, everything handed back. */
  stopped: 143,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** The Job fails at once. */
export const FATAL_EXIT_CODES = [EXIT_CODE.badSpec, EXIT_CODE.tokenRefused, EXIT_CODE.blocked] as const;
/** The worker is replaced, and none of its replacements (spec.backoffLimit) is used up. */
export const NO_CRASH_EXIT_CODES = [EXIT_CODE.stopped] as const;

/** Why a worker ended before its run was finished. */
export const TERMINATION_REASONS = [
  'BadConfiguration',
  'SpecTooNew',
  'BadSpec',
  'SchemaMismatch',
  'TokenRefused',
  'Blocked',
  'Stopped',
  'OutOfMemory',
  'Stalled',
  'Crashed',
] as const;
export type TerminationReason = (typeof TERMINATION_REASONS)[number];

/** Not the enum: an image of another version may know other reasons. */
const terminationMessage = z.object({ reason: z.string(), message: z.string() });
export type TerminationMessage = z.infer<typeof terminationMessage>;

/** What a worker wrote to /dev/termination-log; undefined when it wrote nothing of the kind (killed, or only logs). */
export function parseTerminationMessage(text: string | undefined): TerminationMessage | undefined {
  if (text === undefined || !text.startsWith('{')) return undefined;
  try {
    return terminationMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
