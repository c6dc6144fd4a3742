// The API group's name and the labels and annotations that Trawler puts on what it creates.

export const GROUP = 'trawler.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

export const LABEL = {
  /** Name of the CrawlSchedule that a run came from. */
  schedule: `${GROUP}/schedule`,
  scheduleUid: `${GROUP}/schedule-uid`,
  /** Name of the CrawlRun that a Job, Secret or pod works for. */
  run: `${GROUP}/run`,
  runUid: `${GROUP}/run-uid`,
  /** On a Job: the generation of its run that it was last fitted to. */
  runGeneration: `${GROUP}/run-generation`,
  /** On a Job: the operator suspended it for a run that is paused, and resumes it. */
  paused: `${GROUP}/paused`,
  /** On a CrawlRun: the request that made it together with others, see POST /api/v1/crawl-now. */
  batch: `${GROUP}/batch`,
  /** On a CrawlRun that retries another: the request with an Idempotency-Key that made it. */
  request: `${GROUP}/request`,
  /** Name and UID of the CrawlBackfill that a run was made for. */
  backfill: `${GROUP}/backfill`,
  backfillUid: `${GROUP}/backfill-uid`,
  /** On a CrawlRun: it has the image that spec.canary of its schedule tries out. */
  canary: `${GROUP}/canary`,
} as const;

export const ANNOTATION = {
  /** On a CrawlSchedule: each new value makes a run at once. */
  runRequested: `${GROUP}/run-requested`,
  /** On a CrawlSchedule: each new value ends a suspension for failures, and their count begins anew. */
  resumeRequested: `${GROUP}/resume-requested`,
  /** On a CrawlRun that is paused: who did it, and why. For people. */
  pausedBy: `${GROUP}/paused-by`,
  pauseNote: `${GROUP}/pause-note`,
  /** On a CrawlSchedule that is suspended: who did it. For people; why stands in its spec. */
  suspendedBy: `${GROUP}/suspended-by`,
} as const;

/** Version of the resolved spec that the operator stores and a worker must know. Raised when its meaning changes. */
export const SPEC_VERSION = 1;
