// Rows as a table for a terminal, in kubectl's manner.

export type Column<T> = readonly [title: string, cell: (row: T) => string];

export function tableLines<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly string[] {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, place) => Math.max(...cells.map((row) => row[place]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, place) => cell.padEnd(widths[place] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

/** A time without fractions of seconds; as a text it is that of `Date.toISOString`. */
export function seconds(time: Date | string): string {
  return (typeof time === 'string' ? time : time.toISOString()).replace(/\.\d+Z$/, 'Z');
}
