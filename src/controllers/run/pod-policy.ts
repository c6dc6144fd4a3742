// Which fields of a pod the operator lets users of schedules and runs set. Pure function.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { POLICED_POD_FIELDS, type PolicedPodField } from '../../resources/pod-template.ts';

/** Fields of the spec, as paths, that are set and not allowed. */
export function forbiddenPodFields(spec: CrawlRunSpec, allowed: readonly PolicedPodField[]): string[] {
  return POLICED_POD_FIELDS.filter((field) => !allowed.includes(field) && isSet(spec, field)).map((field) =>
    field === 'image' ? 'spec.image' : `spec.pod.${field}`,
  );
}

function isSet(spec: CrawlRunSpec, field: PolicedPodField): boolean {
  const value = field === 'image' ? spec.image : spec.pod[field];
  return value !== undefined && (typeof value !== 'object' || Object.keys(value).length > 0);
}
