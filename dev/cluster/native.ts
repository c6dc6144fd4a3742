// Kubernetes on this machine: the steps that bring it up, and what it is at.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { provideBinaries } from '../setup/kubernetes.mjs';
import { binary } from '../setup/kubernetes-binaries.mjs';
import { clusterDirectory } from '../setup/paths.mjs';
import type { Step, StepContext } from '../steps.ts';
import { nodeAddress, nodeName, trawlerNamespace } from './addresses.ts';
import { issueCertificates } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import {
  apiServer,
  apiServerReady,
  type ControlPlaneSettings,
  controllerManager,
  etcd,
  scheduler,
} from './control-plane.ts';
import { ensureDaemon, findDaemons, logPath, logTail } from './daemons.ts';
import { ensureNetwork } from './network.ts';
import { enforcingSteps, stopEnforcingSteps } from './network-policies.ts';
import { adminKubeconfig, coreDns, credentials, kubeProxy } from './node.ts';
import { kubectl, loadPause, loadStep, startKubelet, startRuntime } from './node-steps.ts';
import { firstNode } from './nodes.ts';
import { killSecondNode, removeSecondNodeSteps, secondNodeSteps } from './second-node.ts';
import { downSteps } from './teardown.ts';

const audit = { policyPath: join(clusterDirectory, 'audit-policy.json'), logPath: join(clusterDirectory, 'audit.log') };

/** Trawler's own requests alone: tests compare them with the rights that the chart gives. */
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', userGroups: [`system:serviceaccounts:${trawlerNamespace}`] }, { level: 'None' }],
};

const settings: ControlPlaneSettings = {
  credentials,
  etcdDirectory: join(clusterDirectory, 'etcd'),
  bindAddress: '0.0.0.0',
  advertiseAddress: nodeAddress,
  ports: { apiServer: 6443, etcdClient: 2379, etcdPeer: 2380, controllerManager: 10257, scheduler: 10259 },
  audit,
};

const daemonNames = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'containerd',
  'kubelet',
  'kube-proxy',
  'coredns',
];

export const nativeCluster: Cluster = {
  kubeconfig: adminKubeconfig,
  ours: true,
  auditLog: audit.logPath,
  up: () => upSteps,
  down: downSteps,
  secondNode: { up: secondNodeSteps, kill: killSecondNode, down: removeSecondNodeSteps },
  networkPolicies: { enforce: enforcingSteps, stop: stopEnforcingSteps },
  // One by one: each finds the layers that it shares with those before it.
  deliverImages: (wanted) => wanted.map((image) => loadStep(firstNode, image)),
  reference: ({ reference }) => reference,
  status,
  logs: (names) => (names.length > 0 ? names : daemonNames).map(logPath),
};

/** Brings up what is not up. Every step looks first, so this repairs a cluster that is half there. */
const upSteps: Step[] = [
  { title: 'Check that this machine can run Kubernetes', timeoutSeconds: 10, run: preflight },
  {
    title: 'Kubernetes programs',
    timeoutSeconds: 3600,
    fix: 'call the command again: what is compiled is kept',
    run: async ({ report, signal }) => provideBinaries({ report, signal }),
  },
  { title: 'Certificates', timeoutSeconds: 60, run: makeCredentials },
  { title: 'Network', timeoutSeconds: 30, run: makeNetwork },
  { title: 'Control plane', timeoutSeconds: 120, fix: logsHint('etcd', 'kube-apiserver'), run: startControlPlane },
  {
    title: 'Container runtime',
    timeoutSeconds: 60,
    fix: logsHint('containerd'),
    run: (step) => startRuntime(firstNode, step),
  },
  { title: 'Pause image', timeoutSeconds: 180, run: (step) => loadPause(firstNode, step) },
  { title: 'Node', timeoutSeconds: 200, fix: logsHint('kubelet', 'kube-proxy', 'coredns'), run: startNode },
];

function logsHint(...names: string[]): string {
  return `look into ${names.map(logPath).join(' and ')}; npm run cluster -- down, then up, starts from nothing`;
}

