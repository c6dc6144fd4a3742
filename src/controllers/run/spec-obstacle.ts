// Why a run may not be accepted although the API server let it in: its size, or fields that the operator withholds. Pure.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { PolicedPodField } from '../../resources/pod-template.ts';
import type { StartObstacle } from './obstacle.ts';
import { forbiddenPodFields } from './pod-policy.ts';

/** etcd takes 1.5 MiB for a whole object: the rest is for metadata and status, and for managers of its fields. */
export const MAX_SPEC_BYTES = 1_048_576;

export function specObstacle(
  run: CrawlRun,
  spec: CrawlRunSpec,
  allowedPodFields: readonly PolicedPodField[],
): StartObstacle | undefined {
  const refuse = (reason: 'SpecTooLarge' | 'PodFieldForbidden', message: string): StartObstacle => {
    return { condition: 'Accepted', patience: 'Final', reason, message };
  };
  const bytes = Buffer.byteLength(JSON.stringify(run.spec));
  if (bytes > MAX_SPEC_BYTES) {
    const message = `spec has ${bytes} bytes, and no more than ${MAX_SPEC_BYTES} leave room for a status: move URLs to spec.sources[].urlsFrom or sitemaps`;
    return refuse('SpecTooLarge', message);
  }
  const forbidden = forbiddenPodFields(spec, allowedPodFields);
  if (forbidden.length === 0) return undefined;
  const message = `${forbidden.join(', ')} may not be set here: leave it out, or have it added to crawler.allowedPodFields in the values of the operator`;
  return refuse('PodFieldForbidden', message);
}
