// Days in the database: made before they are needed, and dropped when their time is over.
import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

export async function ensureDay(db: Kysely<Database>, day: string, signal: AbortSignal): Promise<void> {
  await sql`select ensure_day(${day}::date)`.execute(db, { signal });
}

/** One transaction a day: its lock shuts all workers out, and is to be held for moments. */
export async function dropDaysBefore(
  db: Kysely<Database>,
  firstKept: string,
  kept: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { rows } = await sql<{ day: string }>`
    select day::text from expired_days(${firstKept}::date, ${[...kept]}::date[]) as day`.execute(db, { signal });
  const dropped: string[] = [];
  for (const { day } of rows) {
    const answer = await sql<{ done: boolean }>`select drop_day(${day}::date) as done`.execute(db, { signal });
    if (answer.rows[0]?.done) dropped.push(day);
  }
  await sql`select forget_before(${firstKept}::date, ${[...kept]}::date[])`.execute(db, { signal });
  return dropped;
}
