// Runs that stand still, by spec.suspend or since somebody else has suspended their Job: whether they do, what that does to their
// time, and what their status says. Pure functions.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { ANNOTATION } from '../../resources/group.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';
import { isCrawlOver } from './crawl-over.ts';
import { isOfKueue } from './kueue.ts';
import type { Obstacle } from './obstacle.ts';
import { hasEnded } from './pods.ts';

/** A stop goes before a pause, and a file that is being written is written to its end. */
export function isPaused(
  { spec }: CrawlRun,
  snapshot: Pick<RunSnapshot, 'state' | 'output'>,
  stopReason: string | undefined,
): boolean {
  return spec.suspend === true && stopReason === undefined && !isCrawlOver(snapshot);
}

/** Whether somebody else, such as Kueue, keeps the Job of a run that has started from work; `job` as it is after a resume of ours. */
export function isHeld(
  job: Job | undefined,
  snapshot: Pick<RunSnapshot, 'startedAt' | 'state' | 'output'>,
  stopReason: string | undefined,
): boolean {
  const isAtWork = snapshot.startedAt !== undefined && stopReason === undefined && !isCrawlOver(snapshot);
  return isAtWork && job?.spec?.suspend === true;
}

/** When `timeoutSeconds` are over, pauses not counted; unknown before the first heartbeat and during a pause. */
export function timeOutAt(
  { timeoutSeconds }: Pick<CrawlRunSpec, 'timeoutSeconds'>,
  { startedAt, pausedAt, pausedMs }: Pick<RunSnapshot, 'startedAt' | 'pausedAt' | 'pausedMs'>,
): Date | undefined {
  if (startedAt === undefined || pausedAt !== undefined) return undefined;
  return new Date(startedAt.getTime() + timeoutSeconds * 1_000 + pausedMs);
}

/** What the status says; undefined while Kueue keeps the Job at work. */
export function pauseObstacle(run: CrawlRun, job: Job | undefined, pods: readonly Pod[]): Obstacle | undefined {
  if (refusedPause(job) !== undefined) return undefined;
  const isCrawling = pods.some((pod) => !hasEnded(pod));
  const progress = isCrawling ? '; pages in flight are finished first' : '';
  const message = `paused by spec.suspend${byWhom(run)}${progress}`;
  return { condition: 'Progressing', patience: 'Unlimited', reason: 'Paused', message };
}

/** A run that has not been accepted stays out of the line. */
export function pausedBeforeItsTurn(run: CrawlRun): Obstacle {
  const message = `paused by spec.suspend${byWhom(run)} before it was its turn`;
  return { condition: 'Accepted', patience: 'Unlimited', reason: 'Paused', message };
}

/** Why a pause has no effect. */
export function refusedPause(job: Job | undefined): string | undefined {
  if (job === undefined || !isOfKueue(job) || job.spec?.suspend) return undefined;
  return `spec.suspend has no effect, since Kueue decides when Job ${job.metadata.name} runs: set spec.active of its Workload to false`;
}

function byWhom({ metadata: { annotations = {} } }: CrawlRun): string {
  const [user, note] = [annotations[ANNOTATION.pausedBy], annotations[ANNOTATION.pauseNote]];
  return `${user ? ` by ${user.slice(0, 256)}` : ''}${note ? ` (${note.slice(0, 512)})` : ''}`;
}
