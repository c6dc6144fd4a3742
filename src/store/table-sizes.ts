// What a review of the tables tells.

export type TableReview = {
  readonly tables: readonly TableSize[];
  readonly connections: readonly ConnectionCount[];
  /** Of this database, by all that may be seen of it: what another role does shows no text. */
  readonly longQueries: readonly LongQuery[];
  readonly statements: Statements;
};

/** A table with its indexes and all of its partitions, the largest first. Rows are PostgreSQL's own estimate. */
export type TableSize = {
  readonly name: string;
  readonly bytes: number;
  readonly indexBytes: number;
  readonly rows: number;
  readonly deadRows: number;
  readonly partitions: number;
};

export type ConnectionCount = { readonly role: string; readonly state: string; readonly count: number };

export type LongQuery = {
  readonly pid: number;
  readonly role: string;
  readonly seconds: number;
  /** What it waits for. */
  readonly waitsFor: string | null;
  readonly query: string;
};

/** What took the most time since PostgreSQL began to count, the most first, as the extension pg_stat_statements has counted it. */
export type Statements = {
  /** `NotCreated`: the database does not have the extension. `NotLoaded`: the server does not count. */
  readonly state: 'Counted' | 'NotCreated' | 'NotLoaded';
  readonly slowest: readonly SlowStatement[];
};

/** Of all calls of a statement, whatever its values were; of another role it shows no text. */
export type SlowStatement = {
  readonly role: string;
  readonly calls: number;
  readonly totalSeconds: number;
  readonly meanMs: number;
  readonly maxMs: number;
  readonly rows: number;
  readonly query: string;
};
