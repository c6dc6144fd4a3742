// The programs of a Kubernetes control plane and the flags they run with; who starts them is the caller's affair.
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { binary } from '../setup/kubernetes-binaries.mjs';
import { serviceSubnet } from './addresses.ts';

/** A program to run until it is stopped. */
export interface Program {
  name: string;
  path: string;
  args: string[];
  /** Files that it reads when it starts: path to content. */
  files?: Record<string, string>;
}

/** What the flags depend on. */
export interface ControlPlaneSettings {
  /** The folder made by issueCertificates. */
  credentials: string;
  /** Where etcd keeps its data. */
  etcdDirectory: string;
  /** The API server listens here; 0.0.0.0 where pods must reach it. */
  bindAddress: string;
  /** Published as the endpoint of the `kubernetes` Service; without one, that Service has no endpoint. */
  advertiseAddress?: string;
  ports: { apiServer: number; etcdClient: number; etcdPeer: number; controllerManager: number; scheduler: number };
  /** Admission plugins that are on besides those that are on by default. */
  admissionPlugins?: string[];
  /** Writes one JSON line per request that ended, by the policy in the given file. */
  audit?: { policyPath: string; logPath: string };
}

/** etcd without fsync: the data of a test need not survive a power cut. */
export function etcd({ etcdDirectory, ports }: ControlPlaneSettings): Program {
  const client = `http://127.0.0.1:${ports.etcdClient}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return {
    name: 'etcd',
    path: binary('etcd'),
    args: [
      `--data-dir=${etcdDirectory}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  };
}

export function apiServer(settings: ControlPlaneSettings): Program {
  const { ports, advertiseAddress, audit, admissionPlugins = [] } = settings;
  const pki = join(settings.credentials, 'pki');
  const published = advertiseAddress
    ? [`--advertise-address=${advertiseAddress}`]
    : ['--endpoint-reconciler-type=none'];
  const audited = audit
    ? [`--audit-policy-file=${audit.policyPath}`, `--audit-log-path=${audit.logPath}`, '--audit-log-format=json']
    : [];
  return {
    name: 'kube-apiserver',
    path: binary('kube-apiserver'),
    args: [
      `--etcd-servers=http://127.0.0.1:${ports.etcdClient}`,
      `--bind-address=${settings.bindAddress}`,
      `--secure-port=${ports.apiServer}`,
      ...published,
      `--service-cluster-ip-range=${serviceSubnet}`,
      '--authorization-mode=Node,RBAC',
      `--enable-admission-plugins=${['NodeRestriction', ...admissionPlugins].join(',')}`,
      '--allow-privileged=true',
      `--tls-cert-file=${pki}/apiserver.crt`,
      `--tls-private-key-file=${pki}/apiserver.key`,
      `--client-ca-file=${pki}/ca.crt`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${pki}/sa.pub`,
      `--service-account-signing-key-file=${pki}/sa.key`,
      `--kubelet-client-certificate=${pki}/apiserver-kubelet-client.crt`,
      `--kubelet-client-key=${pki}/apiserver-kubelet-client.key`,
      `--kubelet-certificate-authority=${pki}/ca.crt`,
      '--kubelet-preferred-address-types=InternalIP',
      `--requestheader-client-ca-file=${pki}/front-proxy-ca.crt`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      `--proxy-client-cert-file=${pki}/front-proxy-client.crt`,
      `--proxy-client-key-file=${pki}/front-proxy-client.key`,
      ...audited,
    ],
  };
}

/** Runs Jobs, CronJobs and Deployments, collects owned objects, fills namespaces with their service accounts. */
export function controllerManager({ credentials, ports }: ControlPlaneSettings): Program {
  const pki = join(credentials, 'pki');
  const kubeconfig = join(credentials, 'controller-manager.conf');
  return {
    name: 'kube-controller-manager',
    path: binary('kube-controller-manager'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--secure-port=${ports.controllerManager}`,
      '--bind-address=127.0.0.1',
      `--service-account-private-key-file=${pki}/sa.key`,
      `--root-ca-file=${pki}/ca.crt`,
      `--cluster-signing-cert-file=${pki}/ca.crt`,
      `--cluster-signing-key-file=${pki}/ca.key`,
      '--use-service-account-credentials=true',
      '--leader-elect=false',
    ],
  };
}

export function scheduler({ credentials, ports }: ControlPlaneSettings): Program {
  const kubeconfig = join(credentials, 'scheduler.conf');
  return {
    name: 'kube-scheduler',
    path: binary('kube-scheduler'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--secure-port=${ports.scheduler}`,
      '--bind-address=127.0.0.1',
      '--leader-elect=false',
    ],
  };
}

/**
 * Waits until the API server answers /readyz with 200.
 * `alive` is asked before each try and throws when waiting makes no sense any more.
 */
export async function apiServerReady(
  settings: ControlPlaneSettings,
  { timeoutMs, alive }: { timeoutMs: number; alive: () => void },
): Promise<void> {
  const ca = await readFile(join(settings.credentials, 'pki', 'ca.crt'));
  const deadline = Date.now() + timeoutMs;
  let last = 'no answer';
  while (Date.now() < deadline) {
    alive();
    last = await readyz(settings.ports.apiServer, ca);
    if (last === 'ok') return;
    await delay(100);
  }
  throw new Error(`the API server was not ready within ${timeoutMs / 1000} s: ${last}`);
}

function readyz(port: number, ca: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const attempt = request({ host: '127.0.0.1', port, path: '/readyz', ca, agent: false, timeout: 5000 }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      answer.on('end', () => resolve(answer.statusCode === 200 ? 'ok' : body));
      answer.on('error', (error) => resolve(error.message));
    });
    attempt.on('timeout', () => attempt.destroy(new Error('no answer within 5 s')));
    attempt.on('error', (error) => resolve(error.message));
    attempt.end();
  });
}
