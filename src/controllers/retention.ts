// Keeps the days of the database: tomorrow's is made before midnight's runs need it, and days are dropped in their time.

import { isFinished } from '../custom-resources/types.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { RunCache } from './caches.ts';
import { runDay } from './run/crawl-job.ts';

export type RetentionOptions = {
  readonly store: Pick<OperatorStore, 'ensureDay' | 'dropDaysBefore'>;
  readonly runCache: Pick<RunCache, 'list'>;
  /** How many whole days are kept beside today's. */
  readonly retentionDays: number;
  readonly now: () => Date;
  readonly logger: Logger;
};

const DAY_MS = 24 * 3_600_000;

/** One pass. The day of a CrawlRun that does not tell its end yet stays, though the run may have ended in Postgres. */
export async function keepDays(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { store, runCache, retentionDays, now, logger } = options;
  const day = (offset: number) => new Date(now().getTime() + offset * DAY_MS).toISOString().slice(0, 10);
  await store.ensureDay(day(0), signal);
  await store.ensureDay(day(1), signal);
  const unfinished = runCache.list().filter((run) => !isFinished(run));
  const dropped = await store.dropDaysBefore(day(-retentionDays), [...new Set(unfinished.map(runDay))], signal);
  if (dropped.length > 0) logger.info({ days: dropped, retentionDays }, 'results past their time dropped');
}
