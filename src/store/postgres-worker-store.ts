// The worker's store on Postgres: one connection, one statement a call; the rules are in the database's functions.
import type { Pool } from 'pg';
import { AssumedState } from './assumed-state.ts';
import { createPool, query, queryAsRun, type Statement } from './connection.ts';
import { type AnswerTimes, DatabaseClock } from './database-clock.ts';
import { FUNCTIONS_VERSION, type FunctionVersions, versionTrouble } from './function-versions.ts';
import type { KnownUrls } from './known-urls.ts';
import { checkSchemaName } from './schema-name.ts';
import { storableJson } from './storable-json.ts';
import { StoreError } from './store-error.ts';
import { urlKey } from './url-key.ts';
import type {
  Claim,
  ClaimResult,
  Discovery,
  Heartbeat,
  HeartbeatAnswer,
  HeartbeatStore,
  HostOutage,
  HostRendering,
  HostRobots,
  MovedScopes,
  Outcome,
  OutputItem,
  OutputLease,
  Place,
  RememberedPage,
  RunAssignment,
  WorkerStore,
} from './worker-store.ts';

/** Seeds of one transaction, which holds up whoever else seeds the run. */
const SEEDS_AT_ONCE = 1_000;

const DATABASE_TIME: Statement = {
  text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
  values: [],
};

export type WorkerStoreOptions = {
  readonly databaseUrl: string;
  /** PEM of the certificate authority, where the server's certificate is not signed by a public one. */
  readonly ca?: string;
  readonly schema: string;
  readonly token: string;
  readonly runId: string;
  /** Pod UID. */
  readonly workerId: string;
};

