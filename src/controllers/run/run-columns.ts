// What only kubectl's columns are for: a path into the status cannot choose between conditions or subtract times.
import { type Condition, findCondition } from '../../kube/conditions.ts';
import type { CrawlRunStatus } from '../../resources/crawl-run.ts';
import { defined } from '../../resources/defined.ts';
import { formatDuration } from '../../resources/duration.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';

export function runColumns(
  conditions: readonly Condition[],
  snapshot: Pick<RunSnapshot, 'startedAt' | 'finishedAt'> | undefined,
): Pick<CrawlRunStatus, 'reason' | 'duration'> {
  const { startedAt, finishedAt } = snapshot ?? {};
  const ms = startedAt && finishedAt && Math.max(0, finishedAt.getTime() - startedAt.getTime());
  const shown = findCondition(conditions, 'Finished') ?? findCondition(conditions, 'Progressing');
  return defined({
    reason: shown?.reason,
    duration: ms === undefined ? undefined : formatDuration(Math.round(ms / 1_000) * 1_000),
  });
}
