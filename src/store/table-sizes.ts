// What a review of the tables tells.

export type TableReview = {
  readonly tables: readonly TableSize[];
  readonly connections: readonly ConnectionCount[];
  /** Of this database, by all that may be seen of it: what another role does shows no text. */
  readonly longQueries: readonly LongQuery[];
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
