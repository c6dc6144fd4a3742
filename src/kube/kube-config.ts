// Where the API server is and who we are: the pod's service account, or a kubeconfig file.
import { KubeConfig } from '@kubernetes/client-node';

/** KUBECONFIG when set, else the pod's service account, else ~/.kube/config. Throws when none of them is there. */
export function loadKubeConfig(): KubeConfig {
  const config = new KubeConfig();
  if (!process.env['KUBECONFIG'] && process.env['KUBERNETES_SERVICE_HOST']) config.loadFromCluster();
  else config.loadFromDefault();
  // client-node's answer to finding nothing is an address where nothing listens.
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || server === 'http://localhost:8080') {
    throw new Error('no Kubernetes cluster: set KUBECONFIG, or run in a pod with a service account');
  }
  return config;
}
