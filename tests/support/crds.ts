// The project's custom resources on a control plane of a test.
import { join } from 'node:path';
import { execa } from 'execa';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../dev/setup/paths.mjs';

/** Resolves when the API server knows them. */
export async function installCrds({ kubeconfigPath }: { readonly kubeconfigPath: string }): Promise<void> {
  const kubectl = (...args: string[]) => execa(binary('kubectl'), [`--kubeconfig=${kubeconfigPath}`, ...args]);
  await kubectl('apply', '-f', join(projectRoot, 'crds'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s');
}
