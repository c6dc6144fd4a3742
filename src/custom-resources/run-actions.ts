// What people do with runs by hand, through the plugin or the API server: make one, retry one, pause, resume and stop one.
import { isAlreadyExists } from '../kube/kube-error.ts';
import type { NewObject } from '../kube/kube-object.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import { ANNOTATION } from '../resources/group.ts';
import { retryRun } from './new-runs.ts';
import type { RetryPart } from './retries.ts';
import type { CrawlRun } from './types.ts';

type Runs = Pick<ResourceClient<CrawlRun>, 'create'>;

/** Retries of one run that are made by hand. */
export const RETRY_LIMIT = 100;

/** Undefined when there is a run of that name already. */
export async function createRun(
  runs: Runs,
  run: NewObject<CrawlRun>,
  signal: AbortSignal,
): Promise<CrawlRun | undefined> {
  try {
    return await runs.create(run, { signal });
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

/** The next retry of a finished run; undefined when there were `RETRY_LIMIT` already. */
export async function createRetry(
  runs: Runs,
  run: CrawlRun,
  part: RetryPart,
  signal: AbortSignal,
): Promise<CrawlRun | undefined> {
  for (let attempt = 1; attempt <= RETRY_LIMIT; attempt += 1) {
    const created = await createRun(runs, retryRun(run, part, attempt), signal);
    if (created !== undefined) return created;
  }
  return undefined;
}

/** The merge patch that pauses a run. Who did it, and why, is written down beside it, for people. */
export function pausePatch(user: string, note: string | undefined): object {
  const annotations = { [ANNOTATION.pausedBy]: user, [ANNOTATION.pauseNote]: note || null };
  return { metadata: { annotations }, spec: { suspend: true } };
}

export function resumePatch(): object {
  const annotations = { [ANNOTATION.pausedBy]: null, [ANNOTATION.pauseNote]: null };
  return { metadata: { annotations }, spec: { suspend: false } };
}

/** `Stop`: pages in flight are finished. `Terminate`: they are given up. */
export function stopPatch(shutdown: 'Stop' | 'Terminate'): object {
  return { spec: { shutdown } };
}
