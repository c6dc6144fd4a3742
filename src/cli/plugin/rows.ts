// Rows of the server's lists, page by page, printed as a table, JSON, JSON Lines or CSV.
import { once } from 'node:events';
import { Option } from 'commander';
import { csvRows, valuesOf } from '../../formats/csv.ts';
import { type Column, tableLines } from '../table.ts';
import { answerOf } from './trawler-server.ts';

export const FORMATS = ['table', 'json', 'jsonl', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

/** Most rows that the server gives at once. */
const PAGE = 500;

type Page<T> = { readonly items: readonly T[]; readonly nextCursor?: string };

export function formatOption(): Option {
  return new Option('-o, --output <format>', 'how it is printed').choices(FORMATS).default('table');
}

/** Pages of a list until its end or `limit` rows; no empty one. Rejects with a ServerError. */
export async function* pagesOf<T>(
  read: (page: { readonly limit: number; readonly cursor?: string }) => Promise<{ readonly data?: Page<T> }>,
  limit: number,
): AsyncGenerator<readonly T[]> {
  let cursor: string | undefined;
  for (let left = limit; left > 0; ) {
    const page = await answerOf(read({ limit: Math.min(PAGE, left), ...(cursor === undefined ? {} : { cursor }) }));
    if (page.items.length > 0) yield page.items;
    if (page.nextCursor === undefined) return;
    left -= page.items.length;
    cursor = page.nextCursor;
  }
}

/** JSON Lines go out page by page; the others need all rows: for their widths, their columns, or one value in the end. */
export async function printRows<T extends object>(
  pages: AsyncIterable<readonly T[]>,
  format: Format,
  columns: readonly Column<T>[],
  record: (row: T) => object = (row) => row,
): Promise<void> {
  // Whoever reads may stop before the end, as head does.
  process.stdout.on('error', () => process.exit());
  if (format === 'jsonl') {
    for await (const page of pages) await print(page.map((row) => JSON.stringify(row)));
    return;
  }
  const rows: T[] = [];
  for await (const page of pages) rows.push(...page);
  if (format === 'json') await print([JSON.stringify({ items: rows })]);
  else if (format === 'csv') await print([csvOf(rows.map(record)).trimEnd()]);
  else if (rows.length === 0) console.error('nothing was found');
  else await print(tableLines(columns, rows));
}

/** The columns of all rows. */
export function csvOf(records: readonly object[]): string {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return csvRows([columns, ...records.map((record) => valuesOf({ ...record }, columns))], 'unix');
}

async function print(lines: readonly string[]): Promise<void> {
  if (!process.stdout.write(`${lines.join('\n')}\n`)) await once(process.stdout, 'drain');
}
