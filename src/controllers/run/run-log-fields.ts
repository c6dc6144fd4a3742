// How a log line names its run.
import type { CrawlRun } from '../../custom-resources/types.ts';

export function logFields(run: CrawlRun): Record<string, string> {
  return { run: run.metadata.uid, namespace: run.metadata.namespace, name: run.metadata.name };
}