export function createWorkerStore(options: WorkerStoreOptions): WorkerStore {
  const { schema, token, workerId } = options;
  const pool = openPool(options, 'trawler-worker');
  const assumed = new AssumedState();
  const { known, leases } = assumed;
  const clock = new DatabaseClock();
  // An idle connection has broken; those that break during a call are seen there.
  pool.on('error', () => assumed.connectionBroken());

  /** Calls a function of the schema; the token is always its first argument. The others are asked for when there is a
   *  connection: a new one changes what may be assumed. */
  const callLate = async <T>(name: string, args: () => readonly unknown[], signal: AbortSignal): Promise<T> => {
    try {
      const [row] = await query<{ result: T }>(pool, () => callOf(schema, name, [token, ...args()]), signal);
      if (!row) throw new StoreError('Refused', `${name} returned no row`);
      return row.result;
    } catch (error) {
      if (error instanceof StoreError && error.reason === 'Unavailable') assumed.connectionBroken();
      throw error;
    }
  };
  const call = <T>(name: string, args: readonly unknown[], signal: AbortSignal) =>
    callLate<T>(name, () => args, signal);

  const setClock = async (signal: AbortSignal): Promise<void> => {
    while (clock.needsLook) {
      const asked = performance.now();
      const [row] = await query<{ now: number }>(pool, () => DATABASE_TIME, signal);
      if (row) clock.look(asked, row.now);
    }
  };

  /** A call that builds on what was assumed: made again when another server answers, with what is sure then. */
  const callOnSameServer = async <T>(name: string, args: () => unknown[], signal: AbortSignal): Promise<T> => {
    for (;;) {
      try {
        return await callLate<T>(name, args, signal);
      } catch (error) {
        const server = serverOf(error);
        if (server === undefined) throw error;
        assumed.serverChanged(server);
      }
    }
  };

  const claimRequests = async (slots: number, signal: AbortSignal): Promise<ClaimAnswer> => {
    try {
      const answer = await callOnSameServer<ClaimAnswer>(
        'claim_requests',
        () => {
          const { epoch, held, server, dueFrom } = assumed.claim();
          return [workerId, slots, clock.lateness(), epoch, held, server, dueFrom];
        },
        signal,
      );
      assumed.claimAnswered(answer);
      return answer;
    } catch (error) {
      assumed.answerLost();
      throw error;
    }
  };

  return {
    async loadRun(signal) {
      await checkVersion(pool, schema, signal);
      return loadRun(pool, options, signal);
    },

    async seed(seeds, signal) {
      const rowsFrom = (start: number) => storableJson(seeds.slice(start, start + SEEDS_AT_ONCE).map(linkRow));
      let start = 0;
      for (; start + SEEDS_AT_ONCE < seeds.length; start += SEEDS_AT_ONCE) {
        if (await call<boolean>('add_seeds', [workerId, rowsFrom(start)], signal)) continue;
        assumed.isSeeded = true;
        return false;
      }
      const isFirst = await call<boolean>('seed_frontier', [workerId, rowsFrom(start)], signal);
      assumed.isSeeded = true;
      return isFirst;
    },

    async claim(slots, signal) {
      await setClock(signal);
      const asked = performance.now();
      const answer = await claimRequests(slots, signal);
      if (answer.state === 'Wait' && answer.isSeeded === false && assumed.isSeeded) return { state: 'Unseeded' };
      if (answer.state === 'Wait') return { state: 'Wait', retryInMs: answer.retryInMs };
      if (answer.state !== 'Claimed') return answer;
      for (const claim of answer.claims) leases.add(claim.leaseToken);
      clock.observe({ asked, ...answer });
      const claims = answer.claims.map(({ turn, sendBy, ...claim }) => ({ ...claim, ...clock.window(turn, sendBy) }));
      return { state: 'Claimed', claims };
    },

    async reserveHost(host, signal) {
      await setClock(signal);
      const asked = performance.now();
      const answer = await call<Turn & Moments>('reserve_host', [host, clock.lateness()], signal);
      clock.observe({ asked, ...answer });
      const { turn, sendBy, spacingMs } = answer;
      return { ...clock.window(turn, sendBy), ...(spacingMs === undefined ? {} : { spacingMs }) };
    },

    async deferHost(host, delayMs, signal) {
      await call('defer_host', [host, delayMs], signal);
    },

    async recallPage(requestId, signal) {
      const page = await call<Nullable<RememberedPage> | null>('recall_page', [requestId], signal);
      return page === null ? undefined : withoutNulls<RememberedPage>(page);
    },

    async reportBlock(host, evidence, signal) {
      await call('report_block', [host, withoutNul(evidence)], signal);
    },

    reportFailure(host, { failureThreshold, cooldownMs, evidence }, signal) {
      return call<boolean>('report_failure', [host, failureThreshold, cooldownMs, withoutNul(evidence)], signal);
    },

    async reportAnswer(host, signal) {
      await call('report_answer', [host], signal);
    },

    reportOutage: (host, ageMs, message, signal) =>
      call<HostOutage>('report_outage', [host, ageMs, withoutNul(message)], signal),

    async reportReachable(host, signal) {
      await call('report_reachable', [host], signal);
    },

    async reportTrap({ kind, pattern, url }, signal) {
      await call('report_trap', [kind, withoutNul(pattern), withoutNul(url)], signal);
    },

    moveScope: (source, url, signal) => call<boolean>('move_scope', [source, url], signal),

    readMovedScopes: (signal) => call<MovedScopes>('read_moved_scopes', [], signal),

    areAllSourcesBlocked: (refusals, signal) => call<boolean>('all_sources_blocked', [refusals], signal),

    async readRobots(host, signal) {
      const robots = await call<Nullable<HostRobots> | null>('read_robots', [host], signal);
      return robots === null ? undefined : withoutNulls<HostRobots>(robots);
    },

    async setCrawlDelay(host, delayMs, signal) {
      await call('set_crawl_delay', [host, Math.ceil(delayMs)], signal);
    },

    async writeRobots(host, robots, signal) {
      const crawlDelayMs = robots.crawlDelayMs === undefined ? null : Math.ceil(robots.crawlDelayMs);
      const body = robots.body === undefined ? null : withoutNul(robots.body);
      await call('write_robots', [host, robots.verdict, body, crawlDelayMs], signal);
    },

    async readHostRendering(host, signal) {
      return (await call<HostRendering | null>('read_host_rendering', [host], signal)) ?? undefined;
    },

    learnHostRendering: (host, neededBrowser, signal) =>
      call<number>('learn_host_rendering', [host, neededBrowser], signal),

    async commit(outcomes, signal) {
      if (outcomes.length === 0) return new Set();
      let whole: Outcome[] = [];
      let links: ReturnType<typeof newLinks> = [];
      const ours = await callOnSameServer<string[]>(
        'commit_outcomes',
        () => {
          whole = outcomes.filter(({ claim }) => !assumed.isBroken(claim.leaseToken));
          links = newLinks(whole, known);
          const linksJson = links.length === 0 ? null : storableJson(links);
          return [workerId, storableJson(whole.map(outcomeRow)), linksJson, assumed.server];
        },
        signal,
      );
      // Only what is surely in the frontier is known; after a lost lease some links may not be.
      if (ours.length === whole.length) for (const link of links) known.add(link.key, link.depth);
      for (const { claim } of outcomes) assumed.claimEnded(claim.leaseToken);
      return new Set(ours);
    },

    async addLinks(claim, links, signal) {
      const { requestId, leaseToken } = claim;
      const all = links.map(linkRow);
      if (assumed.isBroken(leaseToken)) return 'Lost';
      if (all.every((row) => known.has(row.key, row.depth))) return 'Added';
      let rows = all;
      const answer = await callOnSameServer<'Added' | 'Full' | 'Lost'>(
        'add_links',
        () => {
          rows = all.filter((row) => !known.has(row.key, row.depth));
          // What was added before went to a server that may have lost it: this lease can end in nothing.
          const token = assumed.isBroken(leaseToken) ? NO_LEASE : leaseToken;
          return [workerId, requestId, token, storableJson(rows), assumed.server];
        },
        signal,
      );
      if (answer !== 'Added') return answer;
      for (const row of rows) known.add(row.key, row.depth);
      assumed.linksAdded(leaseToken);
      return 'Added';
    },

    finish: (signal) => call<boolean>('finish_run', [], signal),

    leaseOutput: (signal) => call<OutputLease>('lease_output', [workerId], signal),

    async outputItems(fence, after, signal) {
      const items = await call<OutputItem[] | null>('output_items', [fence, after ?? FIRST_ITEM], signal);
      return items ?? undefined;
    },

    async outputFields(fence, signal) {
      const names = new Set<string>();
      for (let after: string | null = FIRST_ITEM; after !== null; ) {
        const page: FieldsPage | null = await call('output_fields', [fence, after], signal);
        if (page === null) return undefined;
        for (const name of page.fields) names.add(name);
        after = page.last;
      }
      return [...names].sort();
    },

    settleOutput: (fence, result, signal) => call<boolean>('settle_output', [fence, storableJson(result)], signal),

    async releaseOutput(fence, signal) {
      await call('release_output', [fence], signal);
    },

    close: () => pool.end(),
  };
}

