// A copy in memory of one resource type, kept true by list and watch, with indexes and change notices.
import type { Logger } from '../telemetry/logger.ts';
import type { KubeObject, ObjectRef } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import type { ResourceClient } from './resource-client.ts';

export interface CacheOptions<T extends KubeObject, Index extends string> {
  /** One namespace; absent: all of them. */
  namespace?: string;
  labelSelector?: string;
  /** For each index, the keys under which an object is found. */
  indexes: Record<Index, (object: T) => readonly string[]>;
  /** Drops what nobody reads, to save memory (managedFields always go). Gets its own copy, returns what is kept. */
  transform?: (object: T) => T;
  logger: Logger;
  metrics: KubeMetrics;
  /** Ends the cache. */
  signal: AbortSignal;
}

export type CacheChange<T extends KubeObject> =
  | { type: 'added'; object: T }
  | { type: 'updated'; object: T; previous: T }
  /** The last known state. */
  | { type: 'deleted'; object: T };

/** Objects are shared with every reader: never change one. */
export interface Cache<T extends KubeObject, Index extends string = never> {
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
   * An answer that the watch has already gone past is ignored.
   */
  observe(written: T): void;
  /** Resolves when the signal was aborted and the last connection is closed. */
  readonly done: Promise<void>;
}

export function createCache<T extends KubeObject, Index extends string = never>(
  _client: ResourceClient<T>,
  _options: CacheOptions<T, Index>,
): Cache<T, Index> {
  throw new Error('not implemented');
}
