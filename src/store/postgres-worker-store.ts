// The worker's store on Postgres: one connection, one statement a call; the rules are in the database's functions.
import type { Pool } from 'pg';
import { createPool, query, queryAsRun } from './connection.ts';
import { type AnswerTimes, DatabaseClock } from './database-clock.ts';
import { FUNCTIONS_VERSION, type FunctionVersions, versionTrouble } from './function-versions.ts';
import { KnownUrls } from './known-urls.ts';
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

const DATABASE_TIME = 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now';

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
  const known = new KnownUrls();
  const clock = new DatabaseClock();
  /** Of the leases that this worker knows of. */
  const leaseTokens = new Set<string>();
  /** Raised when the answer to a claim was lost, see begin_claim_epoch; and that of the last answer. */
  let [claimEpoch, heardEpoch] = [0, 0];

  /** Calls a function of the schema; the token is always its first argument. */
  const call = async <T>(name: string, args: readonly unknown[], signal: AbortSignal): Promise<T> => {
    const places = args.map((_, index) => `, $${index + 2}`).join('');
    const text = `select ${schema}.${name}($1${places}) as result`;
    const [row] = await query<{ result: T }>(pool, text, [token, ...args], signal);
    if (!row) throw new StoreError('Refused', `${name} returned no row`);
    return row.result;
  };

  const setClock = async (signal: AbortSignal): Promise<void> => {
    while (clock.needsLook) {
      const asked = performance.now();
      const [row] = await query<{ now: number }>(pool, DATABASE_TIME, [], signal);
      if (row) clock.look(asked, row.now);
    }
  };

  const claimRequests = async (slots: number, signal: AbortSignal): Promise<ClaimAnswer> => {
    const held = claimEpoch === heardEpoch ? null : [...leaseTokens];
    try {
      const args = [workerId, slots, clock.lateness(), claimEpoch, held];
      const answer = await call<ClaimAnswer>('claim_requests', args, signal);
      heardEpoch = claimEpoch;
      return answer;
    } catch (error) {
      claimEpoch++;
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
        if (!(await call<boolean>('add_seeds', [workerId, rowsFrom(start)], signal))) return false;
      }
      return call('seed_frontier', [workerId, rowsFrom(start)], signal);
    },

    async claim(slots, signal) {
      await setClock(signal);
      const asked = performance.now();
      const answer = await claimRequests(slots, signal);
      if (answer.state !== 'Claimed') return answer;
      for (const claim of answer.claims) leaseTokens.add(claim.leaseToken);
      clock.observe({ asked, ...answer });
      const claims = answer.claims.map(({ turn, sendBy, ...claim }) => ({ ...claim, ...clock.window(turn, sendBy) }));
      return { state: 'Claimed', claims };
    },

    async reserveHost(host, signal) {
      await setClock(signal);
      const asked = performance.now();
      const answer = await call<Turn & Moments>('reserve_host', [host, clock.lateness()], signal);
      clock.observe({ asked, ...answer });
      return clock.window(answer.turn, answer.sendBy);
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

    areAllSourcesBlocked: (refusals, signal) => call<boolean>('all_sources_blocked', [refusals], signal),

    async readRobots(host, signal) {
      const robots = await call<Nullable<HostRobots> | null>('read_robots', [host], signal);
      return robots === null ? undefined : withoutNulls<HostRobots>(robots);
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
      const links = newLinks(outcomes, known);
      const linksJson = links.length === 0 ? null : storableJson(links);
      const ours = await call<string[]>(
        'commit_outcomes',
        [workerId, storableJson(outcomes.map(outcomeRow)), linksJson],
        signal,
      );
      // Only what is surely in the frontier is known; after a lost lease some links may not be.
      if (ours.length === outcomes.length) for (const link of links) known.add(link.key, link.depth);
      for (const { claim } of outcomes) leaseTokens.delete(claim.leaseToken);
      return new Set(ours);
    },

    async addLinks(claim, links, signal) {
      const rows = links.map(linkRow).filter((row) => !known.has(row.key, row.depth));
      if (rows.length === 0) return 'Added';
      const args = [workerId, claim.requestId, claim.leaseToken, storableJson(rows)];
      const answer = await call<'Added' | 'Full' | 'Lost'>('add_links', args, signal);
      if (answer === 'Added') for (const row of rows) known.add(row.key, row.depth);
      return answer;
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

const HEARTBEAT_TIMEOUT_MS = 10_000;

/** For a thread of its own: one connection, apart from the worker's. */
export function createHeartbeatStore(options: WorkerStoreOptions): HeartbeatStore {
  const pool = openPool(options, 'trawler-heartbeat');
  const text = `select ${options.schema}.write_heartbeat($1, $2, $3) as result`;
  return {
    async beat(heartbeat: Heartbeat, signal) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)]);
      const values = [options.token, options.workerId, storableJson(heartbeat)];
      const [row] = await query<{ result: Nullable<HeartbeatAnswer> }>(pool, text, values, bounded);
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
type Turn = { readonly turn: number; readonly sendBy?: number };

type Moments = Omit<AnswerTimes, 'asked'>;

/** As `ClaimResult`, with turns in place of waits. */
type ClaimAnswer =
  | Exclude<ClaimResult, { readonly state: 'Claimed' }>
  | (Moments & {
      readonly state: 'Claimed';
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
  const [row] = await query<{ versions: FunctionVersions | null }>(pool, text, [], signal);
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
