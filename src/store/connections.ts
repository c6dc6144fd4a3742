// How many connections the PostgreSQL server has left: every role may read that.
import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

export async function connections(
  db: Kysely<Database>,
  signal: AbortSignal,
): Promise<{ readonly used: number; readonly most: number }> {
  const { rows } = await sql<{ used: number; most: number }>`
    select sum(numbackends)::int as used, current_setting('max_connections')::int as most from pg_stat_database`.execute(
    db,
    { signal },
  );
  return rows[0] ?? { used: 0, most: 0 };
}
