// The types of Kubernetes' own that Trawler uses, with the shape they have on the wire.
import type {
  CoreV1Event,
  V1ConfigMap,
  V1Job,
  V1Lease,
  V1Namespace,
  V1Node,
  V1PersistentVolumeClaim,
  V1Pod,
  V1Secret,
  V1SelfSubjectAccessReview,
  V1SelfSubjectReview,
  V1SubjectAccessReview,
  V1TokenReview,
} from '@kubernetes/client-node';
import type { KubeObject, ResourceType } from './kube-object.ts';

/** A client-node model as JSON carries it: client-node turns times into Date objects, the wire does not. */
type OnTheWire<T> = T extends Date
  ? string
  : T extends (infer Element)[]
    ? OnTheWire<Element>[]
    : T extends object
      ? { [Key in keyof T]: OnTheWire<T[Key]> }
      : T;

type Builtin<Model> = KubeObject & Omit<OnTheWire<Model>, 'apiVersion' | 'kind' | 'metadata'>;

/** An Event about any object, as the core group has it. */
export type ClusterEvent = Builtin<CoreV1Event>;
export type ConfigMap = Builtin<V1ConfigMap>;
export type Job = Builtin<V1Job>;
export type Lease = Builtin<V1Lease>;
export type Namespace = Builtin<V1Namespace>;
export type Node = Builtin<V1Node>;
export type PersistentVolumeClaim = Builtin<V1PersistentVolumeClaim>;
export type Pod = Builtin<V1Pod>;
export type Secret = Builtin<V1Secret>;
/** Answered by the API server with who has asked, and never stored. */
export type SelfSubjectReview = Builtin<V1SelfSubjectReview>;
/** Answered by the API server with whether who has asked may do something, and never stored. */
export type SelfSubjectAccessReview = Builtin<V1SelfSubjectAccessReview>;

/** Answered by the API server with whose token it is, and never stored. */
export type TokenReview = Builtin<V1TokenReview>;
/** Answered by the API server with whether somebody may do something, and never stored. */
export type SubjectAccessReview = Builtin<V1SubjectAccessReview>;

export const CLUSTER_EVENTS: ResourceType = core('events', 'Event');
export const CONFIG_MAPS: ResourceType = core('configmaps', 'ConfigMap');
export const PERSISTENT_VOLUME_CLAIMS: ResourceType = core('persistentvolumeclaims', 'PersistentVolumeClaim');
export const PODS: ResourceType = core('pods', 'Pod');
export const SECRETS: ResourceType = core('secrets', 'Secret');
export const NAMESPACES: ResourceType = { ...core('namespaces', 'Namespace'), namespaced: false };
export const NODES: ResourceType = { ...core('nodes', 'Node'), namespaced: false };
export const JOBS: ResourceType = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true };
export const LEASES: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};
export const SELF_SUBJECT_REVIEWS: ResourceType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
  namespaced: false,
};
export const SELF_SUBJECT_ACCESS_REVIEWS: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'selfsubjectaccessreviews',
  kind: 'SelfSubjectAccessReview',
  namespaced: false,
};
export const TOKEN_REVIEWS: ResourceType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
};
export const SUBJECT_ACCESS_REVIEWS: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
};

function core(plural: string, kind: string): ResourceType {
  return { group: '', version: 'v1', plural, kind, namespaced: true };
}
