// A real Kubernetes control plane for integration tests: etcd and kube-apiserver, without any node.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { issueCertificates } from '../../dev/cluster/certificates.ts';
import {
  apiServer,
  apiServerReady,
  type ControlPlaneSettings,
  controllerManager,
  etcd,
  type Program,
} from '../../dev/cluster/control-plane.ts';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { freePorts } from './free-ports.ts';

export interface ControlPlaneOptions {
  /** Also runs kube-controller-manager: garbage collection, Jobs, CronJobs, default service accounts. */
  controllerManager?: boolean;
  /** More flags for it, for example `--controllers=*,-job-controller`. */
  controllerManagerFlags?: string[];
  /** More flags for the API server, for example `--feature-gates=MutatingAdmissionPolicy=true`. */
  apiServerFlags?: string[];
  /** Admission plugins of the API server, besides those that are on by default. */
  admissionPlugins?: string[];
  /** GOGC of all its programs, in percent: less of their time for garbage collection, for more memory. Go's 100 without. */
  goGcPercent?: number;
  /** Records every request that ended, at level Metadata, in `auditLogPath`. */
  audit?: boolean;
  /** Of writes to these resources of trawler.dev, the audit log holds the objects too. */
  auditObjects?: string[];
}

export interface ControlPlane {
  /** Kubeconfig of a user who may do everything. */
  kubeconfigPath: string;
  apiserverUrl: string;
  /** One JSON audit event a line; written to only with `audit`. */
  auditLogPath: string;
  /** Ends the API server at once, as a crash would; etcd keeps the objects. */
  stopApiServer(): Promise<void>;
  /** Starts the API server again on the same port and waits until it is ready. */
  startApiServer(): Promise<void>;
  /** Ends kube-controller-manager at once, and nothing else. */
  stopControllerManager(): Promise<void>;
  startControllerManager(): void;
  /** Ends everything and removes the files. */
  stop(): Promise<void>;
}

/** Starts a control plane on free ports in a folder of its own; ready when this resolves (about 6 s). */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-control-plane-'));
  const settings = await prepare(directory, options);
  const children = new Map<string, ChildProcess>();

  const start = (program: Program) => children.set(program.name, run(program, directory, options.goGcPercent));
  const stop = async () => {
    await Promise.all([...children.values()].map(end));
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  const stopProgram = async (name: string) => {
    const child = children.get(name);
    if (child) await end(child);
    children.delete(name);
  };
  const stopControllerManager = () => stopProgram('kube-controller-manager');
  const startControllerManager = () => {
    const manager = controllerManager(settings);
    start({ ...manager, args: [...manager.args, ...(options.controllerManagerFlags ?? [])] });
  };
  const startApiServer = async () => {
    const server = apiServer(settings);
    start({ ...server, args: [...server.args, ...(options.apiServerFlags ?? [])] });
    await apiServerReady(settings, { timeoutMs: 90_000, alive: () => failIfEnded(children, directory) });
    if (!options.controllerManager) return;
    startControllerManager();
    await defaultServiceAccount(settings);
  };
  // The controller manager gives up when it loses the API server early, so the two come and go together.
  const stopApiServer = async () => {
    await stopControllerManager();
    await stopProgram('kube-apiserver');
  };

  try {
    start(etcd(settings));
    await startApiServer();
  } catch (error) {
    const logs = await tails(directory, [...children.keys()]);
    await stop();
    throw new Error(`the control plane did not start\n${logs}`, { cause: error });
  }
  return {
    kubeconfigPath: join(settings.credentials, 'super-admin.conf'),
    apiserverUrl: `https://127.0.0.1:${settings.ports.apiServer}`,
    auditLogPath: join(directory, 'audit.log'),
    stopApiServer,
    startApiServer,
    stopControllerManager,
    startControllerManager,
    stop,
  };
}

async function prepare(
  directory: string,
  { audit = false, auditObjects = [], admissionPlugins = [] }: ControlPlaneOptions,
): Promise<ControlPlaneSettings> {
  const [apiServerPort = 0, etcdClient = 0, etcdPeer = 0, controllerManagerPort = 0, schedulerPort = 0] =
    await freePorts(5);
  const credentials = join(directory, 'credentials');
  // kubeadm wants an address that is not loopback for the certificate; nothing listens there.
  const subject = { advertiseAddress: '192.0.2.1', port: apiServerPort, nodeName: 'none' };
  await issueCertificates(credentials, subject);
  const policyPath = join(directory, 'audit-policy.json');
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'] };
  const objects = {
    level: 'RequestResponse',
    verbs: ['create', 'update', 'patch', 'delete'],
    resources: [{ group: 'trawler.dev', resources: auditObjects }],
  };
  const rules = [...(auditObjects.length > 0 ? [objects] : []), { level: 'Metadata' }];
  await writeFile(policyPath, JSON.stringify({ ...policy, rules }));
  return {
    credentials,
    etcdDirectory: join(directory, 'etcd'),
    bindAddress: '127.0.0.1',
    admissionPlugins,
    ports: {
      apiServer: apiServerPort,
      etcdClient,
      etcdPeer,
      controllerManager: controllerManagerPort,
      scheduler: schedulerPort,
    },
    ...(audit ? { audit: { policyPath, logPath: join(directory, 'audit.log') } } : {}),
  };
}

/** Pods can be made from this moment on, and it proves that the controllers work. */
async function defaultServiceAccount({ credentials }: ControlPlaneSettings): Promise<void> {
  const args = ['wait', '--for=create', 'serviceaccount/default', '--namespace=default', '--timeout=60s'];
  await execa(binary('kubectl'), [`--kubeconfig=${join(credentials, 'super-admin.conf')}`, ...args]);
}

/** The kernel ends the child together with this process, even when a signal leaves no time for a handler. */
function run(program: Program, directory: string, goGcPercent = 100): ChildProcess {
  const log = openSync(logPath(directory, program.name), 'a');
  try {
    const args = ['--pdeathsig', 'KILL', '--', program.path, ...program.args];
    const env = { ...process.env, GOGC: String(goGcPercent) };
    return spawn('setpriv', args, { cwd: directory, env, stdio: ['ignore', log, log] });
  } finally {
    closeSync(log);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function failIfEnded(children: Map<string, ChildProcess>, directory: string): void {
  for (const [name, child] of children) {
    if (hasEnded(child)) throw new Error(`${name} ended by itself; its log is ${logPath(directory, name)}`);
  }
}

function logPath(directory: string, name: string): string {
  return join(directory, `${name}.log`);
}

async function tails(directory: string, names: string[]): Promise<string> {
  const logs = names.map(async (name) => {
    const text = await readFile(logPath(directory, name), 'utf8');
    return `--- ${name}\n${text.split('\n').slice(-15).join('\n')}`;
  });
  return (await Promise.all(logs)).join('\n');
}
