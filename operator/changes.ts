// `trawler changes`: what a run found that its schedule's run before had not, page by page and item by item, to read or to export.
import { csvRows } from '../src/formats/csv.ts';
import type { Change, ComparisonStore } from '../src/store/comparison-store.ts';

export type ChangesOptions = {
  readonly namespace: string;
  readonly kind?: Change['kind'];
  readonly change?: Change['change'];
  readonly output: 'jsonl' | 'csv' | 'counts';
};

/** Rows of one question to the database. */
const PAGE = 1_000;
const COLUMNS = ['kind', 'change', 'source', 'url', 'item', 'fields'] as const;

/** @throws Error for a run that nothing is kept of, and one that is not compared */
export async function* changes(
  comparisons: ComparisonStore,
  run: string,
  { namespace, kind, change, output }: ChangesOptions,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const runId = await comparisons.runOf(namespace, run, signal);
  if (runId === undefined) throw new Error(`the results of a run "${run}" in namespace ${namespace} are not kept`);
  const counts = await comparisons.counts(runId, signal);
  if (counts === undefined) {
    throw new Error(
      `run "${run}" is not compared: it has no schedule, is a retry, did not get through the site, is the first of its schedule whose results are kept, or the operator is still at it`,
    );
  }
  if (output === 'counts') {
    yield JSON.stringify(counts);
    return;
  }
  if (change === 'Unchanged' && kind === 'Item') {
    throw new Error('items that are as they were are counted (--output counts), and not listed');
  }
  if (output === 'csv') yield csv(COLUMNS);
  for await (const one of rows(comparisons, runId, { kind, change }, signal)) {
    const { id: _, ...row } = one;
    yield output === 'csv' ? csv(COLUMNS.map((column) => row[column])) : JSON.stringify(row);
  }
}

async function* rows(
  comparisons: ComparisonStore,
  runId: string,
  { kind, change }: { readonly kind: Change['kind'] | undefined; readonly change: Change['change'] | undefined },
  signal: AbortSignal,
): AsyncGenerator<Change> {
  const query = { ...(kind === undefined ? {} : { kind }), limit: PAGE };
  for (let after: { after: string } | undefined; ; ) {
    const page =
      change === 'Unchanged'
        ? await comparisons.unchangedUrls(runId, { ...query, ...after }, signal)
        : await comparisons.changes(runId, { ...query, ...(change ? { change } : {}), ...after }, signal);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = { after: last.id };
  }
}

function csv(cells: readonly unknown[]): string {
  return csvRows([cells], 'unix').trimEnd();
}
