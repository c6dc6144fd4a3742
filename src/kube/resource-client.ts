// The verbs of one resource type: get, list, watch, create, replace, patch, delete.
import type { KubeObject, NewObject, ObjectRef, ResourceType } from './kube-object.ts';

export interface RequestOptions {
  signal: AbortSignal;
  /** How long to wait for the answer's start, and for each next part of it. Default 30,000 ms. */
  timeoutMs?: number;
}

export interface SelectorOptions {
  /** One namespace; absent: all of them. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface ListOptions extends RequestOptions, SelectorOptions {
  /** Objects a page; absent: everything in one answer. */
  limit?: number;
  /** The token of the page before. */
  continueToken?: string;
  /** Absent: the newest state (a consistent read). */
  resourceVersion?: string;
}

export interface KubeList<T extends KubeObject> {
  items: T[];
  /** The version of the list as a whole: where a watch goes on from. */
  resourceVersion: string;
  /** Present while there are more pages. */
  continueToken?: string;
}

export interface WatchOptions extends SelectorOptions {
  signal: AbortSignal;
  /** Events after this version. */
  resourceVersion: string;
  /** The API server ends the watch after this many seconds. */
  timeoutSeconds: number;
  /** No event and no bookmark for so long means that the connection is dead. The API server sends one a minute. */
  silenceMs?: number;
}

export type WatchEvent<T extends KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  /** Nothing changed up to this version. */
  | { type: 'BOOKMARK'; resourceVersion: string };

export type Patch =
  | { type: 'merge'; body: object }
  | { type: 'json'; body: readonly JsonPatchOperation[] }
  /** Built-in types only. */
  | { type: 'strategic'; body: object }
  /** Server-side apply. `force` takes over fields of other managers. */
  | { type: 'apply'; body: object; fieldManager: string; force?: boolean };

export type JsonPatchOperation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string };

export interface DeleteOptions extends RequestOptions {
  /** Deletes only this very object: another UID or version is a Conflict. */
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface WriteOptions extends RequestOptions {
  /** Writes the status subresource in place of the object. */
  subresource?: 'status';
}

/**
 * A typed client of one resource. Every call throws a KubeError when the API server refuses or cannot be reached,
 * and the signal's reason when the caller gave up.
 */
export interface ResourceClient<T extends KubeObject> {
  readonly type: ResourceType;
  /** Undefined when there is no such object. */
  get(ref: ObjectRef, options: RequestOptions): Promise<T | undefined>;
  /** One page. */
  list(options: ListOptions): Promise<KubeList<T>>;
  /** Ends when the API server ends it; throws a KubeError on an error in the stream (410: list again). */
  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create(object: NewObject<T>, options: RequestOptions): Promise<T>;
  /** Writes the whole object; its resourceVersion is the precondition. */
  replace(object: T, options: WriteOptions): Promise<T>;
  /** A `metadata.resourceVersion` in the body makes the patch conditional. */
  patch(ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T>;
  /** False when there was nothing to delete. */
  delete(ref: ObjectRef, options: DeleteOptions): Promise<boolean>;
}
