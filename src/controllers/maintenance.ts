// Maintenance of the database: once for each slot of its own schedule, what is past its time is dropped, and a summary of that
// stays beside those of runs. What cannot wait for the night, room for the days of new runs and lanes of runs that are
// over, is looked after every hour.
import { isFinished } from '../custom-resources/types.ts';
import type { ReconcileResult } from '../kube/work-queue.ts';
import { parseCron } from '../schedule/cron.ts';
import type { Timetable } from '../schedule/timetable.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { RunCache } from './caches.ts';
import { runDay } from './run/crawl-job.ts';

export type MaintenanceSettings = {
  /** Five or six cron fields, in an IANA time zone. */
  readonly schedule: string;
  readonly timeZone: string;
  /** How many whole days of runs and results are kept beside today's. */
  readonly retentionDays: number;
  /** The same for what stays of runs and of changes through the API; never less than their results. */
  readonly historyDays: number;
  /** And for the logs of runs. */
  readonly logDays: number;
};

export type MaintenanceOptions = {
  readonly store: Pick<
    OperatorStore,
    'ensureDay' | 'dropDaysBefore' | 'forgetLanes' | 'forgetAudit' | 'executions' | 'logs'
  >;
  readonly runCache: Pick<RunCache, 'list'>;
  readonly settings: MaintenanceSettings;
  /** The operator's own. */
  readonly namespace: string;
  /** Told for people, also when the summary could not be written. */
  readonly onEnd: (end: { readonly outcome: 'Succeeded' | 'Failed'; readonly message: string }) => void;
  readonly now: () => Date;
  readonly logger: Logger;
};

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;

export function createMaintenance(options: MaintenanceOptions) {
  const { store, runCache, settings, namespace, onEnd, now, logger } = options;
  const timetable = timetableOf(settings);
  const day = (offset: number) => new Date(now().getTime() + offset * DAY_MS).toISOString().slice(0, 10);
  /** The slot that this process has dealt with; asked of PostgreSQL first. */
  let done: Date | undefined;

  /** One look: the hourly part, and the maintenance of the newest slot when that is due. */
  return async function maintain(signal: AbortSignal): Promise<ReconcileResult> {
    await store.ensureDay(day(0), signal);
    await store.ensureDay(day(1), signal);
    await store.forgetLanes(signal);
    const slot = timetable.latest(now());
    done ??= await store.executions.lastMaintenance(namespace, signal);
    if (slot !== undefined && (done === undefined || done < slot)) {
      await dropWhatIsOld(slot, signal);
      done = slot;
    }
    const next = timetable.next(now());
    return { requeueAfterMs: Math.min(HOUR_MS, next ? Math.max(0, next.getTime() - now().getTime()) : HOUR_MS) };
  };

  /** Rejects when something could not be dropped, after its summary says so; the slot is tried again then. */
  async function dropWhatIsOld(slot: Date, signal: AbortSignal): Promise<void> {
    const startedAt = now();
    const work: Record<string, number> = {};
    const record = (outcome: 'Succeeded' | 'Failed', message?: string) =>
      store.executions.recordMaintenance(
        { namespace, slot, startedAt, finishedAt: now(), outcome, work, ...(message === undefined ? {} : { message }) },
        signal,
      );
    try {
      const { retentionDays, historyDays, logDays } = settings;
      work['logParts'] = await store.logs.forget(day(-logDays), signal);
      const firstOfHistory = day(-Math.max(retentionDays, historyDays));
      work['executions'] = await store.executions.forget(firstOfHistory, signal);
      work['auditEntries'] = await store.forgetAudit(firstOfHistory, signal);
      // The day of a CrawlRun that does not tell its end yet stays, though the run may have ended in Postgres.
      const unfinished = runCache.list().filter((run) => !isFinished(run));
      const kept = [...new Set(unfinished.map(runDay))];
      const days = await store.dropDaysBefore(day(-retentionDays), kept, signal, (what, count) => {
        work[what] = (work[what] ?? 0) + count;
      });
      work['days'] = days.length;
      await record('Succeeded');
      onEnd({ outcome: 'Succeeded', message: `dropped: ${amountsOf(work)}` });
      logger.info({ slot, ...work, droppedDays: days, retentionDays, historyDays }, 'maintenance done');
    } catch (error) {
      // Where PostgreSQL is away there is nowhere to write it: the work queue logs it.
      if (signal.aborted) throw error;
      const message = error instanceof Error ? error.message : String(error);
      onEnd({
        outcome: 'Failed',
        message: `not all that is past its time could be dropped, it is tried again: ${message}`,
      });
      await record('Failed', message).catch(() => {});
      throw error;
    }
  }
}

function amountsOf(work: Readonly<Record<string, number>>): string {
  const some = Object.entries(work).filter(([, count]) => count > 0);
  return some.map(([what, count]) => `${count} ${what}`).join(', ') || 'nothing';
}

/** @throws Error when the expression or the time zone cannot be read */
export function timetableOf({ schedule, timeZone }: Pick<MaintenanceSettings, 'schedule' | 'timeZone'>): Timetable {
  const parsed = parseCron(schedule, timeZone, 'maintenance');
  if (!parsed.ok) throw new Error(parsed.error.message.replace(/^spec\.(schedule|timeZone): /, ''));
  return parsed.timetable;
}
