// The objects of a cache: by name, by index, and the rules of which version of an object wins. No I/O.
import { type KubeObject, type ObjectRef, objectKey } from './kube-object.ts';
import { compareVersions } from './resource-version.ts';

export type CacheChange<T extends KubeObject> =
  | { type: 'added'; object: T }
  | { type: 'updated'; object: T; previous: T }
  /** The last known state. */
  | { type: 'deleted'; object: T };

export interface ObjectStore<T extends KubeObject, Index extends string> {
  get(ref: ObjectRef): T | undefined;
  list(): T[];
  byIndex(index: Index, key: string): T[];
  /** The object itself as it is here already, when it is here in this very version. */
  known(object: KubeObject): T | undefined;
  readonly size: number;
  /** The version up to which everything is known; undefined before the first list. */
  readonly version: string | undefined;
  /** A complete list: what is missing from it was deleted. */
  replaceAll(objects: readonly T[], version: string): void;
  /** An added or modified object, from the watch. */
  put(object: T): void;
  /** A deleted object, from the watch. */
  remove(object: T): void;
  /** Everything up to this version is known. */
  advance(version: string): void;
  /** The answer to a write of our own. */
  observe(written: T): void;
}

export function createObjectStore<T extends KubeObject, Index extends string>(
  indexes: Record<Index, (object: T) => readonly string[]>,
  notify: (change: CacheChange<T>) => void,
): ObjectStore<T, Index> {
  const objects = new Map<string, T>();
  const indexed = new Map<Index, Map<string, Set<string>>>();
  let version: string | undefined;

  function indexKeys(object: T): [Map<string, Set<string>>, string][] {
    return (Object.keys(indexes) as Index[]).flatMap((index) => {
      const entries = getOrAdd(indexed, index, () => new Map<string, Set<string>>());
      return indexes[index](object).map((key): [Map<string, Set<string>>, string] => [entries, key]);
    });
  }

  function insert(object: T): void {
    const key = objectKey(object.metadata);
    for (const [entries, indexKey] of indexKeys(object)) getOrAdd(entries, indexKey, () => new Set()).add(key);
    objects.set(key, object);
  }

  function drop(object: T): void {
    const key = objectKey(object.metadata);
    for (const [entries, indexKey] of indexKeys(object)) {
      const found = entries.get(indexKey);
      found?.delete(key);
      if (found?.size === 0) entries.delete(indexKey);
    }
    objects.delete(key);
  }

  /** Takes the object unless what is there is as new. Another UID is another object: the old one was deleted unseen. */
  function set(object: T, whateverVersion = false): void {
    const previous = objects.get(objectKey(object.metadata));
    if (previous !== undefined && !whateverVersion && !isNewer(object, previous)) return;
    if (previous !== undefined) drop(previous);
    const same = previous?.metadata.uid === object.metadata.uid;
    if (previous !== undefined && !same) notify({ type: 'deleted', object: previous });
    insert(object);
    notify(previous !== undefined && same ? { type: 'updated', object, previous } : { type: 'added', object });
  }

  function advance(to: string): void {
    if (version === undefined || compareVersions(to, version) > 0) version = to;
  }

  return {
    get: (ref) => objects.get(objectKey(ref)),
    list: () => [...objects.values()],
    byIndex(index, key) {
      const found = indexed.get(index)?.get(key) ?? new Set<string>();
      return [...found].flatMap((name) => objects.get(name) ?? []);
    },
    known(object) {
      const { uid, resourceVersion } = object.metadata;
      const present = objects.get(objectKey(object.metadata));
      return present?.metadata.uid === uid && present.metadata.resourceVersion === resourceVersion
        ? present
        : undefined;
    },
    get size() {
      return objects.size;
    },
    get version() {
      return version;
    },
    replaceAll(listed, to) {
      const present = new Set(listed.map(({ metadata }) => objectKey(metadata)));
      // Only a restored backup turns versions back; then the list is the truth and what was seen is not.
      const turnedBack = version !== undefined && compareVersions(to, version) < 0;
      for (const [key, object] of objects) {
        // Newer than the list: written by us after it was made.
        const newerThanList = compareVersions(object.metadata.resourceVersion, to) > 0;
        if (present.has(key) || (newerThanList && !turnedBack)) continue;
        drop(object);
        notify({ type: 'deleted', object });
      }
      for (const object of listed) set(object, turnedBack);
      version = to;
    },
    put(object) {
      set(object);
      advance(object.metadata.resourceVersion);
    },
    remove(object) {
      const previous = objects.get(objectKey(object.metadata));
      advance(object.metadata.resourceVersion);
      // A successor of the same name that we made ourselves is newer than the deletion.
      if (previous === undefined || !isNewer(object, previous)) return;
      drop(previous);
      notify({ type: 'deleted', object });
    },
    advance,
    observe(written) {
      // What the watch has gone past may be deleted by now, and no event would ever say so again.
      if (version === undefined || compareVersions(written.metadata.resourceVersion, version) <= 0) return;
      set(written);
    },
  };
}

function isNewer(object: KubeObject, than: KubeObject): boolean {
  return compareVersions(object.metadata.resourceVersion, than.metadata.resourceVersion) > 0;
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
