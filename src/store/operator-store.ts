// What the operator may ask of Postgres: accept, watch, stop and end runs, and look after schema, rights and leases.

import type {
  FailureCause,
  Heartbeat,
  ItemData,
  ItemsLeftOut,
  PartMissing,
  SkipReason,
  SpiderTrap,
} from '../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { ComparisonStore } from './comparison-store.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { ExecutionStore } from './execution-store.ts';
import type { LogStore } from './log-store.ts';
import type { NotificationStore } from './notification-store.ts';
import type { RunOutcome } from './run-outcome.ts';
import type { TableReview } from './table-sizes.ts';

export type { RunOutcome };

/** A run as the operator hands it over. Sources, limits and politeness are taken from the resolved spec. */
export type AcceptedRun = {
  /** `metadata.uid` of the CrawlRun. */
  readonly runId: string;
  /** UTC date of its creationTimestamp, YYYY-MM-DD; the partition of everything that the run writes. */
  readonly runDay: string;
  readonly namespace: string;
  readonly name: string;
  readonly scheduleUid?: string;
  /** Crawler image that its pods get. */
  readonly image?: string;
  readonly specVersion: number;
  /** `metadata.generation` that the spec is of. */
  readonly specGeneration?: number;
  readonly spec: CrawlRunSpec;
  /** SHA-256 of the run's secret token, see `hashToken`. */
  readonly tokenHash: Buffer;
  /** UID of the run whose dead letters are this one's seeds; the start URLs are when absent. */
  readonly deadLettersOf?: string;
  /** Of those dead letters the ones of these causes alone. */
  readonly causes?: readonly FailureCause[];
};

/** A spec that was edited while its run lives. */
export type ChangedRun = Pick<AcceptedRun, 'runId' | 'spec'> & { readonly specGeneration: number };

/**
 * `Created` by this call, `Existing` from an earlier one. `Finished` when the run is over: nothing was changed, or it is a
 * retry that has nothing to do and has ended here.
 */
export type Acceptance = 'Created' | 'Existing' | 'Finished';

/** Row E1 of what is promised: `total = queued + leased + succeeded + failed + skipped`. */
export type Progress = {
  readonly total: number;
  readonly queued: number;
  readonly leased: number;
  readonly succeeded: number;
  /** Dead letters: requests that used up their retries. */
  readonly failed: number;
  readonly skipped: number;
  readonly items: number;
};

/** A source's part of the run; `result` appears when the run has ended. */
export type SourceSnapshot = {
  readonly name: string;
  readonly active: boolean;
  readonly progress: Progress;
  readonly result?: SourceResult;
  /** For a failed or partial source: its most frequent failure and how often it came. */
  readonly message?: string;
  /** Where start URLs have moved to, the first 10 places. */
  readonly movedTo?: readonly string[];
};

/** `Inactive`: switched off in the spec. `Stopped`: the run ended before all of its requests did. */
export type SourceResult = 'Succeeded' | 'Partial' | 'Failed' | 'Stopped' | 'Inactive';

/** A worker as its last heartbeat showed it. */
export type WorkerSnapshot = {
  /** Pod UID. */
  readonly workerId: string;
  readonly podName: string;
  readonly nodeName: string;
  readonly state: Heartbeat['state'];
  readonly firstHeartbeatAt: Date;
  readonly lastHeartbeatAt: Date;
  readonly pagesInFlight: number;
  /** Pages that may be open at once now; 0 before the crawl. */
  readonly concurrency: number;
  readonly currentUrl?: string;
  readonly idleMs: number;
  readonly rssBytes: number;
  readonly errors: number;
  /** Its pod is known to be gone and its leases were returned. */
  readonly released: boolean;
  /** On what it hangs or has hung, in words, and when that was found out. */
  readonly stall?: string;
  readonly stalledAt?: Date;
};

