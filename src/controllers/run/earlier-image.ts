// Which image the runs of a schedule had before: a tag that was moved changes a crawl without a word.
import type { CrawlRun } from '../../custom-resources/types.ts';
import { controllerOf } from '../../kube/kube-object.ts';
import { LABEL } from '../../resources/group.ts';
import type { RunCache } from '../caches.ts';
import { ownRuns } from '../schedule/run-order.ts';

/** The digest of the schedule's newest own run before this one that has told it. A canary has another image on purpose. */
export function earlierImage(run: CrawlRun, runCache: Pick<RunCache, 'byIndex'>): string | undefined {
  const owner = controllerOf(run);
  if (owner === undefined || isCanary(run)) return undefined;
  const created = createdAt(run);
  const earlier = ownRuns(runCache.byIndex('controller', owner.uid)).filter(
    (other) => createdAt(other) < created && !isCanary(other) && other.status?.imageID !== undefined,
  );
  return earlier.toSorted((a, b) => createdAt(b) - createdAt(a))[0]?.status?.imageID;
}

function isCanary({ metadata }: CrawlRun): boolean {
  return metadata.labels?.[LABEL.canary] !== undefined;
}

function createdAt({ metadata }: CrawlRun): number {
  return Date.parse(metadata.creationTimestamp ?? '');
}
