// kubectl-trawler: the verbs that kubectl has no word for. Put it on the PATH and say `kubectl trawler run shop`.
import { Command, InvalidArgumentError, Option } from 'commander';
import { Registry } from 'prom-client';
import { backfillRun, manualRun } from '../custom-resources/new-runs.ts';
import { createRetry, createRun, pausePatch, RETRY_LIMIT, resumePatch } from '../custom-resources/run-actions.ts';
import {
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlRun,
  type CrawlSchedule,
  isFinished,
} from '../custom-resources/types.ts';
import {
  CLUSTER_EVENTS,
  type ClusterEvent,
  PODS,
  type Pod,
  SELF_SUBJECT_REVIEWS,
  type SelfSubjectReview,
} from '../kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '../kube/client.ts';
import { actingAs, loadKubeConfig } from '../kube/kube-config.ts';
import { isForbidden, KubeError } from '../kube/kube-error.ts';
import { controllerOf, type NewObject } from '../kube/kube-object.ts';
import { createKubeMetrics } from '../kube/metrics.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec } from '../resources/crawl-schedule.ts';
import { durationMs } from '../resources/duration.ts';
import { LABEL } from '../resources/group.ts';
import { parseCron } from '../schedule/cron.ts';
import { slotsBetween } from '../schedule/due.ts';
import { intervalTimetable, type Timetable } from '../schedule/timetable.ts';
import { createLogger } from '../telemetry/logger.ts';
import { type Explanation, explainRun, explanationLines } from './explain-run.ts';
import { type LogSelection, OperatorUnreachable, runInOperator, runLogs } from './in-operator.ts';
import { changesOptions, levelOption, positive } from './options.ts';

/** What went wrong, for the person at the terminal. */
class UsageError extends Error {}

type Global = {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly as?: string;
  readonly json?: boolean;
};

type Session = { readonly api: KubeApi; readonly namespace: string; readonly signal: AbortSignal };

/** Most runs of one backfill unless --max says otherwise: a typing error must not make thousands. */
const BACKFILL_LIMIT = 100;

