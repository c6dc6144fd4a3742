// The operator beside a control plane as the chart installs it: its rights, its account, its defaults.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { projectRoot } from '../../dev/setup/paths.mjs';
import type { ControlPlane } from '../support/control-plane.ts';

/** Of the operator, as the chart has it. */
export const NAMESPACE = 'trawler-system';

/** What the chart sets, with its default values. */
export const CHART_ENV = {
  TRAWLER_RECONCILERS: '32',
  TRAWLER_DATABASE_POOL_SIZE: '5',
  TRAWLER_LOG_LEVEL: 'info',
};

export type Kubectl = (args: string[], input?: string) => Promise<{ stdout: string }>;

/** As `plane` writes it, for whoever may do everything. */
export function adminConfig(plane: ControlPlane): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(plane.kubeconfigPath);
  return config;
}

/** The operator's account and what the chart lets it do. */
export async function grantChartRights(kubectl: Kubectl): Promise<void> {
  const manifest = await readFile(join(projectRoot, 'manifests', 'install.yaml'), 'utf8');
  const rights = parseAllDocuments(manifest).filter((document) =>
    /^(Namespace|ServiceAccount|(Cluster)?Role(Binding)?)$/.test(String(document.get('kind'))),
  );
  await kubectl(['apply', '-f', '-'], rights.map(String).join('---\n'));
}

/** As a pod has it: by token. The API server verifies a client certificate anew with every request. */
export async function tokenConfig(plane: ControlPlane, kubectl: Kubectl, namespace: string, account: string) {
  const { stdout: token } = await kubectl(['create', 'token', account, `--namespace=${namespace}`]);
  const config = adminConfig(plane);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig names no cluster');
  config.loadFromClusterAndUser(cluster, { name: account, token });
  return config;
}
