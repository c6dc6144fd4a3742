// The part of a Kubernetes object that every kind shares, as the API server sends it.
import type { V1ObjectMeta } from '@kubernetes/client-node';

/** Metadata with times as the strings of the wire format (client-node's own types want Date objects). */
export type ObjectMeta = Omit<V1ObjectMeta, 'creationTimestamp' | 'deletionTimestamp' | 'managedFields'> & {
  creationTimestamp?: string;
  deletionTimestamp?: string;
};

export type KubernetesObject = {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
};
