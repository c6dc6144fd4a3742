// A cluster that its user runs: we use it, push images to its registry, and neither make nor break anything else.
import { execa } from 'execa';
import type { ImageSource } from '../images/catalog.ts';
import { findEngine } from '../images/engine.ts';
import { provideBinaries } from '../setup/kubernetes.mjs';
import { binary } from '../setup/kubernetes-binaries.mjs';
import type { Cluster } from './cluster.ts';

/** `registry` is where images are pushed to and what pods pull from: host/path. */
export function externalCluster(kubeconfig: string, registry: string | undefined): Cluster {
  const kubectl = (signal: AbortSignal, ...args: string[]) =>
    execa(binary('kubectl'), ['--kubeconfig', kubeconfig, ...args], { cancelSignal: signal, stdin: 'ignore' });
  const reference = ({ name }: ImageSource) => {
    if (!registry) throw new Error('TRAWLER_IMAGE_REGISTRY must say where images for your cluster go: host/path');
    return `${registry}/trawler-${name}:dev`;
  };
  return {
    kubeconfig,
    ours: false,
    reference,
    up: () => [
      {
        title: 'kubectl and Helm',
        timeoutSeconds: 3600,
        run: async ({ report, signal }) => provideBinaries({ report, signal }),
      },
      {
        title: 'Reach your cluster',
        timeoutSeconds: 30,
        fix: `check ${kubeconfig}`,
        run: async ({ signal }) => {
          const { stdout } = await kubectl(signal, 'version', '--output=json');
          return JSON.parse(stdout).serverVersion.gitVersion;
        },
      },
    ],
    down: () => [
      {
        title: 'Your cluster',
        timeoutSeconds: 5,
        run: async () => 'left as it is: it was not made here',
      },
    ],
    deliverImages: (wanted) =>
      wanted.map((image) => ({
        title: `Push the ${image.name} image`,
        timeoutSeconds: 900,
        fix: 'log in to the registry, or correct TRAWLER_IMAGE_REGISTRY',
        run: async (context) => {
          const engine = await findEngine(context.signal);
          await engine.push(image, reference(image), context);
          return reference(image);
        },
      })),
    async status(signal) {
      const nodes = await kubectl(signal, 'get', 'nodes', '--request-timeout=5s');
      return { up: true, lines: nodes.stdout.split('\n') };
    },
    logs: () => {
      throw new Error('the programs of your own cluster log elsewhere; only the native cluster has logs here');
    },
  };
}