function readKubeConfig(file: string | undefined) {
  try {
    return loadKubeConfig(file);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function withSession<T>(options: Global, work: (session: Session) => Promise<T>): Promise<T> {
  const config = readKubeConfig(options.kubeconfig);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const context = config.getContextObject(config.getCurrentContext());
  if (!context) throw new UsageError(`no context named ${config.getCurrentContext()} in the kubeconfig`);
  const api = createKubeApi(options.as === undefined ? config : actingAs(config, options.as), {
    logger: createLogger('kubectl-trawler', 'fatal'),
    metrics: createKubeMetrics(new Registry()),
  });
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort(new UsageError('interrupted')));
  try {
    const namespace = options.namespace ?? context.namespace ?? 'default';
    return await work({ api, namespace, signal: interrupted.signal });
  } finally {
    await api.close();
  }
}

async function findSchedule(
  { api, namespace, signal }: Session,
  name: string,
): Promise<[CrawlSchedule, CrawlScheduleSpec]> {
  const schedule = await api.resource<CrawlSchedule>(CRAWL_SCHEDULES).get({ namespace, name }, { signal });
  if (!schedule) throw new UsageError(`there is no CrawlSchedule "${name}" in namespace ${namespace}`);
  return [schedule, crawlScheduleSpec.parse(schedule.spec)];
}

async function findRun({ api, namespace, signal }: Session, name: string): Promise<CrawlRun> {
  const run = await api.resource<CrawlRun>(CRAWL_RUNS).get({ namespace, name }, { signal });
  if (!run) throw new UsageError(`there is no CrawlRun "${name}" in namespace ${namespace}`);
  return run;
}

/** Creates the run; undefined when one of that name is there already. */
function create({ api, signal }: Session, run: NewObject<CrawlRun>): Promise<CrawlRun | undefined> {
  return createRun(api.resource<CrawlRun>(CRAWL_RUNS), run, signal);
}

function timetableOf(schedule: CrawlSchedule, spec: CrawlScheduleSpec, from: Date): Timetable {
  if (spec.interval !== undefined) return intervalTimetable(durationMs(spec.interval), from);
  if (spec.schedule === undefined) throw new UsageError('a schedule that comes after another has no times to fill in');
  const parsed = parseCron(spec.schedule, spec.timeZone, schedule.metadata.uid);
  if (!parsed.ok) throw new UsageError(parsed.error.message);
  return parsed.timetable;
}

async function runNow(session: Session, name: string): Promise<string[]> {
  const [schedule, spec] = await findSchedule(session, name);
  const created = await create(session, manualRun(schedule, spec, new Date()));
  if (!created) throw new UsageError('a manual run was created in this very second already; try again');
  return [created.metadata.name];
}

type BackfillOptions = { readonly from: Date; readonly to: Date; readonly max: number };

async function backfill(session: Session, name: string, { from, to, max }: BackfillOptions): Promise<string[]> {
  if (from >= to) throw new UsageError('--from must be before --to');
  if (to > new Date()) throw new UsageError('--to lies in the future; the schedule makes those runs itself');
  const [schedule, spec] = await findSchedule(session, name);
  const slots = slotsBetween(timetableOf(schedule, spec, from), from, to, max + 1);
  if (slots.length > max) {
    throw new UsageError(`more than ${max} times lie between --from and --to; narrow them or raise --max`);
  }
  const created: string[] = [];
  for (const slot of slots) {
    const run = await create(session, backfillRun(schedule, spec, slot));
    if (run) created.push(run.metadata.name); // else an earlier backfill made it
  }
  return created;
}

async function retry(session: Session, name: string, only: 'All' | 'Dead'): Promise<string[]> {
  const run = await findRun(session, name);
  if (!isFinished(run)) throw new UsageError(`CrawlRun "${name}" has not finished; a run retries its own pages`);
  const created = await createRetry(session.api.resource<CrawlRun>(CRAWL_RUNS), run, only, session.signal);
  if (created) return [created.metadata.name];
  throw new UsageError(`CrawlRun "${name}" was retried ${RETRY_LIMIT} times already`);
}

/** Pauses the run or lets it go on. Who did it, and why, is written down beside it, for people. */
async function suspend(session: Session, name: string, suspend: boolean, note?: string): Promise<void> {
  const run = await findRun(session, name);
  if (isFinished(run))
    throw new UsageError(
      `CrawlRun "${name}" has ended (${run.status?.phase}): nothing to ${suspend ? 'pause' : 'resume'}`,
    );
  const { api, namespace, signal } = session;
  const body = suspend ? pausePatch(await userOf(session), note) : resumePatch();
  await api.resource<CrawlRun>(CRAWL_RUNS).patch({ namespace, name }, { type: 'merge', body }, { signal });
}

/** Ends the run early. One that is stopping can still be terminated. */
async function shutDown(session: Session, name: string, shutdown: 'Stop' | 'Terminate'): Promise<void> {
  const run = await findRun(session, name);
  if (isFinished(run)) throw new UsageError(`CrawlRun "${name}" has ended (${run.status?.phase}): nothing to stop`);
  const { api, namespace, signal } = session;
  const body = { spec: { shutdown } };
  await api.resource<CrawlRun>(CRAWL_RUNS).patch({ namespace, name }, { type: 'merge', body }, { signal });
}

/** Who the API server takes us for. */
async function userOf({ api, signal }: Session): Promise<string> {
  const review = await api
    .resource<SelfSubjectReview>(SELF_SUBJECT_REVIEWS)
    .create({ metadata: { name: 'me' } }, { signal });
  return review.status?.userInfo?.username ?? 'unknown';
}

/** What the schedule's status says of its next runs, also on a clock of its own time zone; or why there are none. */
async function nextTimes(session: Session, name: string): Promise<{ times: string[]; lines: string[] }> {
  const [{ status }, { timeZone }] = await findSchedule(session, name);
  const times = status?.nextScheduleTimes ?? [];
  if (times.length > 0)
    return { times, lines: times.map((time) => `${time}  ${wallClock(time, timeZone)} ${timeZone}`) };
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    times,
    lines: [`no run is planned: ${ready?.message ?? 'the operator has not looked at the schedule yet'}`],
  };
}

