// Where the API server is and who we are: the pod's service account, or a kubeconfig file.
import { KubeConfig } from '@kubernetes/client-node';

/**
 * The file when it is given, else KUBECONFIG, else the pod's service account, else ~/.kube/config. Throws when none of them
 * is there.
 */
export function loadKubeConfig(file?: string): KubeConfig {
  const config = new KubeConfig();
  if (file !== undefined) config.loadFromFile(file);
  else if (!process.env['KUBECONFIG'] && process.env['KUBERNETES_SERVICE_HOST']) config.loadFromCluster();
  else config.loadFromDefault();
  // client-node's answer to finding nothing is an address where nothing listens.
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || server === 'http://localhost:8080') {
    throw new Error('no Kubernetes cluster: set KUBECONFIG, or run in a pod with a service account');
  }
  return config;
}

/** The same cluster and credentials, acting as another user, who needs no credentials of his own. */
export function actingAs(config: KubeConfig, user: string): KubeConfig {
  const acting = new KubeConfig();
  const { clusters, contexts, currentContext } = config;
  const name = config.getCurrentUser()?.name;
  const users = config.users.map((one) => (one.name === name ? { ...one, impersonateUser: user } : one));
  acting.loadFromOptions({ clusters, contexts, currentContext, users });
  return acting;
}
