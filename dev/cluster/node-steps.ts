// Steps that bring up what every node has: its container runtime with the pause image, and its kubelet.
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { buildImage } from '../images/build.ts';
import { type ImageSource, pauseImage } from '../images/catalog.ts';
import { findEngine } from '../images/engine.ts';
import { compilePause } from '../images/pause.ts';
import { binary } from '../setup/kubernetes-binaries.mjs';
import type { Step, StepContext } from '../steps.ts';
import { makeCgroup } from './cgroups.ts';
import { containerd, ctr } from './containerd.ts';
import { ensureDaemon } from './daemons.ts';
import { loadImage } from './load-images.ts';
import { adminKubeconfig, kubelet } from './node.ts';
import type { ClusterNode } from './nodes.ts';

export async function startRuntime(node: ClusterNode, { signal }: StepContext): Promise<string | undefined> {
  await mkdir(node.runtimeDirectory, { recursive: true, mode: 0o711 });
  const started = await ensureDaemon(containerd(node));
  while (!(await answers(node, signal))) await delay(100, undefined, { signal });
  return started ? undefined : 'already running';
}

async function answers(node: ClusterNode, signal: AbortSignal): Promise<boolean> {
  try {
    await ctr(node, signal, ['version']);
    return true;
  } catch {
    // Not listening yet; the step's time-out ends the wait.
    signal.throwIfAborted();
    return false;
  }
}

export async function loadPause(node: ClusterNode, context: StepContext): Promise<string | undefined> {
  await compilePause(context.signal);
  await buildImage(pauseImage, await findEngine(context.signal), context);
  return (await loadImage(node, pauseImage, context.signal)) ? undefined : 'already loaded';
}

/** Whether it had to be started; resolves when the node is Ready. */
export async function startKubelet(node: ClusterNode, { report, signal }: StepContext): Promise<boolean> {
  await makeCgroup(node.cgroup);
  const started = await ensureDaemon(kubelet(node));
  report(`waiting until node ${node.name} is Ready`);
  await kubectl(signal, 'wait', '--for=create', `node/${node.name}`, '--timeout=60s');
  await kubectl(signal, 'wait', '--for=condition=Ready', `node/${node.name}`, '--timeout=100s');
  return started;
}

export function loadStep(node: ClusterNode, image: ImageSource): Step {
  return {
    title: `Load the ${image.name} image into node ${node.name}`,
    timeoutSeconds: 300,
    run: async ({ signal }) => ((await loadImage(node, image, signal)) ? undefined : 'already loaded'),
  };
}

/** As the cluster's administrator. */
export async function kubectl(signal: AbortSignal, ...args: string[]): Promise<string> {
  const options = { cancelSignal: signal, stdin: 'ignore' } as const;
  const { stdout } = await execa(binary('kubectl'), [`--kubeconfig=${adminKubeconfig}`, ...args], options);
  return stdout;
}
