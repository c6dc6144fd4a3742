// A Secret of the operator's own namespace: written when its data are not what they should be.
import type { Secret } from '../../kube/builtin-types.ts';
import type { ObjectRef } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';

/** The Secret's data as text; undefined when there is no such Secret. */
export type ReadSecret = { readonly secret: Secret | undefined; readonly data: Readonly<Record<string, string>> };

export async function readSecret(
  secrets: ResourceClient<Secret>,
  ref: ObjectRef,
  signal: AbortSignal,
): Promise<ReadSecret> {
  const secret = await secrets.get(ref, { signal });
  const entries = Object.entries(secret?.data ?? {});
  return {
    secret,
    data: Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])),
  };
}

/**
 * Creates the Secret, or writes the keys that differ, and removes those that are undefined; false when all is as wanted.
 * Rejects with AlreadyExists or a Conflict when it has changed since it was read: what another operator has just written is
 * never overwritten.
 */
export async function writeSecret(
  secrets: ResourceClient<Secret>,
  ref: ObjectRef,
  { secret, data: known }: ReadSecret,
  wanted: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<boolean> {
  const changed = Object.entries(wanted).filter(([key, value]) => known[key] !== value);
  if (changed.length === 0) return false;
  const data = Object.fromEntries(changed.map(([key, value]) => [key, value === undefined ? null : encode(value)]));
  if (secret === undefined) {
    const { namespace, name } = ref;
    const labels = { 'app.kubernetes.io/managed-by': 'trawler' };
    await secrets.create(
      { metadata: { ...(namespace ? { namespace } : {}), name, labels }, data: present(data) },
      { signal },
    );
  } else {
    const { uid, resourceVersion } = secret.metadata;
    await secrets.patch(ref, { type: 'merge', body: { metadata: { uid, resourceVersion }, data } }, { signal });
  }
  return true;
}

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** In a merge patch null removes a key; a new object has nothing to remove. */
function present(data: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
}
