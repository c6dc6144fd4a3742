// Which part of its spec a retry crawls. Pure.

import { failedSources } from '../../custom-resources/retries.ts';
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

/**
 * The spec with all other sources switched off; or, in words, why nothing is left. `earlier` is the run that is tried again:
 * needed where its failed sources are asked for.
 */
export function retriedPart(spec: CrawlRunSpec, earlier: CrawlRun | undefined): CrawlRunSpec | string {
  const { only, sources: chosen } = spec.trigger;
  const failed = only === 'FailedSources' && earlier ? failedSources(earlier) : undefined;
  if (chosen === undefined && failed === undefined) return spec;
  const isRetried = (name: string) => chosen?.includes(name) !== false && failed?.includes(name) !== false;
  const sources = spec.sources.map((source) => ({ ...source, active: source.active && isRetried(source.name) }));
  if (sources.some(({ active }) => active)) return { ...spec, sources };
  if (failed === undefined) return `the sources that are to be retried are switched off: ${chosen?.join(', ')}`;
  if (failed.length > 0)
    return `none of the failed sources of run "${spec.trigger.retryOf}" is active here: ${failed.join(', ')}`;
  return `run "${spec.trigger.retryOf}" has no source that has failed or was not crawled to its end`;
}
