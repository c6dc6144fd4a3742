// Days in the database: made before they are needed, and dropped when their time is over.
import { type Kysely, sql } from 'kysely';
import type { OnDropped } from './operator-store.ts';
import type { Database } from './schema.ts';

/** Rows of one transaction: none holds its locks for long. */
const PART = 10_000;

export async function ensureDay(db: Kysely<Database>, day: string, signal: AbortSignal): Promise<void> {
  await sql`select ensure_day(${day}::date)`.execute(db, { signal });
}

/**
 * What cannot be dropped now, since somebody reads it for longer than a statement may wait, keeps nothing else from being
 * dropped; its error is thrown at the end. Returns the first days of the partitions that were dropped.
 */
export async function dropDaysBefore(
  db: Kysely<Database>,
  firstKept: string,
  kept: readonly string[],
  signal: AbortSignal,
  onDropped: OnDropped = () => {},
): Promise<readonly string[]> {
  const { rows } = await sql<{ day: string }>`
    select day::text from expired_days(${firstKept}::date, ${[...kept]}::date[]) as day`.execute(db, { signal });
  const dropped: string[] = [];
  const errors: unknown[] = [];
  for (const { day } of rows) {
    try {
      await dropPartitions(db, day.replaceAll('-', ''), signal);
      dropped.push(day);
    } catch (error) {
      signal.throwIfAborted();
      errors.push(error);
    }
  }
  await forgetBefore(db, firstKept, kept, onDropped, signal);
  if (errors.length > 0) throw errors[0];
  return dropped;
}

/**
 * Detached concurrently, which waits for those who read the table and makes nobody wait; a detachment that was broken off
 * is finished first. The table that is left belongs to nobody else.
 */
async function dropPartitions(db: Kysely<Database>, part: string, signal: AbortSignal): Promise<void> {
  // Requests go last: a day is found by them, and tried again as long as something of it is left.
  for (const parent of ['change', 'item', 'request']) {
    const name = `${parent}_${part}`;
    const { rows } = await sql<{ parent: string | null; pending: boolean | null }>`
      select i.inhparent::regclass::text as parent, i.inhdetachpending as pending
      from pg_class c left join pg_inherits i on i.inhrelid = c.oid
      where c.oid = to_regclass(${name})`.execute(db, { signal });
    const [found] = rows;
    if (found === undefined) continue;
    if (found.parent !== null) {
      const how = found.pending ? sql`finalize` : sql`concurrently`;
      await sql`alter table ${sql.id(parent)} detach partition ${sql.id(name)} ${how}`.execute(db, { signal });
    }
    await sql`drop table ${sql.id(name)}`.execute(db, { signal });
  }
}

/** Drops what runs that ended a day ago had queued, some thousand rows a transaction. */
export async function forgetLanes(db: Kysely<Database>, signal: AbortSignal): Promise<void> {
  await untilNone(db, sql<{ n: number }>`select forget_lanes(${PART}) as n`, signal);
}

/** How many entries. */
export function forgetAudit(db: Kysely<Database>, firstKept: string, signal: AbortSignal): Promise<number> {
  return untilNone(db, sql<{ n: number }>`select forget_audit(${firstKept}::date, ${PART / 10}) as n`, signal);
}

/** How many there were. */
async function untilNone(
  db: Kysely<Database>,
  part: ReturnType<typeof sql<{ n: number }>>,
  signal: AbortSignal,
): Promise<number> {
  for (let total = 0; ; signal.throwIfAborted()) {
    const dropped = (await part.execute(db, { signal })).rows[0]?.n ?? 0;
    if (dropped === 0) return total;
    total += dropped;
  }
}

/** Forgets the runs of dropped days, and what was learnt of pages and hosts and not looked at for as long. */
async function forgetBefore(
  db: Kysely<Database>,
  firstKept: string,
  kept: readonly string[],
  onDropped: OnDropped,
  signal: AbortSignal,
): Promise<void> {
  await forgetLanes(db, signal);
  const runs = sql<{ n: number }>`select forget_runs(${firstKept}::date, ${[...kept]}::date[], ${PART / 10}) as n`;
  onDropped('runs', await untilNone(db, runs, signal));
  const pages = sql<{ n: number }>`select forget_schedules(${firstKept}::date, ${PART}) as n`;
  onDropped('rememberedPages', await untilNone(db, pages, signal));
  type Part = { readonly last: string | null; readonly hosts: number; readonly learnt: number };
  for (let after: string | null = '0'; after !== null; ) {
    const answer: { rows: { part: Part }[] } = await sql<{ part: Part }>`
      select forget_hosts(${firstKept}::date, ${after}::bigint, ${PART}) as part`.execute(db, { signal });
    const { last, hosts, learnt } = answer.rows[0]?.part ?? { last: null, hosts: 0, learnt: 0 };
    onDropped('hosts', hosts);
    onDropped('learntOfHosts', learnt);
    after = last;
  }
}
