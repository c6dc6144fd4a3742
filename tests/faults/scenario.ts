// The reference scenario: four schedules, one for each concurrency policy, their slots, and the end of all their runs.
// What it leaves behind is the same whatever happens to the operator in between, and is written down here.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type CrawlRun, type CrawlSchedule, isFinished } from '#src/custom-resources/types.ts';
import type { Secret } from '#src/kube/builtin-types.ts';
import { controllerOf, controllerReference } from '#src/kube/kube-object.ts';
import { timestamp } from '#src/kube/time.ts';
import { LABEL } from '#src/resources/group.ts';
import { testClient } from '../support/database-connections.ts';
import type { Stage } from './stage.ts';

const { signal } = new AbortController();
const TIMEOUT_MS = 150_000;
const POLL_MS = 150;
/** Of the operators' logs, with a state that is not reached. */
const SHOWN_LINES = 20;

/** What a user would see, with times as seconds from the first slot: `allow+1` is the run of allow's second slot. */
export interface State {
  /** Run to phase and reason, as `Stopped Shutdown`. */
  runs: Record<string, string>;
  schedules: Record<string, { last?: number; skipped?: number; active: string[]; lastRun?: string }>;
  /** Jobs that no run owns, or that still work for a finished one. */
  strayJobs: string[];
  pods: number;
  /** Of runs. */
  secrets: string[];
  /** PostgreSQL: run to outcome and reason, also of runs that are pruned. */
  rows: Record<string, string>;
  /** Tokens in PostgreSQL that still open something. */
  tokens: number;
}

/** The schedules are known to the operator, and no slot has come. */
export const NOTHING_YET: State['schedules'] = {
  allow: { active: [] },
  forbid: { last: -60, active: ['forbid-60'], lastRun: 'forbid-60' },
  queue: { active: [] },
  replace: { last: -60, active: ['replace-60'], lastRun: 'replace-60' },
};

/** While all goes on: the slots are dealt with, and nothing has ended but what Replace replaced. */
const MIDDLE: Pick<State, 'runs' | 'schedules'> = {
  runs: {
    'allow+0': 'Pending JobCreated',
    'allow+1': 'Pending JobCreated',
    'forbid-60': 'Pending JobCreated',
    'queue+0': 'Pending JobCreated',
    'queue+1': 'Queued WaitingForPrevious',
    'replace-60': 'Stopped Shutdown',
    'replace+0': 'Pending JobCreated',
  },
  schedules: {
    allow: { last: 1, active: ['allow+1', 'allow+0'], lastRun: 'allow+1' },
    forbid: { last: -60, skipped: 0, active: ['forbid-60'], lastRun: 'forbid-60' },
    queue: { last: 1, active: ['queue+1', 'queue+0'], lastRun: 'queue+1' },
    replace: { last: 0, active: ['replace+0'], lastRun: 'replace+0' },
  },
};

/** When the user has stopped every run: history is pruned, nothing works any more, no credentials are left. */
export const END: State = {
  runs: {
    'allow+1': 'Stopped Shutdown',
    'forbid-60': 'Stopped Shutdown',
    'queue+0': 'Stopped Shutdown',
    'queue+1': 'Stopped Shutdown',
    'replace-60': 'Stopped Shutdown',
    'replace+0': 'Stopped Shutdown',
  },
  schedules: {
    allow: { last: 1, active: [], lastRun: 'allow+1' },
    forbid: { last: -60, skipped: 0, active: [], lastRun: 'forbid-60' },
    queue: { last: 1, active: [], lastRun: 'queue+1' },
    replace: { last: 0, active: [], lastRun: 'replace+0' },
  },
  strayJobs: [],
  pods: 0,
  secrets: [],
  rows: {
    'allow+0': 'Stopped Shutdown',
    'allow+1': 'Stopped Shutdown',
    'forbid-60': 'Stopped Shutdown',
    'queue+0': 'Stopped Shutdown',
    'queue+1': 'Stopped Shutdown',
    'replace-60': 'Stopped Shutdown',
    'replace+0': 'Stopped Shutdown',
  },
  tokens: 0,
};

/** Plays the user's part. Resolves when the end state is reached, rejects with what differs when it is not in time. */
export async function play(stage: Stage): Promise<void> {
  const slot = firstSlot();
  await createSchedules(stage, slot);
  await playOn(stage, slot);
}