/** Why a run is as it is. What the user may not read is named, and the rest is explained all the same. */
async function explain(session: Session, name: string): Promise<Explanation> {
  const run = await findRun(session, name);
  const { api, namespace, signal } = session;
  const unread: string[] = [];
  async function allowed<T>(read: Promise<T>): Promise<T | undefined> {
    try {
      return await read;
    } catch (error) {
      if (!(error instanceof KubeError) || !isForbidden(error)) throw error;
      unread.push(error.message);
      return undefined;
    }
  }
  const { uid } = run.metadata;
  const selector = { namespace, labelSelector: `${LABEL.runUid}=${uid}`, signal };
  const pods = await allowed(api.resource<Pod>(PODS).list(selector));
  const warnings = { namespace, fieldSelector: 'type=Warning', signal };
  const events = await allowed(api.resource<ClusterEvent>(CLUSTER_EVENTS).list(warnings));
  const owner = controllerOf(run);
  const ref = { namespace, name: owner?.name ?? '' };
  const schedule = owner && (await allowed(api.resource<CrawlSchedule>(CRAWL_SCHEDULES).get(ref, { signal })));
  const about = new Set([uid, ...(pods?.items ?? []).map(({ metadata }) => metadata.uid)]);
  const seen = {
    run,
    ...(schedule ? { schedule } : {}),
    pods: pods?.items ?? [],
    events: (events?.items ?? []).filter(({ involvedObject }) => about.has(involvedObject.uid ?? '')),
    unread,
  };
  return explainRun(seen, new Date());
}

/** As 2026-01-31 06:00:00, the way it is written in Sweden. */
function wallClock(time: string, timeZone: string): string {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return clock.format(new Date(time));
}

function report(names: readonly string[], { json }: Global, done = 'created'): void {
  if (json) console.log(JSON.stringify({ runs: names }));
  else if (names.length === 0) console.log('nothing to do: those runs are there already');
  else for (const name of names) console.log(`crawlrun.trawler.dev/${name} ${done}`);
}

function time(text: string): Date {
  const parsed = new Date(text);
  if (Number.isNaN(parsed.getTime())) throw new InvalidArgumentError('write a time such as 2026-01-31T06:00:00Z');
  return parsed;
}

type SystemOptions = { readonly systemNamespace: string };
type HistorySelection = { readonly run?: string; readonly limit?: number };
type ChangeSelection = { readonly kind?: string; readonly change?: string; readonly output: string };

function systemNamespace(): Option {
  return new Option('--system-namespace <name>', 'namespace of the operator').default('trawler-system');
}

function namespaceOf(options: Global): string {
  if (options.namespace !== undefined) return options.namespace;
  const config = readKubeConfig(options.kubeconfig);
  return config.getContextObject(options.context ?? config.getCurrentContext())?.namespace ?? 'default';
}

const program = new Command('kubectl trawler')
  .description('Runs of Trawler that kubectl alone cannot make, and when the next ones are due.')
  .option('-n, --namespace <name>', 'namespace; that of the context when left out')
  .option('--context <name>', 'context of the kubeconfig')
  .option('--kubeconfig <file>', 'the kubeconfig; that of KUBECONFIG or ~/.kube/config when left out')
  .option('--as <user>', 'act as this user')
  .option('--json', 'print {"runs": [names]}, or {"nextScheduleTimes": [times]}')
  .showHelpAfterError();

program
  .command('next <schedule>')
  .description('when a schedule runs next: the next five times, or why there are none')
  .action(async (schedule: string) => {
    const { times, lines } = await withSession(program.opts(), (session) => nextTimes(session, schedule));
    console.log(program.opts<Global>().json ? JSON.stringify({ nextScheduleTimes: times }) : lines.join('\n'));
  });

program
  .command('run <schedule>')
  .description('run a schedule now, beside its times')
  .action(async (schedule: string) => {
    report(await withSession(program.opts(), (session) => runNow(session, schedule)), program.opts());
  });

program
  .command('backfill <schedule>')
  .description('make the runs of past times; under Forbid they take turns')
  .requiredOption('--from <time>', 'times after this', time)
  .option('--to <time>', 'times up to this; now when left out', time, new Date())
  .option('--max <count>', 'most runs', positive, BACKFILL_LIMIT)
  .action(async (schedule: string, options: BackfillOptions) => {
    report(await withSession(program.opts(), (session) => backfill(session, schedule, options)), program.opts());
  });

