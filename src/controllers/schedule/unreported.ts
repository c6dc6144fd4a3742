// What this process knows of a schedule that no status holds yet: a skipped slot, a request that was met, a refused run,
// and the results of runs that are gone.
import { type CrawlRun, type CrawlSchedule, isFinished } from '../../custom-resources/types.ts';
import { findCondition } from '../../kube/conditions.ts';
import { controllerOf } from '../../kube/kube-object.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { isResultReported } from './run-result.ts';
import { scheduleOf } from './schedule-of.ts';
import type { ScheduleObservation } from './schedule-status.ts';

/** The API server did not take a run of this generation of the schedule; `count` is how often in a row. */
export type Refusal = { readonly generation: number; readonly message: string; readonly count: number };

type Notes = {
  skipped?: Date;
  handledRequest?: string;
  /** `None` once a run was taken; undefined when this process does not know. */
  refusal?: Refusal | 'None';
  readonly gone: Map<string, CrawlRun>;
};

export type UnreportedOptions = { readonly scheduleCache: ScheduleCache; readonly runCache: RunCache };

export function createUnreported({ scheduleCache, runCache }: UnreportedOptions) {
  /** By the schedule's UID. */
  const notes = new Map<string, Notes>();

  function notesOf({ metadata }: CrawlSchedule): Notes {
    const known = notes.get(metadata.uid) ?? { gone: new Map() };
    notes.set(metadata.uid, known);
    return known;
  }

  scheduleCache.subscribe(({ type, object }) => {
    if (type === 'deleted') notes.delete(object.metadata.uid);
  });
  runCache.subscribe(({ type, object }) => {
    if (type !== 'deleted' || !isFinished(object) || controllerOf(object) === undefined) return;
    const schedule = scheduleOf(object, scheduleCache);
    if (schedule === undefined || isResultReported(schedule.status, object)) return;
    notesOf(schedule).gone.set(object.metadata.uid, object);
  });

  /** The refusal in force. One that an earlier process met stands in the status. */
  function refusal(schedule: CrawlSchedule): Refusal | undefined {
    const known = notes.get(schedule.metadata.uid)?.refusal ?? refusalInStatus(schedule);
    return known === 'None' || known?.generation !== schedule.metadata.generation ? undefined : known;
  }

  return {
    refusal,
    noteRefusal(schedule: CrawlSchedule, message: string): void {
      const count = (refusal(schedule)?.count ?? 0) + 1;
      notesOf(schedule).refusal = { generation: schedule.metadata.generation ?? 0, message, count };
    },
    forgetRefusal(schedule: CrawlSchedule): void {
      if (refusal(schedule) !== undefined) notesOf(schedule).refusal = 'None';
    },
    noteSkip(schedule: CrawlSchedule, slot: Date): void {
      notesOf(schedule).skipped = slot;
    },
    request: (schedule: CrawlSchedule) => notes.get(schedule.metadata.uid)?.handledRequest,
    noteRequest(schedule: CrawlSchedule, request: string): void {
      notesOf(schedule).handledRequest = request;
    },
    goneRuns: (schedule: CrawlSchedule): CrawlRun[] => [...(notes.get(schedule.metadata.uid)?.gone.values() ?? [])],
    /** Whether a status has more to report than the runs that are there. */
    hasNews(schedule: CrawlSchedule): boolean {
      const { skipped, handledRequest, gone } = notes.get(schedule.metadata.uid) ?? {};
      return skipped !== undefined || handledRequest !== undefined || (gone?.size ?? 0) > 0;
    },
    /** What a status is to hold, and what to call when it does. */
    take(schedule: CrawlSchedule): {
      reported: Pick<ScheduleObservation, 'skipped' | 'handledRequest'>;
      wasWritten: () => void;
    } {
      const taken = notesOf(schedule);
      const { skipped, handledRequest } = taken;
      const gone = [...taken.gone.keys()];
      return {
        reported: {
          ...(skipped === undefined ? {} : { skipped }),
          ...(handledRequest === undefined ? {} : { handledRequest }),
        },
        wasWritten() {
          // What came meanwhile is for the next status.
          if (taken.skipped === skipped) delete taken.skipped;
          if (taken.handledRequest === handledRequest) delete taken.handledRequest;
          for (const uid of gone) taken.gone.delete(uid);
          const isEmpty = taken.refusal === undefined && taken.gone.size === 0;
          if (isEmpty && taken.skipped === undefined && taken.handledRequest === undefined)
            notes.delete(schedule.metadata.uid);
        },
      };
    },
  };
}

function refusalInStatus({ metadata, status }: CrawlSchedule): Refusal | undefined {
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.reason !== 'RunRefused' || ready.observedGeneration === undefined) return undefined;
  return {
    generation: metadata.generation === ready.observedGeneration ? ready.observedGeneration : -1,
    message: ready.message,
    count: 1,
  };
}