/** A host that has refused pages of the run, or failed so often that it is asked by the proxy. */
export type BlockedHost = {
  readonly host: string;
  /** Tries that it refused. */
  readonly refusals: number;
  /** What showed it the first time, for people. */
  readonly evidence: string;
  /** How many times more slowly it is asked now; 1 when it gives pages again. */
  readonly slowdown: number;
  /** Whether the run asks it by its proxy now, since it failed on the direct way. */
  readonly viaProxy: boolean;
};

/** A host at which the run is behind its own pace, since other runs take turns there. */
export type SharedHost = {
  readonly host: string;
  /** Runs that ask it now, this one among them: 2 and more. */
  readonly runs: number;
};

/** The file of a run. `path` and the figures are there when it is; `error` when it could not be written. */
export type OutputSnapshot = {
  /** The crawl is over: the run ends when the file is settled. */
  readonly due: boolean;
  readonly settled: boolean;
  /** Within the volume. */
  readonly path?: string;
  readonly bytes?: number;
  readonly items?: number;
  readonly sha256?: string;
  readonly error?: string;
};

/** Everything that a CrawlRun's status mirrors, from one consistent snapshot. Times are by the database's clock. */
export type RunSnapshot = {
  readonly runId: string;
  readonly namespace: string;
  readonly name: string;
  /** `Accepted` before the first heartbeat, then `Running`, then `Finished` for good. */
  readonly state: 'Accepted' | 'Running' | 'Finished';
  readonly acceptedAt: Date;
  /** First heartbeat: the start of `timeoutSeconds`. */
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  readonly outcome?: RunOutcome;
  readonly stopReason?: string;
  readonly stopRequestedAt?: Date;
  /** It is stopped and waits for no page. */
  readonly terminates: boolean;
  /** `metadata.generation` of the spec that is in force; absent of runs that an earlier release accepted. */
  readonly specGeneration?: number;
  /** What it knows is still to be held against its edited spec; it does not end before. */
  readonly isUnderReview: boolean;
  /** Since when it is paused. */
  readonly pausedAt?: Date;
  /** For how long it was paused before. */
  readonly pausedMs: number;
  /** For people, when the run has ended: what happened. */
  readonly message?: string;
  /** Seeds are in the frontier: before that, a total of 0 means nothing. */
  readonly seeded: boolean;
  readonly progress: Progress;
  readonly sources: readonly SourceSnapshot[];
  readonly workers: readonly WorkerSnapshot[];
  /** In the order in which they were found, the first 20. */
  readonly blockedHosts: readonly BlockedHost[];
  /** Those of the last seconds, the first 20 by what the run has queued there. */
  readonly sharedHosts: readonly SharedHost[];
  /** In the order in which they were found, the first 20. */
  readonly spiderTraps: readonly SpiderTrap[];
  /** Exceptions apart from failed URLs, over all workers. */
  readonly errors: number;
  readonly lastSuccessAt?: Date;
  readonly skipReasons: Readonly<Partial<Record<SkipReason, number>>>;
  readonly itemsLeftOut: ItemsLeftOut;
  /** Items that have each of the fields of spec.expect. */
  readonly fieldCounts: Readonly<Partial<Record<string, number>>>;
  /** Pages that were stored without a part of what was wanted, by what they lack. */
  readonly partialPages: Readonly<Partial<Record<PartMissing, number>>>;
  readonly failureCauses: Readonly<Partial<Record<FailureCause, number>>>;
  /** Of runs with `spec.output`. */
  readonly output?: OutputSnapshot;
};

/** Pages of a run by what became of their items since the schedule's run before. */
export type ContentChange = {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
};

/** An item as the API shows it. */
export type StoredItem = {
  readonly itemId: string;
  readonly source: string;
  readonly url: string;
  readonly createdAt: Date;
  readonly data: ItemData;
};

