// What is asked of Kubernetes' CronJob controller and of Trawler alike, minute by minute, and what both answer.
//
//   minute 1, 2   both controllers run; what `after` says is done half a minute into the minute
//   minute 3, 4   both are away, from 40 s into minute 2 to 30 s into minute 4
//   minute 5      both run
import type { CommonSpec, Ending, Side } from './side.ts';

/** Where the two are meant to differ; each has its reason in docs/schedules.md, by the same name. */
export const DIFFERENCES = [
  ...['late-start', 'resume', 'edit', 'catch-up', 'by-hand', 'lost-status', 'replace', 'seconds'],
  ...['refused-names', 'refused-schedules'],
] as const;
export type Difference = (typeof DIFFERENCES)[number];

/** The start of the n-th minute. */
export type Minute = (n: number) => Date;

/** A step that is taken on both sides. */
type Step = (side: Side, name: string, minute: Minute) => Promise<unknown>;

/** The minutes that a job or run is started for, or that the schedule is refused. */
export type Fires = readonly number[] | 'refused';

export type Case = {
  readonly name: string;
  readonly spec: (minute: Minute) => CommonSpec;
  /** What only a CrawlSchedule has. */
  readonly trawler?: (minute: Minute) => object;
  readonly ends?: Ending;
  /** Before the first minute, after the fires of a minute, or while both controllers are away. */
  readonly steps?: { readonly before?: Step; readonly after1?: Step; readonly after2?: Step; readonly away?: Step };
  /** It is created by its step `away`. */
  readonly isCreatedLate?: true;
  readonly fires: Fires | { readonly cronJob: Fires; readonly trawler: Fires; readonly because: Difference };
  /** Jobs or runs that are there in the end. */
  readonly left?: number | { readonly cronJob: number; readonly trawler: number; readonly because: Difference };
};

const every: CommonSpec = { schedule: '* * * * *', concurrencyPolicy: 'Allow', timeZone: 'Etc/UTC' };
const minutely =
  (more: Partial<CommonSpec> = {}) =>
  () => ({ ...every, ...more });
/** Half a year away, so never in these minutes. */
const seldom = (minute: Minute) => `0 0 15 ${((minute(1).getUTCMonth() + 6) % 12) + 1} *`;
const edit =
  (spec: Partial<CommonSpec>): Step =>
  (side, name) =>
    side.edit(name, spec);
const fromTheClock =
  (schedule: (minute: Minute) => string, more: Partial<CommonSpec> = {}) =>
  (minute: Minute) => ({
    ...every,
    ...more,
    schedule: schedule(minute),
  });
/** The reading of the clock in a zone at an instant, as a cron expression of one day. */
function readingIn(timeZone: string, instant: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, hourCycle: 'h23', hour: 'numeric', minute: 'numeric' })
    .formatToParts(instant)
    .filter(({ type }) => type === 'hour' || type === 'minute')
    .map(({ value }) => Number(value));
  return `${parts[1]} ${parts[0]} * * *`;
}
const utcMinute = (minute: Minute, n: number) => minute(n).getUTCMinutes();

/** Minutes 3 and 4 are missed; of those, minute 4 is made up for. */
const ALL = [1, 2, 4, 5];

