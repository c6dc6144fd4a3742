// What stays of runs and of maintenance after their end, as the operator asks for it.
import type { ComparisonCounts } from './comparison-store.ts';
import type { RunOutcome } from './run-outcome.ts';

/** A number for each reason or cause. */
type Counts = Readonly<Record<string, number>>;

/** Frozen when the run ended. Requests that had not ended by then are `open`. */
export type Execution = {
  /** UID of the CrawlRun; of Maintenance made of its slot. */
  readonly executionId: string;
  readonly type: 'Crawl' | 'Maintenance';
  readonly namespace: string;
  readonly name: string;
  readonly scheduleName?: string;
  readonly trigger: string;
  readonly scheduledTime?: Date;
  readonly image?: string;
  readonly acceptedAt: Date;
  /** First heartbeat. */
  readonly startedAt?: Date;
  readonly finishedAt: Date;
  readonly outcome: RunOutcome;
  /** Who or what stopped it, in one word. */
  readonly reason?: string;
  readonly message?: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly open: number;
  readonly items: number;
  /** Of the bodies that its pages sent. */
  readonly bytes: number;
  /** The 50 most frequent. */
  readonly failedBy: Counts;
  readonly skippedBy: Counts;
  /** Pages by what became of their items; absent for a schedule's first run and without a schedule. */
  readonly changes?: Counts;
  /** Against the run before, once that is counted. */
  readonly compared?: ComparisonCounts;
  /** Of Maintenance: what it did. */
  readonly work?: Counts;
};

/** With what is long. */
export type ExecutionDetails = Execution & {
  /** The first 100. */
  readonly sources: readonly Readonly<Record<string, unknown>>[];
  /** The first 100 as long as they have 32 KiB together; `data` is null where it has more than 4 KiB. */
  readonly firstItems: readonly { readonly source: string; readonly url: string; readonly data: unknown }[];
};

export type ExecutionQuery = {
  readonly namespace: string;
  readonly type: Execution['type'];
  readonly scheduleName?: string;
  readonly limit: number;
};

export type SlotQuery = {
  readonly namespace: string;
  readonly scheduleUid: string;
  /** Both are in the range. */
  readonly from: Date;
  readonly to: Date;
};

/** How a run ended that was for a time of a schedule. */
export type SlotResult = Required<Pick<Execution, 'name' | 'scheduledTime' | 'outcome'>>;

export type ImageQuery = {
  readonly namespace: string;
  readonly scheduleUid: string;
  /** Runs for times from then on. */
  readonly since: Date;
  readonly image: string;
};

/** Runs of a timetable that have ended, without those that were stopped. */
export type ImageFigures = {
  readonly runs: number;
  /** Failed or timed out. */
  readonly failedRuns: number;
  readonly pages: number;
  readonly failedPages: number;
  /** Medians; absent without a run that has started. */
  readonly seconds?: number;
  readonly items?: number;
};

/** A run that ended before PostgreSQL knew it. */
export type UnacceptedRun = Pick<
  Execution,
  | 'namespace'
  | 'name'
  | 'scheduleName'
  | 'trigger'
  | 'scheduledTime'
  | 'image'
  | 'finishedAt'
  | 'outcome'
  | 'reason'
  | 'message'
> & { readonly runId: string; readonly scheduleUid?: string; readonly createdAt: Date };

export type MaintenanceRecord = {
  readonly namespace: string;
  readonly slot: Date;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly outcome: 'Succeeded' | 'Failed';
  readonly message?: string;
  readonly work: Counts;
};

/** Every call rejects with a StoreError. */
export type ExecutionStore = {
  /** The newest first. */
  list(query: ExecutionQuery, signal: AbortSignal): Promise<readonly Execution[]>;
  /** The newest of that name. */
  find(namespace: string, name: string, signal: AbortSignal): Promise<ExecutionDetails | undefined>;
  /** All that ended of the runs for times in the range, whoever made them, the oldest time first. */
  ofSlots(query: SlotQuery, signal: AbortSignal): Promise<readonly SlotResult[]>;
  /** The runs with an image, and those of the same time with any other. */
  compareImages(
    query: ImageQuery,
    signal: AbortSignal,
  ): Promise<{ readonly ofImage: ImageFigures; readonly ofOthers: ImageFigures }>;
  /** Nothing happens where the run has a summary. */
  recordUnaccepted(run: UnacceptedRun, signal: AbortSignal): Promise<void>;
  /** A slot has one: that of its last try. */
  recordMaintenance(record: MaintenanceRecord, signal: AbortSignal): Promise<void>;
  /** The newest slot whose maintenance has succeeded. */
  lastMaintenance(namespace: string, signal: AbortSignal): Promise<Date | undefined>;
  /** Drops what ended before a day, YYYY-MM-DD (UTC); how many. */
  forget(firstKept: string, signal: AbortSignal): Promise<number>;
};
