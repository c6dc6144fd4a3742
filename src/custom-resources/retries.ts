// What of a run can be tried again, as its status shows it. Pure.
import type { z } from 'zod';
import type { retryPart } from '../resources/crawl-run.ts';
import type { CrawlRun } from './types.ts';

/** What is asked for: all of a run, its dead letters, those of some causes, its failed sources; of some sources alone. */
export type RetryPart = z.output<z.ZodObject<typeof retryPart>>;

/** Names of the sources of a run that have failed, or were not crawled to their end. */
export function failedSources({ status }: CrawlRun): string[] {
  return (status?.sources ?? []).flatMap(({ name, state }) => (state === 'Failed' || state === 'Stopped' ? name : []));
}

/** Why a retry of a finished run would have nothing to do, in words; undefined where the status does not tell. */
export function nothingToRetry(run: CrawlRun, { only }: RetryPart): string | undefined {
  const { progress, sources } = run.status ?? {};
  if (only === 'Dead' && progress?.failed === 0) return 'it has no dead letters';
  if (only !== 'FailedSources' || sources === undefined || failedSources(run).length > 0) return undefined;
  return 'it has no source that has failed or was not crawled to its end';
}

/** The sources that a retry of the run is confined to, since the run was itself. */
export function inheritedSources({ spec, status }: CrawlRun): string[] | undefined {
  const { only, sources } = spec.trigger ?? {};
  if (only !== 'FailedSources') return sources;
  return (status?.sources ?? []).flatMap(({ name, state }) => (state === 'Inactive' ? [] : name));
}

/** As `Dead (HttpError, Timeout) in shop`. */
export function partInWords({ only, causes, sources }: RetryPart): string {
  const ofCauses = causes === undefined ? '' : ` (${causes.join(', ')})`;
  return `${only}${ofCauses}${sources === undefined ? '' : ` in ${sources.join(', ')}`}`;
}
