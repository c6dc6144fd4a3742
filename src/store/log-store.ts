// What workers have logged, as the operator reads it.

/** As a worker sent it: lines in gzip. Nobody has checked what is in it. */
export type LogPart = {
  readonly logId: string;
  readonly workerId: string;
  /** Times of its first and its last line. */
  readonly firstAt: Date;
  readonly lastAt: Date;
  readonly lines: number;
  /** Lines before these that were not kept. */
  readonly lost: number;
  readonly data: Buffer;
};

/** `ByTime`: by their first lines, upwards or downwards. `Stored`: in the order in which they came. */
export type LogQuery = {
  readonly order: 'ByTime' | 'ByTimeDown' | 'Stored';
  /** The last part of the page before. */
  readonly after?: Pick<LogPart, 'logId' | 'firstAt'>;
  /** Parts that end before it are left out. */
  readonly since?: Date;
  readonly limit: number;
};

export type LogProgress = {
  readonly isFinished: boolean;
  /** Of what was too much to be kept. */
  readonly droppedLines: number;
  /** The part that was stored last; '0' before there is any. */
  readonly lastId: string;
};

/** Every call rejects with a StoreError. */
export type LogReads = {
  /** UID of the newest run of that name. */
  runOf(namespace: string, name: string, signal: AbortSignal): Promise<string | undefined>;
  parts(runId: string, query: LogQuery, signal: AbortSignal): Promise<readonly LogPart[]>;
  progress(runId: string, signal: AbortSignal): Promise<LogProgress>;
};

/** Every call rejects with a StoreError. */
export type LogStore = LogReads & {
  /** Drops what was stored before a day, YYYY-MM-DD (UTC); how many parts. */
  forget(firstKept: string, signal: AbortSignal): Promise<number>;
};
