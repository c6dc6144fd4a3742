// Edits of a run under way, as merge patches: what people change most often, see docs/schedules.md. Pure functions.
import type { CrawlRun } from './types.ts';

export function ratePatch(requestsPerSecond: number): object {
  return { spec: { politeness: { requestsPerSecond } } };
}

export function concurrencyPatch(concurrency: number): object {
  return { spec: { concurrency } };
}

export function workersPatch(workers: number): object {
  return { spec: { workers } };
}

export type ExcludeEdit = {
  readonly patterns: readonly string[];
  /** All sources when left out. */
  readonly source?: string | undefined;
  readonly isTakenBack: boolean;
};

/**
 * Adds patterns to what sources leave out, or takes them back. A list is replaced as a whole by a patch, so it holds the version that it
 * was made for. Undefined when that changes nothing.
 */
export function excludePatch(run: CrawlRun, { patterns, source, isTakenBack }: ExcludeEdit) {
  const sources = run.spec.sources.map((one) => {
    if (source !== undefined && one.name !== source) return one;
    const before = one.scope?.exclude ?? [];
    const others = before.filter((pattern) => !patterns.includes(pattern));
    const added = patterns.filter((pattern) => !before.includes(pattern));
    return { ...one, scope: { ...one.scope, exclude: isTakenBack ? others : [...before, ...added] } };
  });
  const lengthOf = (list: CrawlRun['spec']['sources']) =>
    list.reduce((sum, { scope }) => sum + (scope?.exclude?.length ?? 0), 0);
  if (lengthOf(sources) === lengthOf(run.spec.sources)) return undefined;
  return { metadata: { resourceVersion: run.metadata.resourceVersion }, spec: { sources } };
}
