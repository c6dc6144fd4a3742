// What only kubectl's columns are for: a path into the status cannot choose between conditions or subtract times.
import { type Condition, findCondition } from '../../kube/conditions.ts';
import type { CrawlRunStatus } from '../../resources/crawl-run.ts';
import { defined } from '../../resources/defined.ts';
import { formatDuration } from '../../resources/duration.ts';

export function runColumns(
  conditions: readonly Condition[],
  { startedAt, finishedAt }: { readonly startedAt?: Date | undefined; readonly finishedAt?: Date | undefined },
): Pick<CrawlRunStatus, 'reason' | 'duration'> {
  const ms = startedAt && finishedAt && Math.max(0, finishedAt.getTime() - startedAt.getTime());
  const shown = findCondition(conditions, 'Finished') ?? findCondition(conditions, 'Progressing');
  return defined({
    reason: shown?.reason,
    duration: ms === undefined ? undefined : formatDuration(Math.round(ms / 1_000) * 1_000),
  });
}
