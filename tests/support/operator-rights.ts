// The rights that an installation gives the operator, so that a call that they do not cover fails in tests, too.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeApi } from '#src/kube/client.ts';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../dev/setup/paths.mjs';
import { connect } from './running-operator.ts';

const RIGHTS = ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'];

type Document = { readonly kind: string };

/**
 * Grants them as manifests/install.yaml does, with the tests' namespace for that of the installation. The client of the operator's
 * account is the caller's to close.
 */
export async function operatorAccount(kubeconfigPath: string): Promise<{ api: KubeApi }> {
  const manifest = await readFile(join(projectRoot, 'manifests', 'install.yaml'), 'utf8');
  const input = parseAllDocuments(manifest.replaceAll('trawler-system', 'default'))
    .map((document) => document.toJS() as Document | null)
    .filter((document) => document !== null && RIGHTS.includes(document.kind))
    .map((document) => stringify(document))
    .join('---\n');
  await execa(binary('kubectl'), [`--kubeconfig=${kubeconfigPath}`, 'apply', '-f', '-'], { input });
  return { api: connect(kubeconfigPath, 'system:serviceaccount:default:trawler-operator') };
}
