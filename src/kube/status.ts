// The one way in which status is written: only on change, never over somebody else's write.
import { isDeepStrictEqual } from 'node:util';
import { isConflict, isNotFound } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import type { RequestOptions, ResourceClient } from './resource-client.ts';

/** Conflicts in a row after which the work queue's back-off is the better way to wait. */
const ATTEMPTS = 5;

/**
 * Writes what `compute` returns as the object's status, if it differs from what is there. The resourceVersion that
 * compute saw is the precondition; on a conflict the object is read again and compute is called again.
 * Returns the object as it is now (give it to Cache.observe), or undefined when it is gone or has another UID.
 */
export async function updateStatus<T extends KubeObject>(
  client: ResourceClient<T>,
  object: T,
  compute: (current: T) => NonNullable<T['status']>,
  options: RequestOptions,
): Promise<T | undefined> {
  let current = object;
  for (let attempt = 1; ; attempt += 1) {
    const change = mergePatch(current.status ?? {}, asJson(compute(current)));
    if (change === undefined) return current;
    const { resourceVersion } = current.metadata;
    const body = { metadata: { resourceVersion }, status: change };
    try {
      return await client.patch(current.metadata, { type: 'merge', body }, { ...options, subresource: 'status' });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
    const latest = await client.get(object.metadata, options);
    if (latest?.metadata.uid !== object.metadata.uid) return undefined;
    current = latest;
  }
}

/** As the API server will have it: without undefined, dates as strings. */
function asJson(status: object): object {
  return JSON.parse(JSON.stringify(status)) as object;
}

/**
 * The JSON merge patch (RFC 7396) that makes `from` into `to`, or undefined when they are the same.
 * Lists are replaced as a whole.
 */
export function mergePatch(from: object, to: object): Record<string, unknown> | undefined {
  const before = new Map<string, unknown>(Object.entries(from));
  const after = new Map<string, unknown>(Object.entries(to));
  const patch: Record<string, unknown> = {};
  for (const key of before.keys()) {
    if (!after.has(key)) patch[key] = null;
  }
  for (const [key, value] of after) {
    const previous = before.get(key);
    if (isDeepStrictEqual(previous, value)) continue;
    const change = isPlainObject(previous) && isPlainObject(value) ? mergePatch(previous, value) : value;
    if (change !== undefined) patch[key] = change;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
