// Calls of workers, answered by the functions of the schema: one statement a call. The rules are in the functions.
import type { Pool } from 'pg';
import type { CallArguments, CallName } from '../gateway/protocol/calls.ts';
import { StoreError } from '../gateway/protocol/store-error.ts';
import { query, type Statement } from './connection.ts';
import { FUNCTIONS_VERSION, type FunctionVersions, versionTrouble } from './function-versions.ts';
import { hashToken } from './run-token.ts';
import { checkSchemaName } from './schema-name.ts';
import { storableJson } from './storable-json.ts';

/** A function of the schema, and its arguments after the token. */
type FunctionCall = readonly [name: string, ...args: unknown[]];

/** Which function answers a call. */
const FUNCTIONS: { readonly [Name in CallName]: (request: CallArguments<Name>) => FunctionCall } = {
  'load-run': () => ['load_run'],
  clock: () => ['clock'],
  'add-seeds': ({ workerId, links }) => ['add_seeds', workerId, storableJson(links)],
  'seed-frontier': ({ workerId, links }) => ['seed_frontier', workerId, storableJson(links)],
  claim: ({ workerId, slots, latenessMs, epoch, held, server, dueFrom }) => [
    ...(['claim_requests', workerId, slots, latenessMs] as const),
    ...[epoch, held, server, dueFrom],
  ],
  commit: ({ workerId, outcomes, links, server }) => [
    ...(['commit_outcomes', workerId, storableJson(outcomes)] as const),
    ...[links === null ? null : storableJson(links), server],
  ],
  'add-links': ({ workerId, requestId, leaseToken, links, server }) => [
    ...(['add_links', workerId, requestId, leaseToken, storableJson(links), server] as const),
  ],
  'reserve-host': ({ host, latenessMs }) => ['reserve_host', host, latenessMs],
  'defer-host': ({ host, delayMs }) => ['defer_host', host, delayMs],
  'recall-page': ({ requestId }) => ['recall_page', requestId],
  'report-block': ({ host, evidence }) => ['report_block', host, evidence],
  'report-failure': ({ host, failureThreshold, cooldownMs, evidence }) => [
    ...(['report_failure', host, failureThreshold, cooldownMs, evidence] as const),
  ],
  'report-answer': ({ host }) => ['report_answer', host],
  'report-outage': ({ host, ageMs, message }) => ['report_outage', host, ageMs, message],
  'report-reachable': ({ host }) => ['report_reachable', host],
  'report-trap': ({ kind, pattern, url }) => ['report_trap', kind, pattern, url],
  'move-scope': ({ source, url }) => ['move_scope', source, url],
  'read-moved-scopes': () => ['read_moved_scopes'],
  'are-all-sources-blocked': ({ refusals }) => ['all_sources_blocked', refusals],
  'read-robots': ({ host }) => ['read_robots', host],
  'set-crawl-delay': ({ host, delayMs }) => ['set_crawl_delay', host, delayMs],
  'write-robots': ({ host, verdict, body, crawlDelayMs }) => ['write_robots', host, verdict, body, crawlDelayMs],
  'read-host-rendering': ({ host }) => ['read_host_rendering', host],
  'learn-host-rendering': ({ host, neededBrowser }) => ['learn_host_rendering', host, neededBrowser],
  finish: () => ['finish_run'],
  'lease-output': ({ workerId }) => ['lease_output', workerId],
  'output-items': ({ fence, after }) => ['output_items', fence, after],
  'output-fields': ({ fence, after }) => ['output_fields', fence, after],
  'settle-output': ({ fence, result }) => ['settle_output', fence, storableJson(result)],
  'release-output': ({ fence }) => ['release_output', fence],
  'write-log': ({ workerId, part }) => ['write_log', workerId, JSON.stringify(part)],
  'write-heartbeat': ({ workerId, heartbeat }) => ['write_heartbeat', workerId, storableJson(heartbeat)],
};

/** Whose token it is, how many workers the run may have at once, and the schedule that it is of. */
export type RunOfToken = {
  readonly runId: string;
  readonly namespace: string;
  readonly workers: number;
  /** Absent where the functions of an earlier release answer. */
  readonly schedule?: string | null;
};

