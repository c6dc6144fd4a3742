// What people do with backfills, through the plugin or the API server: have one planned, approve its plan, pause, resume and cancel it.
import { findCondition } from '../kube/conditions.ts';
import { controllerReference, type NewObject } from '../kube/kube-object.ts';
import type { CrawlBackfillSpecInput } from '../resources/crawl-backfill.ts';
import { runName } from '../resources/names.ts';
import type { CrawlBackfill, CrawlSchedule } from './types.ts';

/** Goes with its schedule, and does not block the deletion of that. */
export function newBackfill(
  schedule: CrawlSchedule,
  wanted: Pick<CrawlBackfillSpecInput, 'from' | 'to' | 'reprocess' | 'maxActive'>,
  now: Date,
): NewObject<CrawlBackfill> {
  const { name, namespace } = schedule.metadata;
  const ownerReferences = [{ ...controllerReference(schedule), blockOwnerDeletion: false }];
  return {
    metadata: { name: runName(name, now), namespace, ownerReferences },
    spec: { scheduleName: name, ...wanted },
  };
}

/** Merge patches of its spec. The operator makes runs for the plan only if it is still the one that is approved. */
export const BACKFILL_CHANGES = {
  pause: { suspend: true },
  resume: { suspend: false },
  cancel: { cancel: true },
} as const satisfies Record<string, Partial<CrawlBackfillSpecInput>>;

/** Why nothing can be changed of one that has come to its end; undefined before that. */
export function backfillEnd({ metadata, status }: CrawlBackfill): string | undefined {
  if (findCondition(status?.conditions, 'Finished')?.status !== 'True') return undefined;
  return `CrawlBackfill "${metadata.name}" has come to its end (${status?.phase})`;
}
