// Where the API server is and who we are: the pod's service account, or a kubeconfig file.
import { KubeConfig } from '@kubernetes/client-node';

/** KUBECONFIG when set, else the pod's service account, else ~/.kube/config. Throws when none of them is there. */
export function loadKubeConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}
