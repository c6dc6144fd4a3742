// `kubectl trawler backfill`: the runs of past times.
import { type Command, InvalidArgumentError } from 'commander';
import { backfillRun } from '../../custom-resources/new-runs.ts';
import { createRun } from '../../custom-resources/run-actions.ts';
import { CRAWL_RUNS, type CrawlRun, type CrawlSchedule } from '../../custom-resources/types.ts';
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';
import { parseCron } from '../../schedule/cron.ts';
import { slotsBetween } from '../../schedule/due.ts';
import { intervalTimetable, type Timetable } from '../../schedule/timetable.ts';
import { positive } from '../options.ts';
import { report } from './report.ts';
import { findSchedule, globalOptions, type Session, UsageError, withSession } from './session.ts';

type BackfillOptions = { readonly from: Date; readonly to: Date; readonly max: number };

/** Most runs of one backfill unless --max says otherwise: a typing error must not make thousands. */
const BACKFILL_LIMIT = 100;

export function addBackfill(program: Command): void {
  program
    .command('backfill <schedule>')
    .description('make the runs of past times; under Forbid they take turns')
    .requiredOption('--from <time>', 'times after this', time)
    .option('--to <time>', 'times up to this; now when left out', time, new Date())
    .option('--max <count>', 'most runs', positive, BACKFILL_LIMIT)
    .action(async (schedule: string, range: BackfillOptions, command: Command) => {
      const options = globalOptions(command);
      report(await withSession(options, (session) => backfill(session, schedule, range)), options);
    });
}

async function backfill(session: Session, name: string, { from, to, max }: BackfillOptions): Promise<string[]> {
  if (from >= to) throw new UsageError('--from must be before --to');
  if (to > new Date()) throw new UsageError('--to lies in the future; the schedule makes those runs itself');
  const [schedule, spec] = await findSchedule(session, name);
  const slots = slotsBetween(timetableOf(schedule, spec, from), from, to, max + 1);
  if (slots.length > max) {
    throw new UsageError(`more than ${max} times lie between --from and --to; narrow them or raise --max`);
  }
  const runs = session.api.resource<CrawlRun>(CRAWL_RUNS);
  const created: string[] = [];
  for (const slot of slots) {
    const run = await createRun(runs, backfillRun(schedule, spec, slot), session.signal);
    if (run) created.push(run.metadata.name); // else an earlier backfill made it
  }
  return created;
}

function timetableOf(schedule: CrawlSchedule, spec: CrawlScheduleSpec, from: Date): Timetable {
  if (spec.interval !== undefined) return intervalTimetable(durationMs(spec.interval), from);
  if (spec.schedule === undefined) throw new UsageError('a schedule that comes after another has no times to fill in');
  const parsed = parseCron(spec.schedule, spec.timeZone, schedule.metadata.uid);
  if (!parsed.ok) throw new UsageError(parsed.error.message);
  return parsed.timetable;
}

function time(text: string): Date {
  const parsed = new Date(text);
  if (Number.isNaN(parsed.getTime())) throw new InvalidArgumentError('write a time such as 2026-01-31T06:00:00Z');
  return parsed;
}
