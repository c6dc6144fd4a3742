// What people do with runs by hand, through the plugin or the API server: make one, retry one, pause, resume and stop one.
import { isAlreadyExists } from '../kube/kube-error.ts';
import type { NewObject } from '../kube/kube-object.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import { ANNOTATION, LABEL } from '../resources/group.ts';
import { retryRun } from './new-runs.ts';
import type { RetryPart } from './retries.ts';
import type { CrawlRun } from './types.ts';

type Runs = Pick<ResourceClient<CrawlRun>, 'create'>;
type ListedRuns = Pick<ResourceClient<CrawlRun>, 'create' | 'get' | 'list'>;

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

/**
 * The same for a request with an id of its own, a label's value: what it has made already is made no second time.
 */
export async function createRequestedRetry(
  runs: ListedRuns,
  run: CrawlRun,
  part: RetryPart,
  request: string,
  signal: AbortSignal,
): Promise<{ readonly run: CrawlRun; readonly isNew: boolean } | undefined> {
  const { namespace } = run.metadata;
  const isOfRequest = ({ metadata }: CrawlRun) => metadata.labels?.[LABEL.request] === request;
  const before = await runs.list({ namespace, labelSelector: `${LABEL.request}=${request}`, limit: 1, signal });
  const [made] = before.items;
  if (made !== undefined) return { run: made, isNew: false };
  for (let attempt = 1; attempt <= RETRY_LIMIT; attempt += 1) {
    const { metadata, spec } = retryRun(run, part, attempt);
    const labelled = { ...metadata, labels: { ...metadata.labels, [LABEL.request]: request } };
    const created = await createRun(runs, { metadata: labelled, spec }, signal);
    if (created !== undefined) return { run: created, isNew: true };
    // The same request may have been sent twice at once.
    const there = await runs.get({ namespace, name: metadata.name }, { signal });
    if (there !== undefined && isOfRequest(there)) return { run: there, isNew: false };
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