/** The lease of nobody. */
const NO_LEASE = '00000000-0000-0000-0000-000000000000';

/** The call of a function of the schema. */
function callOf(schema: string, name: string, args: readonly unknown[]): Statement {
  const places = args.map((_, index) => `$${index + 1}`).join(', ');
  return { text: `select ${schema}.${name}(${places}) as result`, values: args };
}

/** Which server answers now, where the error says that it is another one than before. */
function serverOf(error: unknown): string | undefined {
  if (!(error instanceof StoreError) || error.reason !== 'OtherServer') return undefined;
  const { cause } = error;
  return cause instanceof Error && 'detail' in cause ? String(cause.detail) : '';
}

const HEARTBEAT_TIMEOUT_MS = 10_000;

/** For a thread of its own: one connection, apart from the worker's. */
export function createHeartbeatStore(options: WorkerStoreOptions): HeartbeatStore {
  const pool = openPool(options, 'trawler-heartbeat');
  const text = `select ${options.schema}.write_heartbeat($1, $2, $3) as result`;
  return {
    async beat(heartbeat: Heartbeat, signal) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)]);
      const values = [options.token, options.workerId, storableJson(heartbeat)];
      const [row] = await query<{ result: Nullable<HeartbeatAnswer> }>(pool, () => ({ text, values }), bounded);
      if (!row) throw new StoreError('Refused', 'write_heartbeat returned no row');
      return withoutNulls<HeartbeatAnswer>(row.result);
    },
    close: () => pool.end(),
  };
}

function openPool(options: WorkerStoreOptions, applicationName: string): Pool {
  checkSchemaName(options.schema);
  return createPool({
    databaseUrl: options.databaseUrl,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    applicationName,
    max: 1,
  });
}

/** Lower than the id of any item. */
const FIRST_ITEM = '0';

type FieldsPage = { readonly last: string | null; readonly fields: readonly string[] };

/** When a host may be asked, from when until when, in milliseconds of the database's clock. */
type Turn = { readonly turn: number; readonly sendBy?: number } & Pick<Place, 'spacingMs'>;

type Moments = Omit<AnswerTimes, 'asked'>;

