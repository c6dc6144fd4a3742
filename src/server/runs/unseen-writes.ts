// What this replica has written and its watch has not told of yet: until then a list from memory would lack it.
import type { Cache } from '../../kube/cache.ts';
import type { KubeObject, NamespacedObject, ObjectRef } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';

/** A deletion has no version of its own: it is seen when the object of this UID is gone, or is about to go. */
type Write = { readonly ref: ObjectRef; readonly at: number } & (
  | { readonly version: string }
  | { readonly uid: string }
);

export type UnseenWrites = {
  /** The same client; what it writes counts as unseen. */
  noting<T extends NamespacedObject>(client: ResourceClient<T>): ResourceClient<T>;
  areSeen(namespace: string, cache: Pick<Cache<KubeObject>, 'get' | 'isPast'>): boolean;
};

type UnseenWritesOptions = {
  /** A watch that has not told of a write for so long is not asked any more anyway. */
  readonly forMs: number;
  readonly now: () => number;
};

export function createUnseenWrites({ forMs, now }: UnseenWritesOptions): UnseenWrites {
  let writes: readonly Write[] = [];
  const isRecent = (write: Write) => now() - write.at <= forMs;

  function note(write: Write): void {
    writes = [...writes.filter(isRecent), write];
  }

  function noted<T extends NamespacedObject>(written: T, isDryRun = false): T {
    const { namespace, name, resourceVersion: version } = written.metadata;
    if (!isDryRun) note({ ref: { namespace, name }, at: now(), version });
    return written;
  }

  return {
    noting: (client) => ({
      ...client,
      create: async (object, options) => noted(await client.create(object, options), options.dryRun),
      replace: async (object, options) => noted(await client.replace(object, options)),
      patch: async (ref, change, options) => noted(await client.patch(ref, change, options), options.dryRun),
      async delete(ref, options) {
        const isDeleted = await client.delete(ref, options);
        const uid = options.preconditions?.uid;
        if (uid !== undefined) note({ ref, at: now(), uid });
        return isDeleted;
      },
    }),
    areSeen: (namespace, cache) =>
      writes.every((write) => write.ref.namespace !== namespace || !isRecent(write) || isSeen(write, cache)),
  };
}

/** Asked anew each time: a run that is not there yet may come before it goes. */
function isSeen(write: Write, cache: Pick<Cache<KubeObject>, 'get' | 'isPast'>): boolean {
  if ('version' in write) return cache.isPast(write.version);
  const there = cache.get(write.ref)?.metadata;
  return there?.uid !== write.uid || there.deletionTimestamp !== undefined;
}
