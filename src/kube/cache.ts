// A copy in memory of one resource type, kept true by list and watch, with indexes and change notices.
import type { Logger } from '../telemetry/logger.ts';
import { type KubeObject, type ObjectRef, withoutField } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import { type CacheChange, createObjectStore } from './object-store.ts';
import { type ReflectorTiming, reflect } from './reflector.ts';
import type { ResourceClient } from './resource-client.ts';
import { compareVersions } from './resource-version.ts';

export type { CacheChange } from './object-store.ts';

export interface CacheOptions<T extends KubeObject, Index extends string, Kept extends KubeObject = T> {
  /** One namespace; absent: all of them. */
  namespace?: string;
  labelSelector?: string;
  /** For each index, the keys under which an object is found. */
  indexes: Record<Index, (object: Kept) => readonly string[]>;
  /**
   * Drops what nobody reads, to save memory (managedFields always go). It may change what it is given, and return something smaller of another
   * type that keeps name, namespace, uid and resourceVersion.
   */
  transform?: (object: T) => Kept;
  logger: Logger;
  metrics: KubeMetrics;
  /** Ends the cache. */
  signal: AbortSignal;
  /** Other times than `DEFAULT_TIMING`. */
  timing?: ReflectorTiming;
}

/** Objects are shared with every reader: never change one. `Source` is what the API server sends. */
export interface Cache<T extends KubeObject, Index extends string = never, Source extends KubeObject = T> {
  get(ref: ObjectRef): T | undefined;
  list(): T[];
  byIndex(index: Index, key: string): T[];
  /** Called for each change in order, at first with `added` for all that is there. Returns what ends it. */
  subscribe(handler: (change: CacheChange<T>) => void): () => void;
  /** Whether the first list is complete. */
  hasSynced(): boolean;
  /** Resolves when hasSynced. Rejects with the signal's reason. */
  synced(signal: AbortSignal): Promise<void>;
  /**
   * Takes the answer to our own write, so that the next reconcile sees it although the watch is not there yet.
   * An answer that the watch has already gone past is ignored. It must be an object that the cache selects, and it is
   * the cache's from now on.
   */
  observe(written: Source): void;
  /** Whether all is known that was written up to this version. */
  isPast(version: string): boolean;
  /**
   * All that was there at this time of `performance.now()` is known: then the API server has last sent an event or a bookmark, has ended a watch at its
   * time, or was asked for the list. Undefined before the first list is complete.
   */
  confirmedAt(): number | undefined;
  /** Resolves when the signal was aborted and the last connection is closed. */
  readonly done: Promise<void>;
}

/** Starts to follow the resource at once. */
export function createCache<T extends KubeObject, Index extends string = never, Kept extends KubeObject = T>(
  client: ResourceClient<T>,
  options: CacheOptions<T, Index, Kept>,
): Cache<Kept, Index, T> {
  const { logger, metrics, transform } = options;
  const resource = client.type.plural;
  const handlers = new Set<(change: CacheChange<Kept>) => void>();
  const firstList = Promise.withResolvers<void>();
  let confirmedAt: number | undefined;
  const store = createObjectStore<Kept, Index>(options.indexes, (change) => {
    metrics.cacheObjects.set({ resource }, store.size);
    for (const handler of handlers) call(handler, change);
  });

  function call(handler: (change: CacheChange<Kept>) => void, change: CacheChange<Kept>): void {
    try {
      handler(change);
    } catch (error) {
      logger.error({ resource, err: error }, 'a handler of cache changes failed');
    }
  }

  /** What is here in this very version already needs no second copy: most objects of a new list, and our own writes. */
  function trim(object: T): Kept {
    const known = store.known(object);
    if (known !== undefined) return known;
    object.metadata = withoutField(object.metadata, 'managedFields');
    // Without a transform what is kept is what is sent: both types are one.
    return transform === undefined ? (object as KubeObject as Kept) : transform(object);
  }

  const done = reflect(
    client,
    {
      get version() {
        return store.version;
      },
      trim,
      replaceAll(objects, version) {
        store.replaceAll(objects, version);
        metrics.cacheObjects.set({ resource }, store.size);
        firstList.resolve();
      },
      put: (object) => store.put(trim(object)),
      remove: (object) => store.remove(trim(object)),
      advance: store.advance,
      confirm(at) {
        confirmedAt = Math.max(at, confirmedAt ?? at);
      },
    },
    options,
  );

  return {
    get: store.get,
    list: store.list,
    byIndex: store.byIndex,
    subscribe(handler) {
      handlers.add(handler);
      for (const object of store.list()) call(handler, { type: 'added', object });
      return () => handlers.delete(handler);
    },
    hasSynced: () => store.version !== undefined,
    synced: (signal) => unlessAborted(firstList.promise, signal),
    observe: (written) => store.observe(trim(written)),
    isPast: (version) => store.version !== undefined && compareVersions(store.version, version) >= 0,
    confirmedAt: () => confirmedAt,
    done,
  };
}

function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
  });
}
