// CrawlBackfill: runs for past times of a schedule. The schemas here are the single source of its types, CRD and reference.
import { z } from 'zod';
import { conditions } from './conditions.ts';
import { RUN_PHASES } from './crawl-run.ts';
import { type ValidationRule, withRules } from './validation.ts';

/** A typing error in a range must not make thousands. */
export const MAX_BACKFILL_RUNS = 500;

const instant = () => z.iso.datetime({ offset: true });
const planHash = () =>
  z
    .string()
    .min(12)
    .max(12)
    .regex(/^[0-9a-f]{12}$/);

const fixed = (name: string): ValidationRule => ({
  rule: `self.${name} == oldSelf.${name}`,
  message: `${name} cannot be changed: create a new CrawlBackfill instead`,
  reason: 'FieldValueForbidden',
  fieldPath: `.${name}`,
});

export const crawlBackfillSpec = withRules(
  z
    .object({
      scheduleName: z.string().min(1).max(52).describe('Name of a CrawlSchedule in the same namespace.'),
      from: instant().describe('Its times after this get a run, such as 2026-01-31T00:00:00Z.'),
      to: instant().describe('Its times up to this; it must not lie ahead.'),
      reprocess: z
        .enum(['None', 'Failed', 'All'])
        .default('None')
        .describe(
          'Times that have had a run before: None leaves them out, Failed crawls those again whose runs all ended without results, All crawls every time again. A time whose run has not ended is left out always.',
        ),
      maxActive: z
        .int()
        .min(1)
        .max(100)
        .default(1)
        .describe('Most of its runs that are unfinished at once, whatever concurrencyPolicy of the schedule says.'),
      approvedPlan: planHash()
        .optional()
        .describe(
          'The hash in status.plan that runs may be made for; until it is given nothing is made. Where the plan has become another one by then, it is refused and the new one shown.',
        ),
      suspend: z.boolean().default(false).describe('Makes no more runs while true; those that are there go on.'),
      cancel: z
        .boolean()
        .default(false)
        .describe('Makes no more runs for good and stops those that are there; it cannot be taken back.'),
    })
    .describe('Which times of which schedule, and how.'),
  [
    ...['scheduleName', 'from', 'to', 'reprocess'].map(fixed),
    {
      rule: 'self.from < self.to',
      message: 'from must be before to',
      reason: 'FieldValueInvalid',
      fieldPath: '.from',
    },
    {
      rule: '!oldSelf.cancel || self.cancel',
      message: 'cancel cannot be taken back: create a new CrawlBackfill instead',
      reason: 'FieldValueForbidden',
      fieldPath: '.cancel',
    },
  ],
);

export type CrawlBackfillSpec = z.output<typeof crawlBackfillSpec>;
export type CrawlBackfillSpecInput = z.input<typeof crawlBackfillSpec>;

export const BACKFILL_PHASES = [
  'Pending',
  'Planned',
  'Running',
  'Paused',
  'Cancelling',
  'Succeeded',
  'Failed',
  'Cancelled',
] as const;
export type BackfillPhase = (typeof BACKFILL_PHASES)[number];

const count = (text: string) => z.int().min(0).describe(text);

export const crawlBackfillStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('The generation of the spec that this was derived from.'),
  phase: z
    .enum(BACKFILL_PHASES)
    .optional()
    .describe('Pending: it has no plan yet. Planned: nothing is made until the plan is approved.'),
  conditions: conditions.optional(),
  plan: z
    .object({
      hash: planHash().describe('What spec.approvedPlan has to say.'),
      scheduleUid: z.string().max(64).describe('The schedule that it was made of.'),
      template: planHash().describe('Hash of the runTemplate that it was made of.'),
      skipped: count('Times in the range that get no run, by spec.reprocess.'),
    })
    .optional()
    .describe('What it would make, or makes.'),
  approvedPlan: planHash().optional().describe('The plan whose runs are made; it is fixed from then on.'),
  runs: z
    .array(
      z.object({
        name: z.string().max(253),
        time: z.iso.datetime().describe('The time of the schedule that it is for.'),
        phase: z
          .enum(['Waiting', ...RUN_PHASES])
          .describe('Waiting: it is not made yet. Stopped is also what is not made any more.'),
      }),
    )
    .max(MAX_BACKFILL_RUNS)
    .optional()
    .describe('The very runs of the plan, the oldest time first.'),
  progress: z
    .object({
      total: count('Runs of the plan.'),
      waiting: count('Runs that are not made yet.'),
      active: count('Runs that are unfinished.'),
      succeeded: count('Runs that gave results.'),
      failed: count('Runs that ended without.'),
      stopped: count('Runs that were stopped, or are not made any more.'),
    })
    .optional(),
  startTime: z.iso.datetime().optional().describe('When the plan was approved.'),
  completionTime: z.iso.datetime().optional().describe('When it came to its end.'),
});
export type CrawlBackfillStatus = z.input<typeof crawlBackfillStatus>;
