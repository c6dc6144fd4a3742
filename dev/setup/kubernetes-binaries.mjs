// Which Kubernetes programs development needs, how they are built, and where their folder is.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, projectRoot } from './paths.mjs';

export const kubernetesVersion = 'v1.35.4';

/** Every program that the cluster is made of or is worked with. */
export const programs = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
  'kubeadm',
  'coredns',
  'helm',
];

export const kubeliteSource = join(projectRoot, 'dev', 'kubelite');

// Generated clients are a third of the code and are never hot: unoptimised, they compile in a fraction of the time.
const unoptimised = [
  'k8s.io/kubernetes/pkg/generated/...',
  'k8s.io/client-go/applyconfigurations/...',
  'k8s.io/client-go/informers/...',
  'k8s.io/client-go/kubernetes/...',
  'k8s.io/client-go/listers/...',
];

const [, major, minor] = kubernetesVersion.match(/^v(\d+)\.(\d+)\./) ?? [];
const version = 'k8s.io/component-base/version';

/** Arguments of `go build`. Changing one compiles everything again. */
export const goBuildFlags = [
  '-trimpath',
  ...unoptimised.map((packages) => `-gcflags=${packages}=-N -l`),
  `-ldflags=-s -w -X ${version}.gitVersion=${kubernetesVersion} -X ${version}.gitMajor=${major} -X ${version}.gitMinor=${minor}`,
];

/** Changes whenever another binary would come out. */
function inputsHash() {
  const hash = createHash('sha256').update(`${process.arch} ${goBuildFlags.join(' ')}`);
  for (const file of ['main.go', 'go.mod', 'go.sum']) hash.update(readFileSync(join(kubeliteSource, file)));
  return hash.digest('hex').slice(0, 12);
}

/** The folder in the cache that holds (or will hold) the programs under their own names. */
export const binDirectory = join(cacheDirectory, `kubernetes-${kubernetesVersion}-${inputsHash()}`, 'bin');

/** True when every program is there. The folder is renamed into place when complete, so one look is enough. */
export function binariesPresent() {
  return programs.every((name) => existsSync(join(binDirectory, name)));
}

/**
 * The path of one program.
 * @param {string} name one of `programs`
 */
export function binary(name) {
  const path = join(binDirectory, name);
  if (!existsSync(path)) throw new Error(`${name} is not in ${binDirectory}; run: node dev/setup/main.mjs kubernetes`);
  return path;
}
