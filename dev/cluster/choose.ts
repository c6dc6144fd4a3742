// Which cluster is worked with: the one that TRAWLER_KUBECONFIG names, else the native one.
import { resolve } from 'node:path';
import type { Cluster } from './cluster.ts';
import { externalCluster } from './external.ts';
import { nativeCluster } from './native.ts';

export function chooseCluster(): Cluster {
  const kubeconfig = process.env['TRAWLER_KUBECONFIG'];
  return kubeconfig ? externalCluster(resolve(kubeconfig), process.env['TRAWLER_IMAGE_REGISTRY']) : nativeCluster;
}
