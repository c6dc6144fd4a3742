// Several caches of one resource, each of a namespace of its own, as one.
import type { Cache } from './cache.ts';
import type { KubeObject, ObjectRef } from './kube-object.ts';

/** @param byNamespace one cache for each namespace; objects of any other are unknown */
export function mergeCaches<T extends KubeObject, Index extends string>(
  byNamespace: ReadonlyMap<string, Cache<T, Index>>,
): Cache<T, Index> {
  const caches = [...byNamespace.values()];
  const cacheOf = ({ namespace }: Pick<ObjectRef, 'namespace'>) => byNamespace.get(namespace ?? '');
  return {
    get: (ref) => cacheOf(ref)?.get(ref),
    list: () => caches.flatMap((cache) => cache.list()),
    byIndex: (index, key) => caches.flatMap((cache) => cache.byIndex(index, key)),
    subscribe(handler) {
      const endings = caches.map((cache) => cache.subscribe(handler));
      return () => {
        for (const end of endings) end();
      };
    },
    hasSynced: () => caches.every((cache) => cache.hasSynced()),
    async synced(signal) {
      await Promise.all(caches.map((cache) => cache.synced(signal)));
    },
    isPast: (version) => caches.every((cache) => cache.isPast(version)),
    confirmedAt() {
      const times = caches.flatMap((cache) => cache.confirmedAt() ?? []);
      return times.length === caches.length ? Math.min(...times) : undefined;
    },
    observe: (written) => cacheOf(written.metadata)?.observe(written),
    done: Promise.all(caches.map((cache) => cache.done)).then(() => undefined),
  };
}
