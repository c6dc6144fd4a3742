// What every Kubernetes object has in common, as it travels in JSON (dates are RFC 3339 strings).

/** The part of metadata that Trawler reads; the API server has always filled name, uid and resourceVersion. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  status?: unknown;
}

/**
 * The fields but this one; the same object where it is not there. `delete` would leave a hash table behind, seven times as large as
 * what is in it, in each of the ten thousand objects that a cache holds.
 */
export function withoutField<Fields extends object, Name extends keyof Fields>(
  fields: Fields,
  name: Name,
): Fields | Omit<Fields, Name> {
  if (!Object.hasOwn(fields, name)) return fields;
  const { [name]: _, ...others } = fields;
  return others;
}

/** An object of a type that lives in namespaces. */
export type NamespacedObject = KubeObject & { metadata: { namespace: string } };

/** Metadata of an object that is yet to be created: the API server gives it uid and resourceVersion. */
export type NewObjectMeta<T extends KubeObject = KubeObject> = Omit<
  T['metadata'],
  'uid' | 'resourceVersion' | 'generation' | 'creationTimestamp'
>;

/** An object to be created. The client fills apiVersion and kind; status is ignored by the API server on create. */
export type NewObject<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind' | 'metadata' | 'status'> & {
  metadata: NewObjectMeta<T>;
};

/** Names one object of a type; any object's metadata fits. Namespace is absent for cluster-scoped types. */
export interface ObjectRef {
  namespace?: string;
  name: string;
}

/** Says which REST resource a client talks to, for example `{ group: 'batch', version: 'v1', plural: 'jobs', … }`. */
export interface ResourceType {
  /** Empty for the core group. */
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
}

/** `namespace/name`, or `name` alone for a cluster-scoped object: the key of caches and work queues. */
export function objectKey(ref: ObjectRef): string {
  return ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The reverse of objectKey. */
export function parseObjectKey(key: string): ObjectRef {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `batch/v1`, or `v1` for the core group. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** The owner reference that makes `owner` the controller of another object, so that both are deleted together. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The owner reference of the object's controller, if it has one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** Whether `owner` (this very object, by UID) is the controller of `object`. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}
