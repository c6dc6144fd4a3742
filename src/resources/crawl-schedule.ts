// CrawlSchedule: what to crawl and when. The schemas here are the single source of its types, CRD and reference.
import { z } from 'zod';
import { boundedDuration } from './bounded-duration.ts';
import { conditions } from './conditions.ts';
import { crawlSpecRules, crawlSpecShape, RUN_PHASES } from './crawl-run.ts';
import { notifications } from './notifications.ts';
import { annotations, labels } from './pod-template.ts';
import { withRules } from './validation.ts';

export const CONCURRENCY_POLICIES = ['Allow', 'Forbid', 'Replace', 'Queue'] as const;

const runTemplate = z.object({
  metadata: z
    .object({
      labels: labels(50).default({}).describe('Labels of each run.'),
      annotations: annotations(30).default({}).describe('Annotations of each run.'),
    })
    .prefault({})
    .describe('Labels and annotations of each run.'),
  spec: withRules(z.object(crawlSpecShape).describe('What each run crawls and how.'), crawlSpecRules),
});

/** As often as an expression can say, and as seldom as once in ten years. */
const interval = () => boundedDuration('1s', '87600h');

const adaptive = z
  .object({
    min: interval().default('1h').describe('The interval is never shorter.'),
    max: interval().default('2h').describe('The interval is never longer.'),
  })
  .describe('Makes the interval shorter while runs find changed content, and longer while they do not.');

const catchUp = z
  .object({
    policy: z
      .enum(['Latest', 'All', 'None'])
      .default('Latest')
      .describe('Which missed times are made up for after an outage: the latest, all, or none.'),
    maxRuns: z.int().min(1).max(100).default(10).describe('With All: at most the newest so many, oldest first.'),
  })
  .describe('What happens to times that were missed.');

const canary = z
  .object({
    image: z.string().min(1).max(512).describe('Crawler image that is tried out.'),
    percent: z.int().min(1).max(100).default(10).describe('Share of the runs of the timetable that get it.'),
  })
  .describe(
    'Another crawler image for a part of the runs, in place of runTemplate.spec.image: which ones is drawn from their names. status.canary compares it with the image of the other runs.',
  );

export const crawlScheduleSpec = withRules(
  z
    .object({
      schedule: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .describe(
          "When to run: five cron fields (minute, hour, day of month, month, day of week), six with the second first, or a macro such as @daily. H draws a value that is this schedule's own.",
        ),
      after: z
        .object({
          schedule: z.string().min(1).max(52).describe('Name of a CrawlSchedule in the same namespace.'),
        })
        .optional()
        .describe('Run when a run of another schedule has given results; in place of schedule.'),
      interval: interval()
        .optional()
        .describe('Run again after this long, counted from one nominal time to the next; in place of schedule.'),
      adaptive: adaptive.optional(),
      timeZone: z
        .string()
        .min(1)
        .max(64)
        .default('Etc/UTC')
        .describe('IANA time zone in which the schedule is read, such as Europe/Paris.'),
      suspend: z
        .boolean()
        .default(false)
        .describe('Makes no new runs while true; runs that are there go on, and nothing is made up for afterwards.'),
      suspendUntil: z.iso
        .datetime({ offset: true })
        .optional()
        .describe(
          'With suspend: the schedule goes on by itself at this time, such as 2026-03-01T06:00:00Z. The times before it are not made up for.',
        ),
      suspendNote: z
        .string()
        .min(1)
        .max(512)
        .optional()
        .describe('With suspend: why, for people; shown in the status.'),
      concurrencyPolicy: z
        .enum(CONCURRENCY_POLICIES)
        .default('Forbid')
        .describe(
          'When the last run still goes on: Allow runs both, Forbid skips the new one, Replace stops the old one, Queue lets the new one wait.',
        ),
      maxQueuedRuns: z
        .int()
        .min(1)
        .max(100)
        .default(10)
        .describe('With Queue: how many runs may wait; a time that comes when they are that many is skipped.'),
      startingDeadlineSeconds: z
        .int()
        .min(1)
        .max(31_536_000)
        .optional()
        .describe('A missed time older than this is not made up for; no limit when left out.'),
      catchUp: catchUp.prefault({}),
      jitterSeconds: z
        .int()
        .min(0)
        .max(86_400)
        .default(0)
        .describe('Starts each run up to this much later than its nominal time, always the same for one schedule.'),
      successfulRunsHistoryLimit: z
        .int()
        .min(0)
        .max(1_000)
        .default(3)
        .describe('Finished runs to keep that gave results.'),
      failedRunsHistoryLimit: z.int().min(0).max(1_000).default(3).describe('Finished runs to keep that failed.'),
      suspendAfterFailures: z
        .int()
        .min(1)
        .max(100)
        .optional()
        .describe(
          'Makes no new runs after so many that the timetable made have failed in a row, until the spec is edited, any run succeeds or the annotation trawler.dev/resume-requested has a new value.',
        ),
      successDeadline: boundedDuration('1m', '87600h')
        .optional()
        .describe('Condition Late is True when no run has succeeded for longer than this.'),
      notifications,
      canary: canary.optional(),
      runTemplate: runTemplate.describe('The run that is made at each due time.'),
    })
    .describe('What to crawl and when.'),
  [
    {
      rule: '[has(self.schedule), has(self.interval), has(self.after)].filter(given, given).size() == 1',
      message: 'give exactly one of schedule, interval and after',
      reason: 'FieldValueInvalid',
    },
    {
      rule: '!has(self.canary) || !has(self.runTemplate.spec.image) || self.canary.image != self.runTemplate.spec.image',
      message: 'the image of the canary is the one that all runs have',
      reason: 'FieldValueInvalid',
      fieldPath: '.canary.image',
    },
    {
      rule: 'has(self.adaptive) ? has(self.interval) : true',
      message: 'only an interval can adapt',
      reason: 'FieldValueInvalid',
      fieldPath: '.adaptive',
    },
    {
      rule: '!has(self.adaptive) || !has(self.interval) || (duration(self.adaptive.min) <= duration(self.interval) && duration(self.interval) <= duration(self.adaptive.max))',
      message: 'interval must lie between adaptive.min and adaptive.max',
      reason: 'FieldValueInvalid',
      fieldPath: '.interval',
    },
    {
      rule: "self.catchUp.policy != 'All' || self.concurrencyPolicy in ['Allow', 'Queue']",
      message: 'All starts several runs at once: set concurrencyPolicy to Allow or Queue',
      reason: 'FieldValueInvalid',
      fieldPath: '.catchUp.policy',
    },
  ],
);

