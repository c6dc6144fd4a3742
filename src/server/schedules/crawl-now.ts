// Runs on request, of one schedule or of many: what is asked for gets one id, and runs that are made carry it.
import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { manualRun, requestedRun } from '../../custom-resources/new-runs.ts';
import { createRun } from '../../custom-resources/run-actions.ts';
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import type { NewObject } from '../../kube/kube-object.ts';
import { crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { LABEL } from '../../resources/group.ts';
import type { Caller } from '../auth/identity.ts';
import { usedBefore, uuidOf } from '../http/idempotency.ts';
import { ProblemError } from '../http/problem.ts';
import type { ServerParts } from '../parts.ts';

export const started = z
  .object({
    status: z.enum(['started', 'queued']).describe('queued: another run of the schedule is not over yet.'),
    executionId: z.string().describe('UID of the run; of several runs the id of the request.'),
    batchId: z.string().describe('The progress of all of them: GET …/batches/{batchId}.'),
    detail: z.string(),
    runs: z.array(z.object({ name: z.string(), uid: z.string(), schedule: z.string() })),
  })
  .openapi('StartedRuns');

type Choice = {
  readonly source?: string;
  /** Of the caller: what was made with it is not made again. */
  readonly key?: string | undefined;
};

/** The run with this source alone active. Throws a NotFound that names the source. */
export function withSource(run: NewObject<CrawlRun>, schedule: string, source: string): NewObject<CrawlRun> {
  const { sources } = run.spec;
  if (!sources.some(({ name }) => name === source)) {
    const known = sources.map(({ name }) => name).join(', ');
    throw new ProblemError('NotFound', `schedule "${schedule}" has no source "${source}"; it has ${known}`);
  }
  return { ...run, spec: { ...run.spec, sources: sources.map((one) => ({ ...one, active: one.name === source })) } };
}

/**
 * Makes a run of each schedule. What cannot be made is told after those that were. Throws an Invalid for a key that came with
 * another request.
 */
export async function crawlNow(
  { runs, audit, now }: ServerParts,
  schedules: readonly CrawlSchedule[],
  { source, key }: Choice,
  identity: Caller,
  signal: AbortSignal,
): Promise<z.output<typeof started>> {
  const request = key === undefined ? undefined : `${identity.username}/${key}`;
  const batchId = request === undefined ? randomUUID() : uuidOf(request);
  const wanted = schedules.map((schedule) => {
    const spec = crawlScheduleSpec.parse(schedule.spec);
    const run =
      request === undefined ? manualRun(schedule, spec, now()) : requestedRun(schedule, spec, `api/${request}`);
    const labelled = {
      ...run,
      metadata: { ...run.metadata, labels: { ...run.metadata.labels, [LABEL.batch]: batchId } },
    };
    return source === undefined ? labelled : withSource(labelled, schedule.metadata.name, source);
  });
  const made: CrawlRun[] = [];
  for (const run of wanted) {
    const created = await createRun(runs, run, signal);
    if (created !== undefined) audit('RunRequested', created, identity);
    const known = created ?? (request === undefined ? undefined : await madeBefore(runs, run, batchId, signal));
    if (known !== undefined) made.push(known);
  }
  const [first] = made;
  if (first === undefined) {
    throw new ProblemError('Conflict', 'a manual run was made in this very second already; try again', {
      retryAfter: 1,
    });
  }
  const isBusy = schedules.some(({ status }) => (status?.activeCount ?? 0) > 0);
  const left = wanted.length - made.length;
  return {
    status: isBusy ? 'queued' : 'started',
    executionId: wanted.length === 1 ? first.metadata.uid : batchId,
    batchId,
    detail: `${made.length === 1 ? 'one run was' : `${made.length} runs were`} created${left === 0 ? '' : `; ${left} were created in this very second already`}`,
    runs: made.map(({ metadata, spec }) => ({
      name: metadata.name,
      uid: metadata.uid,
      schedule: spec.scheduleName ?? '',
    })),
  };
}

/** The run that the same request has made; undefined when it is gone again. */
async function madeBefore(
  runs: ServerParts['runs'],
  { metadata, spec }: NewObject<CrawlRun>,
  batchId: string,
  signal: AbortSignal,
): Promise<CrawlRun | undefined> {
  const found = await runs.get({ namespace: metadata.namespace, name: metadata.name }, { signal });
  if (found === undefined) return undefined;
  const activeOf = ({ sources }: { readonly sources: CrawlRun['spec']['sources'] }) =>
    sources.filter(({ active }) => active !== false).map(({ name }) => name);
  const isSame = found.metadata.labels?.[LABEL.batch] === batchId && `${activeOf(found.spec)}` === `${activeOf(spec)}`;
  if (isSame) return found;
  throw usedBefore();
}
