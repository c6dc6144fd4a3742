// What the operator may ask of Postgres about what a run found, compared with its schedule's run before.

/** Of the run's summary and its notifications. */
export type ComparisonCounts = {
  /** Name of the run before. */
  readonly with: string | null;
  /** What is taken out of pages is another thing now: changes may be the spec's and not the site's. */
  readonly specChanged: boolean;
  /** `unseen`: not come across, by a run that did not look everywhere. */
  readonly urls: Readonly<Record<'new' | 'changed' | 'unchanged' | 'gone' | 'unseen', number>>;
  readonly items: Readonly<Record<'new' | 'changed' | 'unchanged' | 'gone', number>>;
  /** Changes that were counted alone, since there were too many. */
  readonly leftOutRows: number;
};

/** A page or an item that is not as the run before had found it, or is. */
export type Change = {
  /** Its place in the order of changes: where the next page of them begins. */
  readonly id: string;
  readonly kind: 'Url' | 'Item';
  readonly change: 'New' | 'Changed' | 'Gone' | 'Unseen' | 'Unchanged';
  readonly source: string;
  readonly url: string;
  /** What makes an item the same one, `sku=4711`. */
  readonly item?: string;
  /** Of a changed item: what differs. A side that has no such field is left out. */
  readonly fields?: Readonly<Record<string, { readonly before?: unknown; readonly after?: unknown }>>;
};

export type ChangeQuery = {
  readonly kind?: Change['kind'];
  readonly change?: Exclude<Change['change'], 'Unchanged'>;
  /** `id` of the last one of the page before. */
  readonly after?: string;
  readonly limit: number;
};

/** Every call rejects with a StoreError. */
export type ComparisonStore = {
  /** Finished runs that are to be compared, those first that were not looked at for longest. `tries` counts failures in a row. */
  open(limit: number, signal: AbortSignal): Promise<readonly { readonly runId: string; readonly tries: number }[]>;
  /** One step, of at most so many pages. False when nothing is left to be done. */
  step(runId: string, pages: number, signal: AbortSignal): Promise<boolean>;
  /** A step that failed is tried again after a while; with `isFinal` the comparison ends as far as it came. */
  fail(runId: string, message: string, isFinal: boolean, signal: AbortSignal): Promise<void>;
  /** Undefined before the end of the comparison, and without an earlier run. */
  counts(runId: string, signal: AbortSignal): Promise<ComparisonCounts | undefined>;
  /** In the order of their ids. */
  changes(runId: string, query: ChangeQuery, signal: AbortSignal): Promise<readonly Change[]>;
  /** Pages that are as they were, by their keys. */
  unchangedUrls(
    runId: string,
    query: Pick<ChangeQuery, 'after' | 'limit'>,
    signal: AbortSignal,
  ): Promise<readonly Change[]>;
  /** UID of the newest run of that name whose results are kept. */
  runOf(namespace: string, name: string, signal: AbortSignal): Promise<string | undefined>;
};