export const cases: readonly Case[] = [
  // Concurrency
  { name: 'allow', spec: minutely(), fires: ALL },
  { name: 'forbid-unended', spec: minutely({ concurrencyPolicy: 'Forbid' }), fires: [1] },
  { name: 'forbid-ended', spec: minutely({ concurrencyPolicy: 'Forbid' }), ends: 'completes', fires: ALL },
  {
    name: 'forbid-ended-late',
    spec: minutely({ concurrencyPolicy: 'Forbid' }),
    steps: { after2: (side, name) => side.endChildren(name) },
    fires: { cronJob: [1, 2], trawler: [1, 4], because: 'late-start' },
  },
  {
    name: 'forbid-ended-late-deadline',
    spec: minutely({ concurrencyPolicy: 'Forbid', startingDeadlineSeconds: 20 }),
    steps: { after2: (side, name) => side.endChildren(name) },
    fires: [1, 5],
  },
  {
    name: 'forbid-deleted-by-hand',
    spec: minutely({ concurrencyPolicy: 'Forbid' }),
    steps: { after1: (side, name) => side.deleteChildren(name) },
    fires: [1, 2],
  },
  {
    name: 'forbid-edited-to-allow',
    spec: minutely({ concurrencyPolicy: 'Forbid' }),
    steps: { after2: edit({ concurrencyPolicy: 'Allow' }) },
    fires: { cronJob: [1, 2, 4, 5], trawler: [1, 4, 5], because: 'late-start' },
  },
  {
    name: 'allow-edited-to-forbid',
    spec: minutely(),
    steps: { after1: edit({ concurrencyPolicy: 'Forbid' }) },
    fires: [1],
  },
  {
    name: 'replace',
    spec: minutely({ concurrencyPolicy: 'Replace' }),
    fires: ALL,
    left: { cronJob: 1, trawler: 4, because: 'replace' },
  },
  { name: 'replace-ended', spec: minutely({ concurrencyPolicy: 'Replace' }), ends: 'completes', fires: ALL, left: 3 },
  {
    name: 'allow-edited-to-replace',
    spec: minutely(),
    steps: { after2: edit({ concurrencyPolicy: 'Replace' }) },
    fires: ALL,
  },
  {
    name: 'forbid-beside-one-by-hand',
    spec: minutely({ concurrencyPolicy: 'Forbid' }),
    steps: { before: (side, name) => side.startByHand(name) },
    fires: { cronJob: [1], trawler: [], because: 'by-hand' },
  },
  {
    name: 'allow-beside-one-by-hand',
    spec: minutely(),
    steps: { before: (side, name) => side.startByHand(name) },
    fires: ALL,
    left: 5,
  },

  // Suspend and resume
  { name: 'suspended', spec: minutely({ suspend: true }), fires: [] },
  { name: 'suspended-later', spec: minutely(), steps: { after1: edit({ suspend: true }) }, fires: [1] },
  {
    name: 'suspended-and-resumed',
    spec: minutely(),
    steps: { after1: edit({ suspend: true }), after2: edit({ suspend: false }) },
    fires: { cronJob: [1, 2, 4, 5], trawler: [1, 4, 5], because: 'resume' },
  },
  {
    name: 'suspended-and-resumed-deadline',
    spec: minutely({ startingDeadlineSeconds: 20 }),
    steps: { after1: edit({ suspend: true }), after2: edit({ suspend: false }) },
    fires: [1, 5],
  },
  {
    name: 'created-suspended-and-resumed',
    spec: minutely({ suspend: true }),
    steps: { after1: edit({ suspend: false }) },
    fires: { cronJob: [1, 2, 4, 5], trawler: [2, 4, 5], because: 'resume' },
  },
  {
    name: 'resumed-while-away',
    spec: minutely(),
    steps: { after1: edit({ suspend: true }), away: edit({ suspend: false }) },
    fires: { cronJob: [1, 4, 5], trawler: [1, 5], because: 'resume' },
  },
  { name: 'suspended-while-away', spec: minutely(), steps: { away: edit({ suspend: true }) }, fires: [1, 2] },

  // Outage and starting deadline
  { name: 'deadline-short', spec: minutely({ startingDeadlineSeconds: 20 }), fires: [1, 2, 5] },
  { name: 'deadline-long', spec: minutely({ startingDeadlineSeconds: 600 }), fires: ALL },
  { name: 'missed', spec: fromTheClock((minute) => `${utcMinute(minute, 3)} * * * *`), fires: [3] },
  {
    name: 'missed-deadline',
    spec: fromTheClock((minute) => `${utcMinute(minute, 3)} * * * *`, { startingDeadlineSeconds: 60 }),
    fires: [],
  },
  {
    name: 'missed-deadline-long',
    spec: fromTheClock((minute) => `${utcMinute(minute, 3)} * * * *`, { startingDeadlineSeconds: 600 }),
    fires: [3],
  },
  {
    name: 'missed-not-caught-up',
    spec: fromTheClock((minute) => `${utcMinute(minute, 3)} * * * *`),
    trawler: () => ({ catchUp: { policy: 'None' } }),
    fires: { cronJob: [3], trawler: [], because: 'catch-up' },
  },
  {
    name: 'all-caught-up',
    spec: minutely(),
    trawler: () => ({ catchUp: { policy: 'All' } }),
    fires: { cronJob: [1, 2, 4, 5], trawler: [1, 2, 3, 4, 5], because: 'catch-up' },
  },
  { name: 'forbid-missed', spec: minutely({ concurrencyPolicy: 'Forbid' }), ends: 'fails', fires: ALL },
  {
    name: 'created-while-away',
    spec: minutely(),
    isCreatedLate: true,
    steps: { away: (side, name) => side.create(name, every, {}) },
    fires: [4, 5],
  },

  // Edits
  {
    name: 'edited-to-often',
    spec: fromTheClock(seldom),
    steps: { after1: edit({ schedule: every.schedule }) },
    fires: [2, 4, 5],
  },
  {
    name: 'edited-to-often-and-once-more',
    spec: fromTheClock(seldom),
    steps: {
      after1: async (side, name) => {
        await side.edit(name, { schedule: every.schedule });
        await side.edit(name, { history: { succeeded: 2, failed: 2 } });
      },
    },
    fires: { cronJob: [1, 2, 4, 5], trawler: [2, 4, 5], because: 'edit' },
  },
  {
    name: 'edited-to-often-deadline',
    spec: fromTheClock(seldom, { startingDeadlineSeconds: 20 }),
    steps: { after1: edit({ schedule: every.schedule }) },
    fires: [2, 5],
  },
  {
    name: 'edited-to-often-while-away',
    spec: fromTheClock(seldom),
    steps: { away: edit({ schedule: every.schedule }) },
    fires: { cronJob: [4, 5], trawler: [5], because: 'edit' },
  },
  {
    name: 'edited-to-seldom',
    spec: minutely(),
    steps: { after1: (side, name, minute) => side.edit(name, { schedule: seldom(minute) }) },
    fires: [1],
  },
  {
    name: 'edited-zone',
    spec: fromTheClock((minute) => readingIn('Etc/UTC', minute(2)), { timeZone: 'Asia/Kolkata' }),
    steps: { after1: edit({ timeZone: 'Etc/UTC' }) },
    fires: [2],
  },
  {
    name: 'edited-away-from-zone',
    spec: fromTheClock((minute) => readingIn('Etc/UTC', minute(2))),
    steps: { after1: edit({ timeZone: 'Asia/Kolkata' }) },
    fires: [],
  },

  // Expressions
  {
    name: 'zone-45-minutes',
    spec: fromTheClock((minute) => readingIn('Asia/Kathmandu', minute(2)), { timeZone: 'Asia/Kathmandu' }),
    fires: [2],
  },
  {
    name: 'list',
    spec: fromTheClock((minute) => `${utcMinute(minute, 1)},${utcMinute(minute, 4)} * * * *`),
    fires: [1, 4],
  },
  {
    name: 'range-with-step',
    spec: fromTheClock((minute) => `${utcMinute(minute, 1) % 3}-59/3 * * * *`),
    fires: [1, 4],
  },
  { name: 'number-with-step', spec: minutely({ schedule: '0/1 * * * *' }), fires: ALL },
  { name: 'question-marks', spec: minutely({ schedule: '* * ? * ?' }), fires: ALL },
  { name: 'names-of-days', spec: minutely({ schedule: '* * * jan-DEC SUN-Sat' }), fires: ALL },
  {
    name: 'day-of-month-or-of-week',
    spec: fromTheClock((minute) => {
      const otherDay = ((minute(1).getUTCDate() + 10) % 28) + 1;
      return `* * ${otherDay} * ${minute(1).getUTCDay()},${minute(5).getUTCDay()}`;
    }),
    fires: ALL,
  },
  { name: 'macro', spec: minutely({ schedule: '@yearly' }), fires: [] },
  {
    name: 'seconds',
    spec: fromTheClock((minute) => `15 ${utcMinute(minute, 1)} * * * *`),
    fires: { cronJob: 'refused', trawler: [1.25], because: 'seconds' },
  },
  {
    name: 'unknown-zone',
    spec: minutely({ timeZone: 'Mars/Base' }),
    fires: { cronJob: 'refused', trawler: [], because: 'refused-schedules' },
  },
  {
    name: 'no-cron',
    spec: minutely({ schedule: '61 * * * *' }),
    fires: { cronJob: 'refused', trawler: [], because: 'refused-schedules' },
  },

  // Deletion and history
  {
    name: 'deleted',
    spec: minutely(),
    steps: { after1: (side, name) => side.delete(name, 'Background') },
    fires: [1],
    left: 0,
  },
  {
    name: 'deleted-without-children',
    spec: minutely(),
    steps: { after1: (side, name) => side.delete(name, 'Orphan') },
    fires: [1],
    left: 1,
  },
  {
    name: 'deleted-while-away',
    spec: minutely(),
    steps: { away: (side, name) => side.delete(name, 'Background') },
    fires: [1, 2],
    left: 0,
  },
  {
    name: 'deleted-and-created',
    spec: minutely(),
    steps: {
      after1: async (side, name) => {
        await side.delete(name, 'Background');
        await side.create(name, every, {});
      },
    },
    fires: ALL,
    left: 3,
  },
  {
    name: 'child-deleted-by-hand',
    spec: minutely(),
    steps: { after1: (side, name) => side.deleteChildren(name) },
    fires: ALL,
    left: 3,
  },
  { name: 'history-default', spec: minutely(), ends: 'completes', fires: ALL, left: 3 },
  {
    name: 'history-1',
    spec: minutely({ history: { succeeded: 1, failed: 1 } }),
    ends: 'completes',
    fires: ALL,
    left: 1,
  },
  {
    name: 'history-0',
    spec: minutely({ history: { succeeded: 0, failed: 0 } }),
    ends: 'completes',
    fires: ALL,
    left: 0,
  },
  {
    name: 'history-failed',
    spec: minutely({ history: { succeeded: 3, failed: 1 } }),
    ends: 'fails',
    fires: ALL,
    left: 1,
  },

  // Names and memory
  { name: 'n'.repeat(52), spec: minutely(), fires: ALL },
  { name: 'n'.repeat(53), spec: minutely(), fires: 'refused' },
  {
    name: 'with.dots',
    spec: minutely(),
    fires: { cronJob: ALL, trawler: 'refused', because: 'refused-names' },
  },
  {
    name: 'name-taken',
    spec: minutely(),
    steps: { before: (side, name, minute) => side.takeName(name, minute(1)) },
    fires: [2, 4, 5],
  },
  { name: 'status-wiped', spec: minutely(), steps: { after1: (side, name) => side.wipeStatus(name) }, fires: ALL },
  {
    name: 'status-wiped-and-child-deleted',
    spec: minutely(),
    steps: {
      after1: async (side, name) => {
        await side.deleteChildren(name);
        await side.wipeStatus(name);
      },
    },
    fires: { cronJob: [1, 1, 2, 4, 5], trawler: ALL, because: 'lost-status' },
  },
];
