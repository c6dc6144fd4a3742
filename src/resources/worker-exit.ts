// How a worker says why it ended: its exit code and the termination message, read by the operator and by the Job.
import { z } from 'zod';

/** Exit codes of a worker. 0 only when Postgres says that the run is finished. */
export const EXIT_CODE = {
  finished: 0,
  /** The spec is broken or newer than this worker: no replacement can help. */
  badSpec: 64,
  /** The run is gone or its token revoked: no replacement can help. */
  runGone: 65,
  /** Every source refuses the crawl: a replacement would be refused likewise. */
  blocked: 66,
  /** Stalled or crashed. */
  crashed: 70,
  /** Postgres did not answer for too long. */
  databaseUnavailable: 75,
  /** Stopped by SIGTERM or SIGINT, everything handed back. */
  stopped: 143,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

export const FATAL_EXIT_CODES = [EXIT_CODE.badSpec, EXIT_CODE.runGone, EXIT_CODE.blocked] as const;
export const STOPPED_EXIT_CODE = EXIT_CODE.stopped;

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
