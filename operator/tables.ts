// `trawler tables`: sizes, connections and what takes long now, for a person or for a program.
import { type Column, tableLines } from '../src/cli/table.ts';
import type { ConnectionCount, LongQuery, TableReview, TableSize } from '../src/store/table-sizes.ts';

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

export function tablesLines(review: TableReview, isJson: boolean): readonly string[] {
  if (isJson) return [JSON.stringify(review)];
  const { tables, connections, longQueries } = review;
  return [
    ...tableLines(TABLES, tables),
    '',
    ...tableLines(CONNECTIONS, connections),
    '',
    ...(longQueries.length === 0 ? ['no statement takes longer than a second'] : tableLines(QUERIES, longQueries)),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)}Mi`;
}