/** What workers of a run that wait may expect. */
export type RunOutlook = {
  /** Changes with whatever may bring work that `dueInMs` does not show. */
  readonly mark: string;
  /** When something may be claimed; null when nothing is queued. */
  readonly dueInMs: number | null;
  /** There is more than what is queued, which a claim may bring back: what limits hold back, and what gets nearer. */
  readonly isHeldBack: boolean;
  /** The run is stopped or finished. */
  readonly isEnding: boolean;
  /** Nothing is queued or leased. */
  readonly isEmpty: boolean;
};

export type WorkerFunctions = {
  /** The answer as JSON. Rejects with a StoreError. */
  call<Name extends CallName>(
    name: Name,
    request: CallArguments<Name>,
    run: RunKey,
    signal: AbortSignal,
  ): Promise<string>;
  /** Heartbeats of many workers. Answers in their order, as JSON; null for those that have to be written alone. */
  writeHeartbeats(
    heartbeats: readonly (CallArguments<'write-heartbeat'> & { readonly key: RunKey })[],
    signal: AbortSignal,
  ): Promise<readonly (string | null)[]>;
  runOf(run: RunKey, signal: AbortSignal): Promise<RunOfToken>;
  /** The database's clock, in milliseconds since the epoch. */
  clock(signal: AbortSignal): Promise<number>;
  /** In the order of the runs; null for a token that is not good any more. */
  outlooksOf(runs: readonly RunKey[], signal: AbortSignal): Promise<readonly (RunOutlook | null)[]>;
  /** Rejects with `SchemaMismatch` when the functions are too new or too old for this program. */
  checkVersion(signal: AbortSignal): Promise<void>;
};

/** A run's token as statements carry it: its hash, since a server may log what it is sent. */
export type RunKey = `sha256:${string}`;

export function runKeyOf(token: string): RunKey {
  return `sha256:${hashToken(token).toString('hex')}`;
}

/** @param pool is asked at each call: another login has another one */
export function createWorkerFunctions(pool: () => Pool, schema: string): WorkerFunctions {
  checkSchemaName(schema);

  async function run<T>(statement: Statement, signal: AbortSignal): Promise<T> {
    const [row] = await query<{ result: T }>(pool(), () => statement, signal);
    if (!row) throw new StoreError('Refused', 'the function returned no row');
    return row.result;
  }

  /** Kept by the server, as each of them is called many times a second: parsing and planning takes as long as a short call. */
  function callOf(functionName: string, values: readonly unknown[], cast = (call: string) => call): Statement {
    const places = values.map((_, index) => `$${index + 1}`).join(', ');
    const text = `select ${cast(`${schema}.${functionName}(${places})`)} as result`;
    return { text, values, name: `${functionName}/${values.length} of ${schema}` };
  }

  return {
    async call(name, request, key, signal) {
      if (name === 'clock') return JSON.stringify({ now: await run<number>(CLOCK, signal) });
      const [functionName, ...args] = FUNCTIONS[name](request);
      const statement = callOf(functionName, [key, ...args.map(storable)], (call) => `to_json(${call})::text`);
      return (await run<string | null>(statement, signal)) ?? 'null';
    },
    async writeHeartbeats(heartbeats, signal) {
      const keys = heartbeats.map(({ key }) => key);
      const beats = storableJson(heartbeats.map(({ workerId, heartbeat }) => ({ workerId, heartbeat })));
      const answers = await run<readonly unknown[]>(callOf('write_heartbeats', [keys, beats]), signal);
      return answers.map((answer) => (answer === null ? null : JSON.stringify(answer)));
    },
    clock: (signal) => run(CLOCK, signal),
    runOf: (key, signal) => run(callOf('run_of_gateway', [key]), signal),
    outlooksOf: (keys, signal) => run(callOf('run_outlooks', [keys]), signal),
    async checkVersion(signal) {
      const versions = await run<FunctionVersions | null>(callOf('function_versions', []), signal);
      const trouble = versions && versionTrouble(FUNCTIONS_VERSION, versions);
      if (trouble) throw new StoreError('SchemaMismatch', trouble);
    },
  };
}

const CLOCK: Statement = {
  text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as result',
  values: [],
  name: 'clock',
};

/** PostgreSQL's text holds any character but NUL; in JSON it is escaped, and `storableJson` has replaced it. */
function storable(argument: unknown): unknown {
  return typeof argument === 'string' && argument.includes('\0') ? argument.replaceAll('\0', '\ufffd') : argument;
}
