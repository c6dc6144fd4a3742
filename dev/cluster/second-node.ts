// A second node of the native cluster, for tests that send pods to a node and let it die.
import { images } from '../images/catalog.ts';
import type { Step } from '../steps.ts';
import { endProcessesIn } from './cgroups.ts';
import { findDaemons, logPath, stopDaemons } from './daemons.ts';
import { kubectl, loadPause, loadStep, startKubelet, startRuntime } from './node-steps.ts';
import { runtimeSocket, secondNode } from './nodes.ts';

const { containerd, kubelet } = secondNode.programs;
const fix = `look into ${logPath(containerd)} and ${logPath(kubelet)}`;

/** Brings it up, or up again after its death, with the image of the crawler, which must have been built. */
export const secondNodeSteps: Step[] = [
  {
    title: 'Container runtime of the second node',
    timeoutSeconds: 60,
    fix,
    run: (step) => startRuntime(secondNode, step),
  },
  { title: 'Pause image of the second node', timeoutSeconds: 180, run: (step) => loadPause(secondNode, step) },
  ...images.filter(({ name }) => name === 'crawler').map((image) => loadStep(secondNode, image)),
  {
    title: 'Second node',
    timeoutSeconds: 200,
    fix,
    run: async (step) => ((await startKubelet(secondNode, step)) ? undefined : 'already running'),
  },
];

export const removeSecondNodeSteps: Step[] = [
  {
    title: 'Remove the second node',
    timeoutSeconds: 60,
    run: async ({ signal }) => {
      await killSecondNode(signal);
      await kubectl(signal, 'delete', 'node', secondNode.name, '--ignore-not-found');
      return undefined;
    },
  },
];

/** Ends all that runs on it at once, as the loss of its power would; what it has on its disk stays. */
export async function killSecondNode(signal: AbortSignal): Promise<void> {
  const shim = (args: string[]) => args.includes(runtimeSocket(secondNode));
  const daemons = await findDaemons();
  await stopDaemons(
    daemons.filter(({ name, args }) => name === kubelet || name === containerd || shim(args)),
    'SIGKILL',
  );
  await endProcessesIn(secondNode.cgroup, signal);
}
