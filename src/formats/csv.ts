// Rows as CSV.
import { stringify } from 'csv-stringify/sync';

/**
 * RFC 4180, in UTF-8 without a byte order mark. Lists and objects are JSON. What comes from a page is not to be run as a
 * formula by a spreadsheet: text that begins like one gets an apostrophe before it, numbers do not.
 * @param lineEnd `unix` for a terminal
 */
export function csvRows(rows: readonly (readonly unknown[])[], lineEnd: 'windows' | 'unix' = 'windows'): string {
  return stringify([...rows], {
    record_delimiter: lineEnd,
    quote_record_delimiter: true,
    escape_formulas: true,
    cast: { boolean: String, object: (value) => JSON.stringify(value) },
  });
}

/** One value a column; empty where the record has none. */
export function valuesOf(record: Readonly<Record<string, unknown>>, columns: readonly string[]): unknown[] {
  return columns.map((name) => (Object.hasOwn(record, name) ? record[name] : undefined));
}
