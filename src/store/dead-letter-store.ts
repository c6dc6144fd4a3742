// Dead letters for people: lists of them, and, while their run lives, queued again or cleared.
import type pg from 'pg';
import { query } from './connection.ts';

export type DeadLetterRow = {
  readonly key: string;
  readonly source: string;
  readonly url: string;
  readonly depth: number;
  readonly cause: string;
  readonly message: string;
  readonly attempts: number;
  readonly diedAt: Date;
  /** With all digits, for the cursor. */
  readonly position: string;
};

/** Which dead letters of a run; all of them without any. */
export type DeadLetterFilter = {
  readonly cause?: string | undefined;
  readonly source?: string | undefined;
  readonly host?: string | undefined;
  /** The whole URL, or its beginning and `*`. */
  readonly url?: string | undefined;
};

export type DeadLetterQuery = DeadLetterFilter & {
  readonly namespace: string;
  readonly run: string;
  readonly after?: { readonly at: string; readonly key: string };
  readonly limit: number;
};

/** `until`: when the last one of them died, by ISO 8601 with all digits; absent when there is none. */
export type DeadLetterCount = { readonly count: number; readonly until?: string };

/**
 * `state`: Changed, or why no more could be changed than `changed`, which may be some: PostgreSQL does not know the run, it ends
 * or has ended, or the call failed on its way (`cause`).
 */
export type DeadLetterChange = {
  readonly changed: number;
  readonly state: 'Changed' | 'Unknown' | 'Ended' | 'Stopping' | 'WritingOutput' | 'Interrupted';
  readonly cause?: unknown;
};

/** Every call rejects with a StoreError, but for a change of which a part is done. */
export type DeadLetterStore = {
  /** The oldest first. */
  deadLetters(query: DeadLetterQuery, signal: AbortSignal): Promise<readonly DeadLetterRow[]>;
  /** Of those that had died at `until`, where it is given. */
  countDeadLetters(
    runId: string,
    filter: DeadLetterFilter,
    until: string | undefined,
    signal: AbortSignal,
  ): Promise<DeadLetterCount>;
  /** Queues dead letters of a live run again. */
  requeueDeadLetters(runId: string, filter: DeadLetterFilter, signal: AbortSignal): Promise<DeadLetterChange>;
  /** Skips dead letters of a live run for good, of those that had died at `until`. */
  clearDeadLetters(
    runId: string,
    filter: DeadLetterFilter,
    until: string,
    signal: AbortSignal,
  ): Promise<DeadLetterChange>;
};

const DEAD_LETTERS = `
  select q.url_key as key, s.name as source, q.url, q.depth, coalesce(q.reason, 'LeaseExpired') as cause,
    coalesce(q.errors->-1->>'message', '') as message, coalesce(jsonb_array_length(q.errors), 0) as attempts,
    q.finished_at as "diedAt", q.finished_at::text as position
  from (select run_id from run where namespace = $1 and name = $2 order by accepted_at desc limit 1) r
  cross join lateral wanted_dead_letters(r.run_id, $3, $4, $5, null, $6) q
  join source s on s.run_id = r.run_id and s.source_no = q.source_no
  order by q.finished_at, q.url_key`;

const COUNT = `
  select count(*)::int as count, to_char(max(finished_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as until
  from wanted_dead_letters($1, $2, null, null, $3, null)`;

const CHANGE = 'select change_dead_letters($1, $2, $3, $4, $5, $6, $7) as change';

/** Of one transaction: the run's row is locked meanwhile. */
const CHANGED_AT_ONCE = 500;

export function createDeadLetterStore(pool: pg.Pool): DeadLetterStore {
  const countDeadLetters: DeadLetterStore['countDeadLetters'] = async (runId, filter, until, signal) => {
    const values = [runId, wantedOf(filter), until ?? null];
    type Row = { readonly count: number; readonly until: string | null };
    const [row] = await query<Row>(pool, () => ({ text: COUNT, values }), signal);
    return { count: row?.count ?? 0, ...(row?.until ? { until: row.until } : {}) };
  };

  return {
    deadLetters({ namespace, run, after, limit, ...filter }, signal) {
      const values = [namespace, run, wantedOf(filter), after?.at ?? null, after?.key ?? null, limit];
      return query<DeadLetterRow>(pool, () => ({ text: DEAD_LETTERS, values }), signal);
    },
    countDeadLetters,
    async requeueDeadLetters(runId, filter, signal) {
      // What dies again meanwhile is not meant.
      const { until = '-infinity' } = await countDeadLetters(runId, filter, undefined, signal);
      return changeAll(pool, runId, { requeue: true, filter, until }, signal);
    },
    clearDeadLetters: (runId, filter, until, signal) =>
      changeAll(pool, runId, { requeue: false, filter, until }, signal),
  };
}

/** As wanted_dead_letters reads it. */
function wantedOf({ cause, source, host, url }: DeadLetterFilter): string {
  return JSON.stringify({ cause, source, host, url });
}

/** As change_dead_letters answers; `at` and `key` where there may be more. */
type Step = DeadLetterChange & { readonly at?: string; readonly key?: string };

type WantedChange = { readonly requeue: boolean; readonly filter: DeadLetterFilter; readonly until: string };

/** In bounded steps, each a transaction: what was changed stays changed when a later step fails or the run ends. */
async function changeAll(
  pool: pg.Pool,
  runId: string,
  { requeue, filter, until }: WantedChange,
  signal: AbortSignal,
): Promise<DeadLetterChange> {
  let changed = 0;
  let [at, key]: (string | null)[] = [null, null];
  try {
    for (;;) {
      const values = [runId, requeue, wantedOf(filter), at, key, until, CHANGED_AT_ONCE];
      const [row] = await query<{ change: Step }>(pool, () => ({ text: CHANGE, values }), signal);
      const step: Step = row?.change ?? { state: 'Unknown', changed: 0 };
      changed += step.changed;
      if (step.at === undefined || step.key === undefined) return { state: step.state, changed };
      [at, key] = [step.at, step.key];
    }
  } catch (cause) {
    if (changed === 0) throw cause;
    return { state: 'Interrupted', changed, cause };
  }
}
