// Installs Trawler into the cluster from this working copy: the chart, the images built here, the evaluation Postgres.
import { execa } from 'execa';
import { trawlerNamespace } from './cluster/addresses.ts';
import type { Cluster } from './cluster/cluster.ts';
import { readManifest } from './images/build.ts';
import { crawlerImage, type ImageSource, operatorImage, postgresImage } from './images/catalog.ts';
import { binary } from './setup/kubernetes-binaries.mjs';
import { projectRoot } from './setup/paths.mjs';
import type { Step } from './steps.ts';

export const release = 'trawler';

/** Runs kubectl against the cluster; `input` goes to its standard input. Resolves with what it printed. */
export async function kubectl(
  cluster: Cluster,
  args: string[],
  options: { signal?: AbortSignal; input?: string } = {},
) {
  return run(cluster, 'kubectl', args, options);
}

/** Runs Helm against the cluster. */
export async function helm(cluster: Cluster, args: string[], options: { signal?: AbortSignal } = {}) {
  return run(cluster, 'helm', args, options);
}

async function run(
  { kubeconfig }: Cluster,
  program: string,
  args: string[],
  { signal, input }: { signal?: AbortSignal; input?: string },
): Promise<string> {
  const { stdout } = await execa(binary(program), args, {
    env: { KUBECONFIG: kubeconfig },
    cwd: projectRoot,
    input: input ?? '',
    ...(signal ? { cancelSignal: signal } : {}),
  });
  return stdout;
}

/** `allowedAddresses`: private addresses that crawls may reach, as the chart's value of that name. */
export function installStep(cluster: Cluster, allowedAddresses: string[]): Step {
  return {
    title: 'Install Trawler with Helm',
    timeoutSeconds: 300,
    fix: `kubectl get pods,events -n ${trawlerNamespace} shows what is in the way`,
    run: async ({ report, signal }) => {
      await kubectl(cluster, ['apply', '--server-side', '-f', '-'], { signal, input: JSON.stringify(namespace) });
      const values = await chartValues(cluster, allowedAddresses);
      const where = ['--namespace', trawlerNamespace];
      await helm(
        cluster,
        ['upgrade', '--install', '--force-conflicts', release, './helm/trawler', ...where, ...values],
        { signal },
      );
      for (const program of ['operator', 'gateway']) {
        report(`waiting for the ${program}`);
        const deployment = `deployment/${release}-${program}`;
        await kubectl(cluster, ['rollout', 'status', deployment, ...where, '--timeout=280s'], { signal });
      }
      return undefined;
    },
  };
}

const namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: trawlerNamespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
};

async function chartValues(cluster: Cluster, allowedAddresses: string[]): Promise<string[]> {
  const { digest } = await readManifest(operatorImage);
  return [
    '--set=postgres.enabled=true',
    ...imageValues('operator', cluster.reference(operatorImage)),
    ...imageValues('crawler', cluster.reference(crawlerImage)),
    ...imageValues('postgres', cluster.reference(postgresImage)),
    `--set-json=crawler.allowedAddresses=${JSON.stringify(allowedAddresses)}`,
    // The tag stays the same from build to build: this makes a new image a new pod.
    ...['operator', 'gateway'].map((program) => `--set-string=${program}.podAnnotations.trawler\\.dev/image=${digest}`),
  ];
}

function imageValues(component: string, reference: string): string[] {
  const colon = reference.lastIndexOf(':');
  const [repository, tag] = [reference.slice(0, colon), reference.slice(colon + 1)];
  return [`--set-string=${component}.image.repository=${repository}`, `--set-string=${component}.image.tag=${tag}`];
}

/** Applies a manifest whose images are those of the native cluster, with the names that this cluster has for them. */
export async function applyManifest(
  cluster: Cluster,
  text: string,
  images: ImageSource[],
  signal: AbortSignal,
  ...args: string[]
): Promise<void> {
  const input = images.reduce((result, image) => result.replaceAll(image.reference, cluster.reference(image)), text);
  await kubectl(cluster, ['apply', ...args, '-f', '-'], { signal, input });
}
