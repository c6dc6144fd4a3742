// The one way in which status is written: only on change, never over somebody else's write.
import type { KubeObject } from './kube-object.ts';
import type { RequestOptions, ResourceClient } from './resource-client.ts';

/**
 * Writes what `compute` returns as the object's status, if it differs from what is there. The resourceVersion that
 * compute saw is the precondition; on a conflict the object is read again and compute is called again.
 * Returns the object as it is now (give it to Cache.observe), or undefined when it is gone or has another UID.
 */
export async function updateStatus<Status extends object, T extends KubeObject & { status?: Status }>(
  _client: ResourceClient<T>,
  _object: T,
  _compute: (current: T) => Status,
  _options: RequestOptions,
): Promise<T | undefined> {
  throw new Error('not implemented');
}