export type CrawlScheduleSpec = z.output<typeof crawlScheduleSpec>;
export type CrawlScheduleSpecInput = z.input<typeof crawlScheduleSpec>;

const time = (text: string) => z.iso.datetime().optional().describe(text);

export const CANARY_VERDICTS = ['Undecided', 'Healthy', 'Worse'] as const;

const imageFigures = (text: string) =>
  z
    .object({
      runs: z.int().min(0).describe('Runs that have ended, without those that were stopped.'),
      failedRuns: z.int().min(0).describe('Those that failed or timed out.'),
      errorRate: z.string().max(8).optional().describe('Share of the pages that failed, such as 1.25%.'),
      durationSeconds: z.int().min(0).optional().describe('Median duration.'),
      items: z.int().min(0).optional().describe('Median of the items.'),
    })
    .describe(text);

export const crawlScheduleStatus = z.object({
  observedGeneration: z
    .int()
    .min(0)
    .optional()
    .describe('The generation of the spec that this status was derived from.'),
  conditions: conditions.optional(),
  timing: z
    .object({
      schedule: z
        .string()
        .max(256)
        .describe('The cron expression, the interval, or the schedule that this one comes after.'),
      timeZone: z.string().max(64),
      suspend: z.boolean(),
      since: z.iso.datetime().describe('Times before this are never made up for.'),
    })
    .optional()
    .describe('When-to-run as it is in force, and since when: an edit or a resume makes no runs for the past.'),
  currentInterval: z.string().max(32).optional().describe('The interval in force, where it adapts.'),
  adaptation: z
    .object({
      run: z.string().max(253).describe('The run that it was last adapted to.'),
      reason: z.string().max(256).describe('Why it is as it is.'),
    })
    .optional()
    .describe('How the interval came about.'),
  active: z.array(z.string().max(253)).max(100).optional().describe('Runs of this schedule that have not finished.'),
  activeCount: z.int().min(0).optional().describe('How many they are.'),
  lastScheduleTime: time('The nominal time of the newest run.'),
  lastSkippedTime: time('The newest due time that no run was made for, with the reason in an Event.'),
  lastSuccessfulTime: time('When one of its own runs last succeeded; those of backfills do not count.'),
  lastFailureTime: time('When one of its own runs last failed.'),
  nextScheduleTime: time('When the next run starts; absent while suspended or invalid.'),
  nextScheduleTimes: z.array(z.iso.datetime()).max(5).optional().describe('The next five.'),
  lastHandledRunRequest: z
    .string()
    .max(256)
    .optional()
    .describe('The value of the annotation trawler.dev/run-requested that a run was last made for.'),
  failures: z
    .object({
      since: z.iso.datetime().describe('Runs that were made before this are not counted.'),
      runs: z
        .array(z.object({ name: z.string().max(253), completionTime: z.iso.datetime() }))
        .max(100)
        .describe('Runs of the timetable that have failed since the last success, the oldest first.'),
      suspended: z
        .object({
          since: z.iso.datetime(),
          generation: z.int().min(0).describe('The generation of the spec that is suspended: an edit resumes it.'),
        })
        .optional()
        .describe('They were too many: no new runs are made.'),
      resumedAt: z.iso.datetime().optional().describe('When a suspension ended: times before are never made up for.'),
    })
    .optional()
    .describe('With spec.suspendAfterFailures: failures in a row.'),
  lastHandledResumeRequest: z
    .string()
    .max(256)
    .optional()
    .describe('The value of the annotation trawler.dev/resume-requested that was last done.'),
  canary: z
    .object({
      image: z.string().max(512),
      since: z.iso.datetime().describe('Runs for times from then on are compared.'),
      verdict: z.enum(CANARY_VERDICTS).describe('Undecided until both images have had enough runs.'),
      message: z.string().max(1024).describe('Why, in a sentence.'),
      canary: imageFigures('Runs with the image that is tried out.'),
      current: imageFigures('The other runs of the same time.'),
    })
    .optional()
    .describe('With spec.canary: how the image that is tried out fares against the other.'),
  lastRun: z
    .object({
      name: z.string().max(253).describe('Name of the run.'),
      creationTimestamp: time('When it was made.'),
      phase: z.enum(RUN_PHASES).optional().describe('How it stands or ended.'),
      items: z.int().min(0).optional().describe('Items that it stored.'),
    })
    .optional()
    .describe(
      'The newest of its own runs: of a slot, by hand or a retry; those of a backfill stand in the CrawlBackfill.',
    ),
});
export type CrawlScheduleStatus = z.input<typeof crawlScheduleStatus>;