async function preflight(): Promise<undefined> {
  const other = 'or name a cluster of yours: TRAWLER_KUBECONFIG=/path/to/kubeconfig';
  if (process.platform !== 'linux')
    throw new Error(`Kubernetes runs natively on Linux only; use a Linux machine, ${other}`);
  if (process.getuid?.() !== 0) throw new Error(`a kubelet needs root; run the command as root, ${other}`);
  const owner = await otherOwner();
  if (owner) throw new Error(`the port of the API server (6443) is taken by ${owner}; stop that, ${other}`);
  return undefined;
}

/** Something else that serves on the API server's port, in words; undefined when it is free or ours. */
async function otherOwner(): Promise<string | undefined> {
  const { stdout } = await execa('ss', ['-Hltnp', 'sport = :6443'], { reject: false });
  const ours = (await findDaemons()).map(({ pid }) => `pid=${pid},`);
  if (stdout.trim() === '' || ours.some((pid) => stdout.includes(pid))) return undefined;
  return stdout.match(/users:\(\((.*)\)\)/)?.[1] ?? 'another process';
}

async function makeCredentials(): Promise<undefined> {
  await mkdir(clusterDirectory, { recursive: true, mode: 0o700 });
  await writeFile(audit.policyPath, JSON.stringify(auditPolicy));
  await issueCertificates(credentials, { advertiseAddress: nodeAddress, port: settings.ports.apiServer, nodeName });
}

async function makeNetwork({ signal }: StepContext): Promise<undefined> {
  await ensureNetwork(signal);
}

async function startControlPlane({ signal }: StepContext): Promise<string | undefined> {
  const started = [await ensureDaemon(etcd(settings)), await ensureDaemon(apiServer(settings))];
  await apiServerReady(settings, { timeoutMs: 100_000, alive: () => signal.throwIfAborted() }).catch(async (error) => {
    throw new Error(`${messageOf(error)}\n${await logTail('kube-apiserver')}`, { cause: error });
  });
  await grantAdministrators(signal);
  started.push(await ensureDaemon(controllerManager(settings)), await ensureDaemon(scheduler(settings)));
  return started.includes(true) ? undefined : 'already running';
}

/** kubeadm's certificates put administrators, and the API server towards the kubelet, into this group. */
async function grantAdministrators(signal: AbortSignal): Promise<void> {
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'kubeadm:cluster-admins' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'kubeadm:cluster-admins' }],
  };
  const options = { input: JSON.stringify(binding), cancelSignal: signal };
  await execa(binary('kubectl'), [`--kubeconfig=${adminKubeconfig}`, 'apply', '-f', '-'], options);
}

async function startNode(step: StepContext): Promise<string | undefined> {
  const started = [];
  for (const daemon of [kubeProxy(), coreDns()]) started.push(await ensureDaemon(daemon));
  started.push(await startKubelet(firstNode, step));
  await kubectl(step.signal, 'wait', '--for=create', 'serviceaccount/default', '--namespace=default', '--timeout=60s');
  return started.includes(true) ? undefined : 'already running';
}

/** One line for each part of the cluster; `up` is true when all of them run and the node is ready. */
async function status(signal: AbortSignal): Promise<{ up: boolean; lines: string[] }> {
  if (!existsSync(clusterDirectory))
    return { up: false, lines: ['There is no cluster. Bring it up: npm run cluster -- up'] };
  const running = new Map((await findDaemons()).map(({ name, pid }) => [name, pid]));
  const lines = daemonNames.map(
    (name) => `${name.padEnd(24)} ${running.has(name) ? `pid ${running.get(name)}` : 'not running'}`,
  );
  let ready = false;
  try {
    const node = await kubectl(signal, 'get', 'nodes', '--no-headers', '--request-timeout=5s');
    ready = / Ready /.test(node);
    lines.push(`node                     ${node}`);
  } catch (error) {
    lines.push(`node                     unknown: ${messageOf(error).split('\n').at(-1)}`);
  }
  return { up: ready && daemonNames.every((name) => running.has(name)), lines };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
