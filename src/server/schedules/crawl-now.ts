// Runs on request, of one schedule or of many: what is asked for gets one id, and runs that are made carry it.
import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { manualRun, requestedRun } from '../../custom-resources/new-runs.ts';
import { createRun } from '../../custom-resources/run-actions.ts';
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import type { NewObject } from '../../kube/kube-object.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { LABEL } from '../../resources/group.ts';
import type { Caller } from '../auth/identity.ts';
import { KeyUsedBefore, uuidOf } from '../http/idempotency.ts';
import { ProblemError, problemOf } from '../http/problem.ts';
import type { ServerParts } from '../parts.ts';

export const started = z
  .object({
    status: z.enum(['started', 'queued']).describe('queued: another run of the schedule is not over yet.'),
    executionId: z.string().describe('UID of the run; of several runs the id of the request.'),
    batchId: z.string().describe('The progress of all of them: GET …/batches/{batchId}.'),
    detail: z.string(),
    runs: z.array(z.object({ name: z.string(), uid: z.string(), schedule: z.string() })),
    refused: z
      .array(z.object({ schedule: z.string(), detail: z.string() }))
      .optional()
      .describe('The schedules of which no run could be made, and why; those of `runs` go on.'),
  })
  .openapi('StartedRuns');

type Choice = {
  readonly source?: string;
  /** Of the caller: what was made with it is not made again. */
  readonly key?: string | undefined;
  /** No schedule is named: they are those that are active. */
  readonly isOfAll?: boolean;
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
 * Makes a run of each schedule. Of several, those that cannot be made are told beside those that were. Rejects with what stood in the
 * way of the only one or of all, and with an Invalid for a key that came with another request.
 */
export async function crawlNow(
  { runs, audit, now }: ServerParts,
  schedules: readonly CrawlSchedule[],
  { source, key, isOfAll }: Choice,
  identity: Caller,
  signal: AbortSignal,
): Promise<z.output<typeof started>> {
  const request = key === undefined ? undefined : `${identity.username}/${key}`;
  const batchId = request === undefined ? randomUUID() : uuidOf(request);
  // One of all that was run by hand in this very second would be left out: their names are made of the request.
  const named = request ?? (isOfAll === true ? batchId : undefined);

  function runOf(schedule: CrawlSchedule): NewObject<CrawlRun> {
    const spec = specOf(schedule);
    const run = named === undefined ? manualRun(schedule, spec, now()) : requestedRun(schedule, spec, `api/${named}`);
    const labels = { ...run.metadata.labels, [LABEL.batch]: batchId };
    const labelled = { ...run, metadata: { ...run.metadata, labels } };
    return source === undefined ? labelled : withSource(labelled, schedule.metadata.name, source);
  }

  async function start(schedule: CrawlSchedule): Promise<CrawlRun> {
    const run = runOf(schedule);
    const created = await createRun(runs, run, signal);
    if (created !== undefined) audit('RunRequested', created, identity);
    const known = created ?? (request === undefined ? undefined : await madeBefore(runs, run, batchId, signal));
    if (known !== undefined) return known;
    throw new ProblemError('Conflict', 'a manual run was made in this very second already; try again', {
      retryAfter: 1,
    });
  }

  const made: CrawlRun[] = [];
  const refused: Refused[] = [];
  for (const schedule of schedules) {
    try {
      made.push(await start(schedule));
    } catch (error) {
      const problem = problemOf(error, false);
      if (signal.aborted || error instanceof KeyUsedBefore || problem.reason === 'Internal') throw error;
      refused.push({ schedule: schedule.metadata.name, problem });
    }
  }
  const [first] = made;
  if (first === undefined) throw refused[0]?.problem;
  const isBusy = schedules.some(({ status }) => (status?.activeCount ?? 0) > 0);
  const shownRefusals = refused.map(({ schedule, problem }) => ({ schedule, detail: problem.message }));
  return {
    status: isBusy ? 'queued' : 'started',
    executionId: schedules.length === 1 ? first.metadata.uid : batchId,
    batchId,
    detail: inWords(made.length, shownRefusals),
    runs: made.map(({ metadata, spec }) => ({
      name: metadata.name,
      uid: metadata.uid,
      schedule: spec.scheduleName ?? '',
    })),
    ...(shownRefusals.length === 0 ? {} : { refused: shownRefusals }),
  };
}

type Refused = { readonly schedule: string; readonly problem: ProblemError };

/** Throws an Invalid for one that was stored under other rules. */
function specOf({ metadata, spec }: CrawlSchedule): CrawlScheduleSpec {
  const parsed = crawlScheduleSpec.safeParse(spec);
  if (parsed.success) return parsed.data;
  throw new ProblemError('Invalid', `schedule "${metadata.name}": ${parsed.error.issues[0]?.message}`, {
    cause: parsed.error,
  });
}

function inWords(made: number, refused: readonly { readonly schedule: string; readonly detail: string }[]): string {
  const created = made === 1 ? 'one run was created' : `${made} runs were created`;
  const [first] = refused;
  if (first === undefined) return created;
  const others = refused.length === 1 ? '' : ` and ${refused.length - 1} more`;
  return `${created}; none of ${first.schedule}${others}: ${first.detail}`;
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
  throw new KeyUsedBefore();
}
