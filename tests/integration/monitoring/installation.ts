// All processes of Trawler on a control plane, with a stand-in for kubelets: it starts a worker for each pod of a run.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Pod, Secret } from '#src/kube/builtin-types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { freePorts } from '../../support/free-ports.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { type LoggingProcess, startLoggingProcess } from '../../support/logging-process.ts';
import { startPostgres } from '../../support/postgres.ts';

export const SERVICES = ['operator', 'gateway', 'server'] as const;
export type Service = (typeof SERVICES)[number];

export type Installation = AsyncDisposable & {
  readonly processes: Readonly<Record<Service, LoggingProcess>>;
  /** host:port of the metrics of each. */
  readonly targets: Readonly<Record<Service, string>>;
  readonly serverUrl: string;
  /** Workers that pods of runs have had so far. */
  readonly workers: readonly LoggingProcess[];
  kubectl(args: readonly string[], input?: object): Promise<string>;
  /** Starts a worker for each pod that has none yet. */
  startPods(): Promise<void>;
};

/** @param allowedAddress host:port of a site that crawls may reach though it is private */
export async function startInstallation(allowedAddress: string): Promise<Installation> {
  const [cluster, postgres, directory, ports] = await Promise.all([
    startControlPlane({ controllerManager: true }),
    startPostgres(18),
    mkdtemp(join(tmpdir(), 'trawler-pods-')),
    freePorts(5),
  ]);
  const [operatorMetrics, gatewayMetrics, serverMetrics, gatewayPort, serverPort] = ports.map(String);
  const kubectl = kubectlOf(cluster);
  await installCrds(cluster);
  const { ownerUrl } = await postgres.createDatabase({ createRole: true });
  const start = (service: Service, metricsPort = '', environment: Record<string, string> = {}) =>
    startLoggingProcess(['operator/main.ts', service], {
      ...{ TRAWLER_HEALTH_PORT: '0', TRAWLER_METRICS_PORT: metricsPort, ...environment },
    });
  const onCluster = { KUBECONFIG: cluster.kubeconfigPath, TRAWLER_DATABASE_URL: ownerUrl };
  const operator = start('operator', operatorMetrics, {
    ...onCluster,
    TRAWLER_GATEWAY_URL: `http://127.0.0.1:${gatewayPort}`,
    TRAWLER_ALLOWED_ADDRESSES: allowedAddress,
  });
  const server = start('server', serverMetrics, { ...onCluster, TRAWLER_SERVER_PORT: serverPort ?? '' });
  const gateway = start('gateway', gatewayMetrics, {
    TRAWLER_DATABASE_URL: await gatewayDatabaseUrl(cluster.kubeconfigPath, ownerUrl),
    TRAWLER_GATEWAY_PORT: gatewayPort ?? '',
  });
  const processes = { operator, gateway, server };
  const workers = new Map<string, LoggingProcess>();
  return {
    processes,
    targets: {
      ...{ operator: `127.0.0.1:${operatorMetrics}`, gateway: `127.0.0.1:${gatewayMetrics}` },
      server: `127.0.0.1:${serverMetrics}`,
    },
    serverUrl: `http://127.0.0.1:${serverPort}`,
    get workers() {
      return [...workers.values()];
    },
    kubectl,
    async startPods() {
      const pods = await kubectl(['get', 'pods', '-A', '--selector=trawler.dev/run-uid', '-o', 'json']);
      for (const pod of (JSON.parse(pods) as { items: Pod[] }).items) {
        const { uid, labels = {}, namespace } = pod.metadata;
        const job = labels['batch.kubernetes.io/job-name'] ?? '';
        if (workers.has(uid)) continue;
        const secret = await kubectl(['get', 'secret', job, '-n', namespace ?? '', '-o', 'json']);
        const credentials = join(directory, uid);
        await mountSecret(JSON.parse(secret) as Secret, credentials);
        const environment = { ...environmentOf(pod), TRAWLER_CREDENTIALS_DIR: credentials, HOME: directory };
        workers.set(uid, startLoggingProcess(['crawler-image/main.ts'], environment));
      }
    },
    async [Symbol.asyncDispose]() {
      const all = [...Object.values(processes), ...workers.values()];
      for (const one of all) one.process.kill('SIGKILL');
      await Promise.all(all.map(({ ended }) => ended));
      await Promise.all([cluster.stop(), postgres.stop(), rm(directory, { recursive: true })]);
    },
  };
}

function kubectlOf({ kubeconfigPath }: ControlPlane): Installation['kubectl'] {
  return async (args, input) => {
    const stdin = input === undefined ? {} : { input: JSON.stringify(input) };
    return (await execa(binary('kubectl'), [`--kubeconfig=${kubeconfigPath}`, ...args], stdin)).stdout;
  };
}

/** As a kubelet has it, but for files that are mounted. */
function environmentOf({ metadata, spec }: Pod): Record<string, string> {
  const fields: Readonly<Record<string, string>> = {
    ...{ 'metadata.uid': metadata.uid, 'metadata.name': metadata.name, 'spec.nodeName': 'node' },
  };
  const [container] = spec?.containers ?? [];
  const variables = (container?.env ?? []).map(({ name, value, valueFrom }) => {
    const field = fields[valueFrom?.fieldRef?.fieldPath ?? ''];
    return [name, value ?? field ?? ''] as const;
  });
  return Object.fromEntries(variables);
}

async function mountSecret({ data = {} }: Secret, directory: string): Promise<void> {
  await mkdir(directory);
  for (const [name, value] of Object.entries(data)) {
    await writeFile(join(directory, name), Buffer.from(value, 'base64'));
  }
}
