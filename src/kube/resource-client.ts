// The verbs of one resource type: get, list, watch, create, replace, patch, delete.
import { isNotFound, KubeError } from './kube-error.ts';
import { apiVersionOf, type KubeObject, type NewObject, type ObjectRef, type ResourceType } from './kube-object.ts';
import type { Transport } from './transport.ts';

export interface RequestOptions {
  signal: AbortSignal;
  /** How long to wait for the answer's start, and for each next part of it. Default 30,000 ms. */
  timeoutMs?: number;
}

export interface SelectorOptions {
  /** One namespace; absent: all of them. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
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
  /** Nothing else changed up to this version. */
  | { type: 'BOOKMARK'; resourceVersion: string }
  /** The API server has ended the watch at its time, after all that it had to say: the last event. */
  | { type: 'END' }
  /** The API server gave the watch up: the last event. Whatever the error, list again. */
  | { type: 'ERROR'; error: KubeError };

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

/** `Strict`: a field that the schema does not know is refused, and not dropped. */
export interface FieldValidation {
  fieldValidation?: 'Strict';
}

export interface CreateOptions extends RequestOptions, FieldValidation {
  /** The API server does all but store it. */
  dryRun?: boolean;
}

export interface DeleteOptions extends RequestOptions {
  /** Deletes only this very object: another UID or version is a Conflict. */
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface PatchOptions extends WriteOptions {
  /** The API server does all but store it. */
  dryRun?: boolean;
}

export interface WriteOptions extends RequestOptions, FieldValidation {
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
  /** Ends when the API server ends it, or by force soon after timeoutSeconds. */
  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create(object: NewObject<T>, options: CreateOptions): Promise<T>;
  /** Writes the whole object; its resourceVersion is the precondition. */
  replace(object: T, options: WriteOptions): Promise<T>;
  /** A `metadata.resourceVersion` in the body makes the patch conditional. */
  patch(ref: ObjectRef, patch: Patch, options: PatchOptions): Promise<T>;
  /** False when there was nothing to delete. */
  delete(ref: ObjectRef, options: DeleteOptions): Promise<boolean>;
}

const TIMEOUT_MS = 30_000;
const SILENCE_MS = 150_000;
/** After its timeoutSeconds the API server has so long to end a watch by itself. */
export const GRACE_MS = 5_000;
/** Clocks differ: a watch that ends so much too early has ended at its time. */
const EARLY_MS = 500;

const PATCH_CONTENT_TYPES: Record<Patch['type'], string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  // JSON is YAML.
  apply: 'application/apply-patch+yaml',
};

export function createResourceClient<T extends KubeObject>(
  transport: Transport,
  type: ResourceType,
  { rateLimited }: { rateLimited: boolean },
): ResourceClient<T> {
  const base = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;

  function collection(namespace: string | undefined): string {
    if (!type.namespaced || namespace === undefined) return `${base}/${type.plural}`;
    return `${base}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`;
  }

  function single({ namespace, name }: ObjectRef, subresource?: string): string {
    // Without this, an empty name would make a delete of one object a delete of all.
    if (name === '') throw new Error(`a ${type.kind} without a name`);
    if (type.namespaced && !namespace) throw new Error(`${type.kind} ${name} without a namespace`);
    const path = `${collection(namespace)}/${encodeURIComponent(name)}`;
    return subresource === undefined ? path : `${path}/${subresource}`;
  }

  function common({ signal, timeoutMs }: RequestOptions) {
    return { resource: type.plural, signal, timeoutMs: timeoutMs ?? TIMEOUT_MS, rateLimited };
  }

  /** Items of a list of a built-in type come without them. */
  function typed(object: T): T {
    object.apiVersion ??= apiVersionOf(type);
    object.kind ??= type.kind;
    return object;
  }

  async function get(ref: ObjectRef, options: RequestOptions): Promise<T | undefined> {
    try {
      const answer = await transport.send({ ...common(options), verb: 'get', method: 'GET', path: single(ref) });
      return typed(answer as T);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function list(options: ListOptions): Promise<KubeList<T>> {
    const query = {
      ...selectors(options),
      ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
      ...(options.continueToken === undefined ? {} : { continue: options.continueToken }),
      ...(options.resourceVersion === undefined ? {} : { resourceVersion: options.resourceVersion }),
    };
    const path = collection(options.namespace);
    const answer = await transport.send({ ...common(options), verb: 'list', method: 'GET', path, query });
    const { items, metadata } = answer as {
      items: T[] | null;
      metadata: { resourceVersion: string; continue?: string };
    };
    return {
      items: (items ?? []).map(typed),
      resourceVersion: metadata.resourceVersion,
      ...(metadata.continue ? { continueToken: metadata.continue } : {}),
    };
  }

  async function* watch(options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const end = new AbortController();
    const startedAt = performance.now();
    const timer = setTimeout(() => end.abort(), options.timeoutSeconds * 1000 + GRACE_MS);
    try {
      const body = await transport.stream({
        ...common({ signal: AbortSignal.any([options.signal, end.signal]) }),
        verb: 'watch',
        method: 'GET',
        path: collection(options.namespace),
        query: {
          ...selectors(options),
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: options.resourceVersion,
          timeoutSeconds: String(options.timeoutSeconds),
        },
        silenceMs: options.silenceMs ?? SILENCE_MS,
      });
      for await (const line of linesOf(body)) yield watchEvent(line);
      // One that is ended before its time may be that of a client that was too slow to be told all.
      if (performance.now() - startedAt >= options.timeoutSeconds * 1000 - EARLY_MS) yield { type: 'END' };
    } catch (error) {
      // Ended by force: as good as the API server's own end.
      if (!end.signal.aborted || options.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  function watchEvent(line: string): WatchEvent<T> {
    const { type: kind, object } = parseEvent(line);
    if (kind === 'ERROR') return { type: 'ERROR', error: errorInStream(object) };
    const changed = object as T;
    if (kind === 'BOOKMARK') return { type: 'BOOKMARK', resourceVersion: changed.metadata.resourceVersion };
    if (kind === 'ADDED' || kind === 'MODIFIED' || kind === 'DELETED') return { type: kind, object: typed(changed) };
    throw new KubeError({ status: 0, reason: 'BadAnswer', message: `unknown watch event ${kind}` });
  }

  async function create(object: NewObject<T>, options: CreateOptions): Promise<T> {
    const body = { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
    const path = collection(object.metadata.namespace);
    if (type.namespaced && !object.metadata.namespace) throw new Error(`a new ${type.kind} without a namespace`);
    return (await transport.send({
      ...common(options),
      verb: 'create',
      method: 'POST',
      path,
      query: { ...validation(options), ...(options.dryRun ? { dryRun: 'All' } : {}) },
      body,
    })) as T;
  }

  async function replace(object: T, options: WriteOptions): Promise<T> {
    const path = single(object.metadata, options.subresource);
    const query = validation(options);
    return (await transport.send({
      ...common(options),
      verb: 'replace',
      method: 'PUT',
      path,
      query,
      body: object,
    })) as T;
  }

  async function patch(ref: ObjectRef, change: Patch, options: PatchOptions): Promise<T> {
    const answer = await transport.send({
      ...common(options),
      verb: 'patch',
      method: 'PATCH',
      path: single(ref, options.subresource),
      contentType: PATCH_CONTENT_TYPES[change.type],
      body: change.body,
      query: {
        ...validation(options),
        ...(options.dryRun ? { dryRun: 'All' } : {}),
        ...(change.type === 'apply' ? { fieldManager: change.fieldManager, force: String(change.force ?? false) } : {}),
      },
    });
    return answer as T;
  }

  async function remove(ref: ObjectRef, options: DeleteOptions): Promise<boolean> {
    const { preconditions, propagationPolicy, gracePeriodSeconds } = options;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy, gracePeriodSeconds };
    try {
      await transport.send({ ...common(options), verb: 'delete', method: 'DELETE', path: single(ref), body });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  return { type, get, list, watch, create, replace, patch, delete: remove };
}

function validation({ fieldValidation }: FieldValidation): Record<string, string> {
  return fieldValidation === undefined ? {} : { fieldValidation };
}

function selectors({ labelSelector, fieldSelector }: SelectorOptions): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

/** Splits by line feeds. A last line without one was cut off by a lost connection. */
async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let unfinished: Buffer[] = [];
  for await (const part of body) {
    let from = 0;
    for (let end = part.indexOf(LINE_FEED); end >= 0; end = part.indexOf(LINE_FEED, from)) {
      const line = Buffer.concat([...unfinished, part.subarray(from, end)]).toString('utf8');
      unfinished = [];
      from = end + 1;
      if (line !== '') yield line;
    }
    if (from < part.length) unfinished.push(part.subarray(from));
  }
  if (unfinished.length > 0)
    throw new KubeError({ status: 0, reason: 'BadAnswer', message: 'a watch event was cut off' });
}

const LINE_FEED = 0x0a;

function parseEvent(line: string): { type: string; object: unknown } {
  try {
    return JSON.parse(line) as { type: string; object: unknown };
  } catch (cause) {
    throw new KubeError({ status: 0, reason: 'BadAnswer', message: 'a watch event is broken JSON', cause });
  }
}

function errorInStream(object: unknown): KubeError {
  const { code, reason, message } = object as { code?: number; reason?: string; message?: string };
  return new KubeError({
    status: code ?? 500,
    reason: reason ?? 'Unknown',
    message: `the API server ended the watch: ${message ?? 'no reason given'}`,
  });
}