/** As `ClaimResult`, with turns in place of waits. */
type ClaimAnswer =
  | Exclude<ClaimResult, { readonly state: 'Claimed' | 'Wait' }>
  | { readonly state: 'Wait'; readonly retryInMs: number; readonly isSeeded?: boolean }
  | (Moments & {
      readonly state: 'Claimed';
      readonly server: string;
      readonly dueFrom: number;
      readonly claims: readonly (Omit<Claim, keyof Place> & Turn)[];
    });

type RunRow = {
  namespace: string;
  name: string;
  version: number;
  spec: RunAssignment['spec'];
  is_scheduled: boolean;
  started_at: Date | null;
};

/** Rejects with `SchemaMismatch` when the functions are too new or too old for this worker. */
async function checkVersion(pool: Pool, schema: string, signal: AbortSignal): Promise<void> {
  const text = `select ${schema}.function_versions() as versions`;
  const [row] = await query<{ versions: FunctionVersions | null }>(pool, () => ({ text, values: [] }), signal);
  const trouble = row?.versions && versionTrouble(FUNCTIONS_VERSION, row.versions);
  if (trouble) throw new StoreError('SchemaMismatch', trouble);
}

async function loadRun(pool: Pool, options: WorkerStoreOptions, signal: AbortSignal): Promise<RunAssignment> {
  const [row] = await queryAsRun<RunRow>(
    pool,
    options.token,
    `select run.namespace, run.name, run.started_at, run.schedule_uid is not null as is_scheduled, run_spec.version, run_spec.spec
     from ${options.schema}.run join ${options.schema}.run_spec using (run_id) where run_id = $1`,
    [options.runId],
    signal,
  );
  if (!row) throw new StoreError('TokenRefused', 'the run is gone, or its token is unknown or revoked');
  return {
    runId: options.runId,
    namespace: row.namespace,
    name: row.name,
    specVersion: row.version,
    spec: row.spec,
    isScheduled: row.is_scheduled,
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
  };
}

type LinkRow = {
  readonly key: string;
  readonly url: string;
  readonly host: string;
  readonly source: string;
  readonly depth: number;
  readonly redirects?: readonly string[];
  readonly sitemap?: true;
  readonly listingPage?: number;
};

function linkRow(link: Discovery): LinkRow {
  const { url, host, source, depth, redirects, listingPage, kind } = link;
  const common = {
    ...{ url, host, source, depth },
    ...(redirects === undefined ? {} : { redirects }),
    ...(listingPage === undefined ? {} : { listingPage }),
  };
  // A page may link to its sitemap as to any other file: that is another request.
  return kind === 'Sitemap'
    ? { ...common, key: urlKey(`sitemap ${url}`), sitemap: true }
    : { ...common, key: urlKey(url) };
}

/** The links that may be new to the frontier, each once, with the requests that they were found at. */
function newLinks(outcomes: readonly Outcome[], known: KnownUrls): (LinkRow & { readonly from: string[] })[] {
  const links = new Map<string, LinkRow & { readonly from: string[] }>();
  for (const outcome of outcomes) {
    for (const link of outcome.links ?? []) {
      const row = linkRow(link);
      if (known.has(row.key, row.depth)) continue;
      const earlier = links.get(row.key);
      const from = [...(earlier?.from ?? []), outcome.claim.requestId];
      const nearer = earlier !== undefined && earlier.depth <= row.depth ? earlier : row;
      links.set(row.key, { ...nearer, from });
    }
  }
  return [...links.values()];
}

function outcomeRow(outcome: Outcome): Readonly<Record<string, unknown>> {
  const { claim, facts, type } = outcome;
  const common = { key: claim.requestId, token: claim.leaseToken, type, facts, leftOut: outcome.leftOut };
  switch (outcome.type) {
    case 'done':
      return { ...common, items: outcome.items, itemsLeftOut: outcome.itemsLeftOut, page: outcome.page };
    case 'skipped':
      return { ...common, reason: outcome.reason };
    case 'retry':
      return { ...common, cause: outcome.cause, message: outcome.message, delayMs: outcome.delayMs };
    case 'dead':
      return { ...common, cause: outcome.cause, message: outcome.message, itemsLeftOut: outcome.itemsLeftOut };
    case 'released':
      return common;
  }
}

/** PostgreSQL's text holds any character but this one. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}

type Nullable<T> = { [K in keyof T]: T[K] | null };

/** SQL's null is our absent property. */
function withoutNulls<T extends object>(row: Nullable<T>): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as T;
}
