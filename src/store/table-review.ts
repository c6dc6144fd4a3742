// How large the tables are, who is connected, and what takes long now: for a person who looks after PostgreSQL.
import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';
import { slowStatements } from './slow-statements.ts';
import type { ConnectionCount, LongQuery, TableReview, TableSize } from './table-sizes.ts';

/** Seconds from which a statement is told of. */
const LONG = 1;

/** Rejects with a StoreError. */
export async function reviewTables(db: Kysely<Database>, signal: AbortSignal): Promise<TableReview> {
  const { rows: tables } = await sql<TableSize>`
    select coalesce(parent.relname, c.relname) as name, sum(pg_total_relation_size(c.oid))::float8 as bytes,
      sum(pg_indexes_size(c.oid))::float8 as "indexBytes", sum(greatest(c.reltuples, 0))::float8 as rows,
      sum(pg_stat_get_dead_tuples(c.oid))::float8 as "deadRows", count(parent.oid)::int as partitions
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
    group by 1 order by 2 desc, 1`.execute(db, { signal });
  const { rows: connections } = await sql<ConnectionCount>`
    select coalesce(usename, 'postgres') as role, coalesce(state, 'not shown') as state, count(*)::int as count
    from pg_stat_activity where datname = current_database() group by 1, 2 order by 3 desc, 1, 2`.execute(db, {
    signal,
  });
  const { rows: longQueries } = await sql<LongQuery>`
    select pid, coalesce(usename, '') as role, round(extract(epoch from clock_timestamp() - query_start)::numeric, 1)::float8 as seconds,
      wait_event_type || ': ' || wait_event as "waitsFor", left(regexp_replace(query, '\\s+', ' ', 'g'), 200) as query
    from pg_stat_activity
    where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()
      and clock_timestamp() - query_start > make_interval(secs => ${LONG})
    order by query_start limit 20`.execute(db, { signal });
  return { tables, connections, longQueries, statements: await slowStatements(db, signal) };
}