program
  .command('retry <run>')
  .description('crawl a finished run again, all of it or its dead letters alone')
  .option('--dead', 'only the pages that failed')
  .action(async (run: string, options: { readonly dead?: boolean }) => {
    const only = options.dead ? 'Dead' : 'All';
    report(await withSession(program.opts(), (session) => retry(session, run, only)), program.opts());
  });

program
  .command('pause <run>')
  .description('pause a run: pages in flight are finished, its pods end, nothing is lost')
  .option('--note <text>', 'why, for others')
  .action(async (run: string, { note }: { readonly note?: string }) => {
    await withSession(program.opts(), (session) => suspend(session, run, true, note));
    report([run], program.opts(), 'paused');
  });

program
  .command('resume <run>')
  .description('let a paused run go on where it stood')
  .action(async (run: string) => {
    await withSession(program.opts(), (session) => suspend(session, run, false));
    report([run], program.opts(), 'resumed');
  });

program
  .command('stop <run>')
  .description('end a run early: pages in flight are finished, and results are kept')
  .action(async (run: string) => {
    await withSession(program.opts(), (session) => shutDown(session, run, 'Stop'));
    report([run], program.opts(), 'stopping');
  });

program
  .command('terminate <run>')
  .description('end a run at once: pages in flight are given up, and results are kept')
  .action(async (run: string) => {
    await withSession(program.opts(), (session) => shutDown(session, run, 'Terminate'));
    report([run], program.opts(), 'terminating');
  });

program
  .command('explain <run>')
  .description('why a run waits, is slow or has failed, and what to do about it')
  .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'))
  .action(async (run: string, { output }: { readonly output: 'text' | 'json' }) => {
    const explanation = await withSession(program.opts(), (session) => explain(session, run));
    const asJson = output === 'json' || program.opts<Global>().json;
    console.log(asJson ? JSON.stringify(explanation) : explanationLines(explanation).join('\n'));
  });

program
  .command('logs <run>')
  .description("what the pods of a run have logged, also when they are gone (read in the operator's pod)")
  .option('-f, --follow', 'go on until the run has ended')
  .option('--tail <lines>', 'the last lines alone')
  .option('--since <duration>', 'lines of the last time, such as 10m or 2h')
  .addOption(levelOption())
  .addOption(systemNamespace())
  .action(async (run: string, { systemNamespace, ...selection }: LogSelection & SystemOptions) => {
    const options = { ...program.opts<Global>(), systemNamespace };
    process.exitCode = await runLogs(namespaceOf(options), run, selection, options);
  });

program
  .command('history [schedule]')
  .description("what stays of runs that have ended, the newest first (read in the operator's pod)")
  .option('--run <name>', 'one run, with its sources and its first items')
  .option('--limit <count>', 'most rows', positive)
  .addOption(systemNamespace())
  .action(async (schedule: string | undefined, { systemNamespace, ...rest }: HistorySelection & SystemOptions) => {
    const options = { ...program.opts<Global>(), systemNamespace };
    const flags = [
      ...(schedule === undefined ? [] : [schedule]),
      ...['-n', namespaceOf(options)],
      ...(rest.run === undefined ? [] : ['--run', rest.run]),
      ...(rest.limit === undefined ? [] : ['--limit', String(rest.limit)]),
      ...(options.json ? ['--json'] : []),
    ];
    process.exitCode = await runInOperator(['history', ...flags], options);
  });

const selected = changesOptions();
program
  .command('changes <run>')
  .description("what a run found, against its schedule's run before (read in the operator's pod)")
  .addOption(selected.kind)
  .addOption(selected.change)
  .addOption(selected.output)
  .addOption(systemNamespace())
  .action(async (run: string, { systemNamespace, kind, change, output }: ChangeSelection & SystemOptions) => {
    const options = { ...program.opts<Global>(), systemNamespace };
    const flags = [
      ...['-n', namespaceOf(options), '--output', output],
      ...(kind === undefined ? [] : ['--kind', kind]),
      ...(change === undefined ? [] : ['--change', change]),
    ];
    process.exitCode = await runInOperator(['changes', run, ...flags], options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (![UsageError, KubeError, OperatorUnreachable].some((kind) => error instanceof kind)) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}
