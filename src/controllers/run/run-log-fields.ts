// How a log line names its run.
import type { CrawlRun } from '../../kube/custom-types.ts';

export function logFields(run: CrawlRun): Record<string, string> {
  return { run: run.metadata.uid, namespace: run.metadata.namespace ?? 'default', name: run.metadata.name };
}
