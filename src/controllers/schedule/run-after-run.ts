// Run after run: a schedule whose slots are the ends of another schedule's runs. Chains are fine, loops are refused.
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import type { ScheduleReason } from '../../resources/conditions.ts';
import { pastTimetable, type Timetable } from '../../schedule/timetable.ts';
import type { ScheduleCache } from '../caches.ts';
import { ownRuns } from './run-order.ts';

export type TimetableSearch =
  | { readonly ok: true; readonly timetable: Timetable }
  | { readonly ok: false; readonly error: { readonly reason: ScheduleReason; readonly message: string } };

/** Slots at the times at which the upstream schedule's own runs ended with results: what a backfill fills in sets nothing off. */
export function findUpstream(
  schedule: CrawlSchedule,
  scheduleCache: Pick<ScheduleCache, 'get'>,
  runsOf: (schedule: CrawlSchedule) => readonly CrawlRun[],
): TimetableSearch {
  const name = schedule.spec.after?.schedule ?? '';
  const upstream = upstreamOf(schedule, scheduleCache);
  if (upstream === undefined) {
    const message = `spec.after.schedule: there is no CrawlSchedule "${name}" in namespace ${schedule.metadata.namespace}`;
    return { ok: false, error: { reason: 'UnknownSchedule', message } };
  }
  const loop = findLoop(schedule, scheduleCache);
  if (loop !== undefined) {
    return {
      ok: false,
      error: { reason: 'ScheduleLoop', message: `spec.after.schedule: ${loop.join(' after ')} is a loop` },
    };
  }
  const ends = ownRuns(runsOf(upstream))
    .filter((run) => run.status?.phase === 'Succeeded' || run.status?.phase === 'Partial')
    .map((run) => run.status?.completionTime);
  // The run itself may be gone already, when the upstream schedule keeps no history.
  const known = [...ends, upstream.status?.lastSuccessfulTime].filter((time) => time !== undefined);
  return { ok: true, timetable: pastTimetable(known.map((time) => new Date(time))) };
}

function upstreamOf(schedule: CrawlSchedule, scheduleCache: Pick<ScheduleCache, 'get'>): CrawlSchedule | undefined {
  const { after } = schedule.spec;
  const { namespace } = schedule.metadata;
  if (after === undefined) return undefined;
  return scheduleCache.get({ namespace, name: after.schedule });
}

/** The names along the chain up to the one that closes the loop; undefined when the chain ends. */
function findLoop(schedule: CrawlSchedule, scheduleCache: Pick<ScheduleCache, 'get'>): string[] | undefined {
  const names: string[] = [];
  let current: CrawlSchedule | undefined = schedule;
  while (current !== undefined) {
    const { name } = current.metadata;
    if (names.includes(name)) return [...names, name];
    names.push(name);
    current = upstreamOf(current, scheduleCache);
  }
  return undefined;
}
