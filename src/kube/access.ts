// Whether the API server lets us read what we have to follow, and if not, why.
import { isForbidden, isNotFound } from './kube-error.ts';
import type { ResourceType } from './kube-object.ts';

/** The part of a ResourceClient that tells. */
type Listing = {
  readonly type: ResourceType;
  list(options: { signal: AbortSignal; limit: number; namespace?: string }): Promise<unknown>;
};

/**
 * Lists one object of each resource. Returns what is wrong with the first that cannot be listed, with what to do about
 * it; undefined when all can be. Rejects with the signal's reason.
 * @param namespaces absent: resources of the whole cluster
 */
export async function accessTrouble(
  resources: readonly Listing[],
  namespaces: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const places = namespaces?.map((namespace) => ({ namespace })) ?? [{}];
  for (const resource of resources) {
    for (const place of places) {
      try {
        await resource.list({ ...place, signal, limit: 1 });
      } catch (error) {
        signal.throwIfAborted();
        return describe(resource.type, error);
      }
    }
  }
  return undefined;
}

function describe({ plural, group, version }: ResourceType, error: unknown): string {
  const name = group === '' ? plural : `${plural}.${group}`;
  const said = error instanceof Error ? error.message : String(error);
  if (isNotFound(error))
    return `the API server does not serve ${name}/${version}: install the CRDs (crds/ or the chart)`;
  if (isForbidden(error)) return `the ServiceAccount lacks a right: ${said}`;
  return `${name} cannot be listed: ${said}`;
}