/** The same from when the schedules are there. */
export async function playOn(stage: Stage, slot: Date): Promise<void> {
  await reaches(stage, slot, MIDDLE);
  for (const name of ['allow+0', 'allow+1', 'forbid-60', 'queue+0', 'replace+0']) await stop(stage, slot, name);
  await reaches(stage, slot, { runs: { 'queue+1': 'Pending JobCreated' } });
  await stop(stage, slot, 'queue+1');
  await reaches(stage, slot, END);
}

/** So many seconds ahead, enough for the schedules to be there before, and in the same minute as the next second. */
export function firstSlot(secondsAhead = 4): Date {
  const second = Math.ceil(Date.now() / 1_000) + secondsAhead;
  return new Date((second % 60 === 59 ? second + 1 : second) * 1_000);
}

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

export async function createSchedules(stage: Stage, slot: Date): Promise<void> {
  const all = { policy: 'All' } as const;
  await create('allow', 2, { concurrencyPolicy: 'Allow', catchUp: all, successfulRunsHistoryLimit: 1 });
  await create('queue', 2, { concurrencyPolicy: 'Queue', catchUp: all });
  await createActiveRun(await create('forbid', 1, { concurrencyPolicy: 'Forbid' }));
  await createActiveRun(await create('replace', 1, { concurrencyPolicy: 'Replace' }));

  async function create(name: string, slots: number, spec: Partial<CrawlSchedule['spec']>): Promise<CrawlSchedule> {
    const second = slot.getUTCSeconds();
    const seconds = Array.from({ length: slots }, (_, n) => second + n).join(',');
    const [, minute, hour, day, month] = [
      0,
      slot.getUTCMinutes(),
      slot.getUTCHours(),
      slot.getUTCDate(),
      slot.getUTCMonth() + 1,
    ];
    const schedule = `${seconds} ${minute} ${hour} ${day} ${month} *`;
    const { schedules } = stage.world.kube;
    const metadata = { name, namespace: stage.namespace };
    const wanted = { metadata, spec: { schedule, runTemplate: { spec: { sources } }, ...spec } };
    const created = await schedules.create(wanted, { signal });
    const inTime = Date.parse(created.metadata.creationTimestamp ?? '') < slot.getTime();
    if (!inTime) throw new Error('the machine is too slow: the slot came before its schedule was there');
    return created;
  }

  /** A run of a minute ago that has not ended. */
  async function createActiveRun(schedule: CrawlSchedule): Promise<void> {
    const before = new Date(slot.getTime() - 60_000);
    const { name } = schedule.metadata;
    await stage.world.kube.runs.create(
      {
        metadata: {
          name: `${name}-${before.getTime() / 1_000}`,
          namespace: stage.namespace,
          ownerReferences: [controllerReference(schedule)],
        },
        spec: { sources, scheduleName: name, trigger: { type: 'Schedule', scheduledTime: timestamp(before) } },
      },
      { signal },
    );
  }
}

async function stop(stage: Stage, slot: Date, run: string): Promise<void> {
  const [, schedule, offset] = /^([a-z]+)([+-]\d+)$/.exec(run) ?? [];
  const name = `${schedule}-${slot.getTime() / 1_000 + Number(offset)}`;
  const body = { spec: { shutdown: 'Stop' } };
  await stage.world.kube.runs.patch({ namespace: stage.namespace, name }, { type: 'merge', body }, { signal });
}

/** Waits until the state is as expected, in all that is named. */
export async function reaches(stage: Stage, slot: Date, expected: Partial<State>): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    // While a server is down nothing is seen.
    const seen = await observe(stage, slot).then(
      (state) => pick(state, expected),
      (error: unknown) => error,
    );
    if (isDeepStrictEqual(seen, expected)) return;
    if (Date.now() > deadline) {
      if (seen instanceof Error) throw seen;
      const said = (await readFile(stage.logPath, 'utf8')).trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
      const difference = `expected ${JSON.stringify(expected, null, 1)}\nbut saw ${JSON.stringify(seen, null, 1)}`;
      throw new Error(`the state was not reached within ${TIMEOUT_MS / 1_000} s: ${difference}\n${said}`);
    }
    await delay(POLL_MS);
  }
}

/** The parts of `state` that `expected` names; of runs, when it names not all, those alone. */
function pick(state: State, expected: Partial<State>): Partial<State> {
  const wanted = Object.keys(expected) as (keyof State)[];
  const seen = Object.fromEntries(wanted.map((key) => [key, state[key]])) as Partial<State>;
  const names = Object.keys(expected.runs ?? {});
  if (names.length === 1) seen.runs = Object.fromEntries(names.map((name) => [name, state.runs[name] ?? 'missing']));
  return seen;
}

