// `trawler tables`: sizes, connections, what takes long now and what took the most time, for a person or for a program.
import { type Column, tableLines } from '../src/cli/table.ts';
import type {
  ConnectionCount,
  LongQuery,
  SlowStatement,
  Statements,
  TableReview,
  TableSize,
} from '../src/store/table-sizes.ts';

const TABLES: readonly Column<TableSize>[] = [
  ['TABLE', ({ name }) => name],
  ['SIZE', ({ bytes }) => megabytes(bytes)],
  ['INDEXES', ({ indexBytes }) => megabytes(indexBytes)],
  ['ROWS', ({ rows }) => String(rows)],
  ['DEAD', ({ deadRows }) => String(deadRows)],
  ['PARTITIONS', ({ partitions }) => (partitions === 0 ? '' : String(partitions))],
];
const CONNECTIONS: readonly Column<ConnectionCount>[] = [
  ['ROLE', ({ role }) => role],
  ['STATE', ({ state }) => state],
  ['CONNECTIONS', ({ count }) => String(count)],
];
const QUERIES: readonly Column<LongQuery>[] = [
  ['PID', ({ pid }) => String(pid)],
  ['ROLE', ({ role }) => role],
  ['SECONDS', ({ seconds }) => String(seconds)],
  ['WAITS FOR', ({ waitsFor }) => waitsFor ?? ''],
  ['QUERY', ({ query }) => query],
];

const STATEMENTS: readonly Column<SlowStatement>[] = [
  ['ROLE', ({ role }) => role],
  ['CALLS', ({ calls }) => String(calls)],
  ['TOTAL', ({ totalSeconds }) => `${totalSeconds.toFixed(1)}s`],
  ['MEAN', ({ meanMs }) => `${meanMs.toFixed(1)}ms`],
  ['LONGEST', ({ maxMs }) => `${maxMs.toFixed(1)}ms`],
  ['ROWS', ({ rows }) => String(rows)],
  ['STATEMENT', ({ query }) => query],
];

/** Instead of what another role says. */
const HIDDEN = '<insufficient privilege>';
const LOAD = 'shared_preload_libraries = pg_stat_statements in postgresql.conf, and start PostgreSQL again';
const CREATE = 'as a superuser in this database: create extension pg_stat_statements';
/** How PostgreSQL begins to count. */
const ADVICE = {
  NotCreated: `${LOAD}; then, ${CREATE}`,
  NotLoaded: LOAD,
} as const;

export function tablesLines(review: TableReview, isJson: boolean): readonly string[] {
  if (isJson) return [JSON.stringify(review)];
  const { tables, connections, longQueries, statements } = review;
  return [
    ...tableLines(TABLES, tables),
    '',
    ...tableLines(CONNECTIONS, connections),
    '',
    ...(longQueries.length === 0 ? ['no statement takes longer than a second'] : tableLines(QUERIES, longQueries)),
    '',
    ...statementLines(statements),
  ];
}

function statementLines({ state, slowest }: Statements): readonly string[] {
  if (state !== 'Counted') {
    return ['which statements took the most time is not counted here; to count them:', `  ${ADVICE[state]}`];
  }
  const isHidden = slowest.some(({ query }) => query === HIDDEN);
  return [
    ...tableLines(STATEMENTS, slowest),
    ...(isHidden ? [`to see what other roles say: grant pg_read_all_stats to the operator's own`] : []),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)}Mi`;
}
