// Which statements took the most time, by the extension pg_stat_statements where it is there.
import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import type { Database } from './schema.ts';
import type { SlowStatement, Statements } from './table-sizes.ts';

const MOST = 20;
/** object_not_in_prerequisite_state: the library was not loaded when the server started. */
const NOT_LOADED = '55000';

/** Rejects with what the driver rejects with. */
export async function slowStatements(db: Kysely<Database>, signal: AbortSignal): Promise<Statements> {
  const { rows: found } = await sql<{ schema: string }>`
    select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'`.execute(db, { signal });
  const [extension] = found;
  if (extension === undefined) return { state: 'NotCreated', slowest: [] };
  try {
    return { state: 'Counted', slowest: await slowest(db, extension.schema, signal) };
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === NOT_LOADED) return { state: 'NotLoaded', slowest: [] };
    throw error;
  }
}

async function slowest(db: Kysely<Database>, schema: string, signal: AbortSignal): Promise<readonly SlowStatement[]> {
  const { rows } = await sql<SlowStatement>`
    select coalesce(r.rolname, '') as role, s.calls::float8 as calls,
      round((s.total_exec_time / 1000)::numeric, 1)::float8 as "totalSeconds", round(s.mean_exec_time::numeric, 1)::float8 as "meanMs",
      round(s.max_exec_time::numeric, 1)::float8 as "maxMs", s.rows::float8 as rows,
      left(regexp_replace(s.query, '\\s+', ' ', 'g'), 200) as query
    from ${sql.table(`${schema}.pg_stat_statements`)} s left join pg_roles r on r.oid = s.userid
    where s.dbid = (select oid from pg_database where datname = current_database())
    order by s.total_exec_time desc limit ${MOST}`.execute(db, { signal });
  return rows;
}
