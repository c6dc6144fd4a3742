// `kubectl trawler backfill`: runs for past times of a schedule, shown as a plan before any of them is made.
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { BACKFILL_CHANGES, backfillEnd, newBackfill } from '../../custom-resources/backfill-actions.ts';
import { CRAWL_BACKFILLS, type CrawlBackfill } from '../../custom-resources/types.ts';
import { findCondition } from '../../kube/conditions.ts';
import { type CrawlBackfillSpecInput, crawlBackfillSpec } from '../../resources/crawl-backfill.ts';
import { positive } from '../options.ts';
import { tableLines } from '../table.ts';
import { findSchedule, globalOptions, type Session, UsageError, withSession } from './session.ts';

type PlanOptions = {
  readonly from: Date;
  readonly to: Date;
  readonly reprocess: CrawlBackfillSpecInput['reprocess'];
  readonly maxActive: number;
};

const POLL_MS = 250;
/** An operator looks at a new backfill within a second. */
const PATIENCE_MS = 30_000;

export function addBackfill(program: Command): void {
  const backfill = program.command('backfill').description('runs for past times of a schedule, as CrawlBackfills');
  addPlan(backfill);
  addSubmit(backfill);
  addChange(backfill, 'pause', 'make no more of its runs for now; those that are there go on');
  addChange(backfill, 'resume', 'go on making its runs');
  addChange(backfill, 'cancel', 'make no more of its runs for good, and stop those that are there');
}

function addPlan(backfill: Command): void {
  const reprocess = new Option('--reprocess <which>', 'times that have had a run: none of them, those that failed, all')
    .choices(crawlBackfillSpec.shape.reprocess.unwrap().options)
    .default('None');
  backfill
    .command('plan <schedule>')
    .description('show the very runs that it would make, and the hash to submit; nothing is made')
    .requiredOption('--from <time>', 'times after this', time)
    .option('--to <time>', 'times up to this; now when left out', time, new Date())
    .addOption(reprocess)
    .option('--max-active <count>', 'most of its runs at once', positive, 1)
    .action(async (schedule: string, plan: PlanOptions, command: Command) => {
      const options = globalOptions(command);
      const { metadata, status } = await withSession(options, (session) => makePlan(session, schedule, plan));
      const { plan: { hash, skipped } = { hash: '', skipped: 0 }, runs = [] } = status ?? {};
      if (options.json) {
        console.log(JSON.stringify({ backfill: metadata.name, plan: hash, skipped, runs }));
        return;
      }
      const lines = tableLines(
        [
          ['TIME', (run) => run.time],
          ['RUN', (run) => run.name],
        ],
        runs,
      );
      for (const line of lines) console.log(line);
      console.log(`${runs.length} runs, ${skipped} times left out; nothing is made until you say`);
      console.log(`  kubectl trawler backfill submit ${metadata.name} --plan ${hash}`);
    });
}

/** The CrawlBackfill with its plan. One of which no plan can be made is deleted again. */
async function makePlan(session: Session, scheduleName: string, options: PlanOptions): Promise<CrawlBackfill> {
  const { from, to, reprocess, maxActive } = options;
  if (from >= to) throw new UsageError('--from must be before --to');
  const { api, signal } = session;
  const [schedule] = await findSchedule(session, scheduleName);
  const backfills = api.resource<CrawlBackfill>(CRAWL_BACKFILLS);
  const wanted = { from: from.toISOString(), to: to.toISOString(), reprocess, maxActive };
  const made = await backfills.create(newBackfill(schedule, wanted, new Date()), { signal });
  const { name, uid } = made.metadata;
  const shown = await until(session, name, ({ status }) => findCondition(status?.conditions, 'Planned') !== undefined);
  const planned = findCondition(shown.status?.conditions, 'Planned');
  if (planned?.status === 'True') return shown;
  await backfills.delete(made.metadata, { preconditions: { uid }, signal });
  throw new UsageError(`no plan can be made: ${planned?.message}`);
}

function addSubmit(backfill: Command): void {
  backfill
    .command('submit <backfill>')
    .description('make the runs of its plan, if that is still the one which was shown')
    .requiredOption('--plan <hash>', 'the plan as it was shown')
    .action(async (name: string, { plan }: { readonly plan: string }, command: Command) => {
      const options = globalOptions(command);
      const { status } = await withSession(options, (session) => submit(session, name, plan));
      const count = status?.runs?.length ?? 0;
      if (options.json) console.log(JSON.stringify({ backfill: name, plan, runs: count }));
      else console.log(`crawlbackfill.trawler.dev/${name} submitted: ${count} runs`);
    });
}

async function submit(session: Session, name: string, plan: string): Promise<CrawlBackfill> {
  const changed = await change(session, name, { approvedPlan: plan });
  const { generation = 0 } = changed.metadata;
  const seen = await until(
    session,
    name,
    ({ status }) => status?.approvedPlan !== undefined || (status?.observedGeneration ?? 0) >= generation,
  );
  if (seen.status?.approvedPlan === plan) return seen;
  const { message } = findCondition(seen.status?.conditions, 'Progressing') ?? {};
  throw new UsageError(`nothing was made: ${message ?? 'another plan was approved before'}`);
}

function addChange(backfill: Command, verb: keyof typeof BACKFILL_CHANGES, description: string): void {
  backfill
    .command(`${verb} <backfill>`)
    .description(description)
    .action(async (name: string, _, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, (session) => change(session, name, BACKFILL_CHANGES[verb]));
      if (options.json) console.log(JSON.stringify({ backfill: name }));
      else console.log(`crawlbackfill.trawler.dev/${name}: ${verb}`);
    });
}

async function change(session: Session, name: string, spec: Partial<CrawlBackfillSpecInput>): Promise<CrawlBackfill> {
  const { api, namespace, signal } = session;
  const end = backfillEnd(await find(session, name));
  if (end !== undefined) throw new UsageError(end);
  const backfills = api.resource<CrawlBackfill>(CRAWL_BACKFILLS);
  return backfills.patch({ namespace, name }, { type: 'merge', body: { spec } }, { signal });
}

async function find({ api, namespace, signal }: Session, name: string): Promise<CrawlBackfill> {
  const found = await api.resource<CrawlBackfill>(CRAWL_BACKFILLS).get({ namespace, name }, { signal });
  if (!found) throw new UsageError(`there is no CrawlBackfill "${name}" in namespace ${namespace}`);
  return found;
}

/** The backfill as soon as the operator has shown what is waited for. */
async function until(
  session: Session,
  name: string,
  isShown: (backfill: CrawlBackfill) => boolean,
): Promise<CrawlBackfill> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const backfill = await find(session, name);
    if (isShown(backfill)) return backfill;
    await delay(POLL_MS, undefined, { signal: session.signal });
  }
  throw new UsageError(`no operator has looked at CrawlBackfill "${name}"; "kubectl trawler doctor" may tell why`);
}

function time(text: string): Date {
  const parsed = new Date(text);
  if (Number.isNaN(parsed.getTime())) throw new InvalidArgumentError('write a time such as 2026-01-31T06:00:00Z');
  return parsed;
}