async function observe({ world, namespace, database }: Stage, slot: Date): Promise<State> {
  const inNamespace = { namespace, signal };
  const [schedules, runs, jobs, pods, secrets] = await Promise.all([
    world.kube.schedules.list(inNamespace),
    world.kube.runs.list(inNamespace),
    world.kube.jobs.list(inNamespace),
    world.kube.pods.list(inNamespace),
    world.kube.secrets.list(inNamespace),
  ]);
  const { rows, tokens } = await storedRuns(database.ownerUrl, namespace);
  const byUid = new Map(runs.items.map((run) => [run.metadata.uid, run]));
  const label = (name: string) => relativeName(name, slot);
  return {
    runs: sorted(runs.items.map((run) => [label(run.metadata.name), describeRun(run)])),
    schedules: sorted(schedules.items.map((schedule) => [schedule.metadata.name, describeSchedule(schedule, slot)])),
    strayJobs: jobs.items
      .filter((job) => {
        const owner = byUid.get(controllerOf(job)?.uid ?? '');
        return owner === undefined || (isFinished(owner) && job.spec?.suspend !== true);
      })
      .map((job) => label(job.metadata.name)),
    pods: pods.items.length,
    secrets: secrets.items
      .filter(isOfRun)
      .map((secret) => label(secret.metadata.name))
      .sort(),
    rows: sorted([
      ...rows.map(({ name, outcome, stop_reason }): [string, string] => [label(name), `${outcome} ${stop_reason}`]),
      ...runs.items
        .filter(wasNeverAccepted)
        .map((run): [string, string] => [label(run.metadata.name), describeRun(run)]),
    ]),
    tokens,
  };
}

/** The operator keeps Secrets of the gateway in its own namespace, which is the stage's. */
function isOfRun({ metadata }: Secret): boolean {
  return metadata.labels?.[LABEL.runUid] !== undefined;
}

function describeRun(run: CrawlRun): string {
  const reasonOf = (type: string) => run.status?.conditions?.find((condition) => condition.type === type)?.reason;
  const { phase } = run.status ?? {};
  if (isFinished(run)) return `${phase} ${reasonOf('Finished')}`;
  return `${phase} ${phase === 'Queued' ? reasonOf('Accepted') : reasonOf('JobCreated')}`;
}

/** Where the operator starts late, Replace stops replace-60 before it was accepted: it says so, and has no row. */
function wasNeverAccepted(run: CrawlRun): boolean {
  const accepted = run.status?.conditions?.find(({ type }) => type === 'Accepted');
  return isFinished(run) && accepted?.status === 'False' && accepted.reason === 'Shutdown';
}

function describeSchedule({ status }: CrawlSchedule, slot: Date): State['schedules'][string] {
  const offset = (time: string) => (Date.parse(time) - slot.getTime()) / 1_000;
  const { lastScheduleTime, lastSkippedTime, active = [], lastRun } = status ?? {};
  return {
    ...(lastScheduleTime ? { last: offset(lastScheduleTime) } : {}),
    ...(lastSkippedTime ? { skipped: offset(lastSkippedTime) } : {}),
    active: active.map((name) => relativeName(name, slot)),
    ...(lastRun ? { lastRun: relativeName(lastRun.name, slot) } : {}),
  };
}

function relativeName(name: string, slot: Date): string {
  return name.replace(/-(\d+)$/, (_, seconds) => {
    const offset = Number(seconds) - slot.getTime() / 1_000;
    return offset < 0 ? `${offset}` : `+${offset}`;
  });
}

function sorted<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface StoredRun {
  name: string;
  outcome: string | null;
  stop_reason: string | null;
}

async function storedRuns(url: string, namespace: string): Promise<{ rows: StoredRun[]; tokens: number }> {
  const client = testClient(url);
  await client.connect();
  try {
    const known = await client.query("select to_regclass('trawler.run_token') is not null as migrated");
    if (known.rows[0]?.migrated !== true) return { rows: [], tokens: 0 };
    const runs = 'select run_id, name, outcome, stop_reason from trawler.run where namespace = $1';
    const { rows } = await client.query<StoredRun & { run_id: string }>(runs, [namespace]);
    const open = 'select from trawler.run_token where revoked_at is null and run_id = any($1)';
    const tokens = await client.query(open, [rows.map(({ run_id }) => run_id)]);
    return { rows, tokens: tokens.rows.length };
  } finally {
    await client.end();
  }
}
