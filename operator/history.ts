// `trawler history`: what stays of runs and of maintenance after their end, for a person or for a program.
import { type Column, seconds, tableLines } from '../src/cli/table.ts';
import type { Execution, ExecutionStore } from '../src/store/execution-store.ts';

export type HistoryOptions = {
  readonly namespace: string;
  readonly run?: string;
  readonly maintenance?: boolean;
  readonly limit: number;
  readonly json?: boolean;
};

/** Most rows of one answer. */
const MOST_ROWS = 10_000;

/** @throws Error for a run that nothing is kept of */
export async function history(
  executions: Pick<ExecutionStore, 'list' | 'find'>,
  schedule: string | undefined,
  { namespace, run, maintenance, limit, json }: HistoryOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (run !== undefined) {
    const found = await executions.find(namespace, run, signal);
    if (found === undefined) throw new Error(`nothing is kept of a run "${run}" in namespace ${namespace}`);
    return [JSON.stringify(found, undefined, json ? undefined : 2)];
  }
  const query = {
    namespace,
    type: maintenance ? 'Maintenance' : 'Crawl',
    limit: Math.min(limit, MOST_ROWS),
    ...(schedule === undefined ? {} : { scheduleName: schedule }),
  } as const;
  const found = await executions.list(query, signal);
  return json
    ? found.map((one) => JSON.stringify(one))
    : tableLines(maintenance ? MAINTENANCE_COLUMNS : RUN_COLUMNS, found);
}

const RUN_COLUMNS: readonly Column<Execution>[] = [
  ['RUN', ({ name }) => name],
  ['TRIGGER', ({ trigger }) => trigger],
  ['RESULT', ({ outcome }) => outcome],
  ['FINISHED', ({ finishedAt }) => seconds(finishedAt)],
  ['DURATION', duration],
  ['DONE', ({ succeeded }) => String(succeeded)],
  ['FAILED', ({ failed }) => String(failed)],
  ['SKIPPED', ({ skipped }) => String(skipped)],
  ['ITEMS', ({ items }) => String(items)],
  ['BYTES', ({ bytes }) => String(bytes)],
  ['CHANGES', ({ changes }) => countsOf(changes)],
];

const MAINTENANCE_COLUMNS: readonly Column<Execution>[] = [
  ['SLOT', ({ scheduledTime }) => (scheduledTime ? seconds(scheduledTime) : '')],
  ['RESULT', ({ outcome }) => outcome],
  ['FINISHED', ({ finishedAt }) => seconds(finishedAt)],
  ['DURATION', duration],
  ['DROPPED', ({ work }) => countsOf(work)],
  ['MESSAGE', ({ message = '' }) => message],
];

function duration({ startedAt, finishedAt }: Execution): string {
  return startedAt === undefined ? '' : `${Math.round((finishedAt.getTime() - startedAt.getTime()) / 1_000)}s`;
}

function countsOf(counts: Readonly<Record<string, number>> = {}): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}=${count}`)
    .join(',');
}