/** A request that used up its retries. */
export type DeadLetter = {
  readonly requestId: string;
  readonly source: string;
  readonly url: string;
  readonly depth: number;
  readonly cause: FailureCause;
  readonly message: string;
  readonly diedAt: Date;
  /** Every failed attempt, oldest first. */
  readonly history: readonly { readonly cause: FailureCause; readonly message: string; readonly at: string }[];
};

/** What goes with days, beside the results themselves. */
export type OnDropped = (what: 'runs' | 'rememberedPages' | 'hosts' | 'learntOfHosts', count: number) => void;

/** A live run as the sweep for deleted CrawlRuns sees it. */
export type ActiveRun = { readonly runId: string; readonly namespace: string; readonly name: string };

/**
 * The operator's side of the store. Every call rejects with a `StoreError`; its reason `Unavailable` means that
 * Postgres is away and the same call may be made again. Calls are idempotent unless they say otherwise.
 */
export type OperatorStore = {
  /**
   * Brings schema, functions, rights and the gateway's login up to date. Several replicas may call it at once. Without
   * the right to create roles and without a URL of the gateway's own it rejects with `GatewayLoginMissing`, whose
   * message holds the SQL to run. The migrations that were missing; none in a database that was up to date.
   */
  migrate(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Makes what takes long and what functions can do without, after `migrate` and while workers crawl: minutes or hours on large
   * tables. The names of what was made; none at once where another operator is at it.
   */
  makeLongChanges(signal: AbortSignal): Promise<readonly string[]>;
  ping(signal: AbortSignal): Promise<void>;
  /** The database as the gateway reaches it, with the gateway's login. Only after `migrate`. */
  gatewayDatabaseUrl(signal: AbortSignal): Promise<string>;
  /** The same with the API server's login, which reads. Rejects with `SchemaMismatch` where no login could be made. */
  serverDatabaseUrl(signal: AbortSignal): Promise<string>;

  /**
   * Stores a run and makes room for its day. Order: first the Secret with the token, then this call, then the Job. A
   * second call with another token adds that token, so that a Secret that was lost and made again just works: pods
   * that hold the older one go on, and `revokeToken` ends both.
   */
  acceptRun(run: AcceptedRun, signal: AbortSignal): Promise<Acceptance>;
  /** Runs that are live or ended within the last hour, or exactly the given ones; a missing id is not stored. */
  snapshots(signal: AbortSignal, runIds?: readonly string[]): Promise<ReadonlyMap<string, RunSnapshot>>;
  /** One run, undefined when it is not stored. Calls at the same time share a query. */
  snapshot(runId: string, signal: AbortSignal): Promise<RunSnapshot | undefined>;
  /** Every run that is not finished. */
  activeRuns(signal: AbortSignal): Promise<readonly ActiveRun[]>;
  /** A text for each live run, which is another one after each of its steps and after each of its pages. */
  runMarks(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** The newest scheduled time of every schedule that ever had a run, by the schedule's UID. */
  newestScheduledTimes(signal: AbortSignal): Promise<ReadonlyMap<string, Date>>;

  /** Asks the workers to stop; the first reason stays. False when the run is unknown or finished. */
  requestStop(runId: string, reason: string, signal: AbortSignal): Promise<boolean>;
  /** As `requestStop` for spec.shutdown, and the workers give up the pages that they have open. */
  terminateRun(runId: string, signal: AbortSignal): Promise<void>;
  /**
   * Puts an edited spec in force, for claims from now on. What was changed, as `field: before -> after`; nothing when
   * the run is unknown or finished.
   */
  changeRun(run: ChangedRun, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Holds a part of what the run knows against its edited spec, after a change of patterns or depth: see `RunSnapshot.isUnderReview`.
   * False when nothing is left of that.
   */
  reviewQueue(runId: string, signal: AbortSignal): Promise<boolean>;
  /** Its time stands still from now on; false when it has ended, or stands still already. */
  pauseRun(runId: string, signal: AbortSignal): Promise<boolean>;
  resumeRun(runId: string, signal: AbortSignal): Promise<void>;
  /**
   * Ends the crawl of a run whose pods are gone and that has a file to be written (`spec.output`): a worker that is
   * started now writes it, and with that the run ends as it is said here. False when the run has no output or has
   * ended. A crawl that was over before keeps its own outcome.
   */
  closeCrawl(
    runId: string,
    outcome: 'Stopped' | 'TimedOut' | 'Failed',
    message: string,
    signal: AbortSignal,
  ): Promise<boolean>;
  /**
   * Ends a run whose pods are gone: leases are freed, the token is revoked, nothing can be written any more. False
   * when it had already ended by itself: its own outcome stays, only the token is revoked.
   */
  finishStopped(
    runId: string,
    outcome: 'Stopped' | 'TimedOut' | 'Failed',
    message: string,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Returns the leases of a worker whose pod is gone and refuses it new ones; the number of requests returned. */
  releaseWorker(runId: string, workerId: string, signal: AbortSignal): Promise<number>;
  /**
   * Takes a worker whose pod runs and that has given no heartbeat for `silentMs` as one that hangs: it gets no new leases, and its snapshot
   * has a `stall`. Undefined where that is not sure: its leases are not over, or no other worker is heard either.
   */
  stallWorker(runId: string, workerId: string, silentMs: number, signal: AbortSignal): Promise<number | undefined>;
  /** Returns the leases of workers that missed their heartbeats, in all runs; the number of requests returned. */
  reapExpired(signal: AbortSignal): Promise<number>;
  /** Cuts off whoever still holds a token of the run. To be called when its pods are gone. */
  revokeToken(runId: string, signal: AbortSignal): Promise<void>;

  /** What a finished run found, against the schedule's run before; undefined when there is none. */
  contentChange(runId: string, signal: AbortSignal): Promise<ContentChange | undefined>;
  /** Drops what is known of pages that the last three runs of the finished run's schedule did not see, a part a call. */
  forgetPages(runId: string, signal: AbortSignal): Promise<void>;
  /** The run's first items in the order they were stored. */
  firstItems(runId: string, limit: number, signal: AbortSignal): Promise<readonly StoredItem[]>;
  deadLetters(runId: string, limit: number, signal: AbortSignal): Promise<readonly DeadLetter[]>;
  /** Makes room for the runs of a day (YYYY-MM-DD), which `acceptRun` does too where it is missing. */
  ensureDay(day: string, signal: AbortSignal): Promise<void>;
  /**
   * Drops the days before `firstKept` with the runs in them, and what was learnt of hosts and not looked at since. Days that
   * hold a live run, and those in `kept`, stay. All days are UTC, YYYY-MM-DD; the result is those dropped. `onDropped` is told how
   * much of everything else went with them, part by part.
   */
  dropDaysBefore(
    firstKept: string,
    kept: readonly string[],
    signal: AbortSignal,
    onDropped?: OnDropped,
  ): Promise<readonly string[]>;
  /** Drops what was queued by runs that ended a day ago. */
  forgetLanes(signal: AbortSignal): Promise<void>;
  /** What stays of runs and of maintenance. */
  /** Sizes, connections, and statements that take long now. */
  reviewTables(signal: AbortSignal): Promise<TableReview>;
  readonly executions: ExecutionStore;
  /** What runs found, against the runs before them. */
  readonly comparisons: ComparisonStore;
  /** What workers have logged. */
  readonly logs: LogStore;
  /** Drops what was done through the API server before a day, YYYY-MM-DD (UTC); how many entries. */
  forgetAudit(firstKept: string, signal: AbortSignal): Promise<number>;
  /** What is to be sent to webhooks. */
  readonly notifications: NotificationStore;
  readonly deliveries: DeliveryStore;
  /** Connections that the server has, of whomever, and may have. */
  connections(signal: AbortSignal): Promise<{ readonly used: number; readonly most: number }>;
  close(): Promise<void>;
};
