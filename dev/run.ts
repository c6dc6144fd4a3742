// `npm run dev -- operator|gateway|server|worker RUN`: one process from source, against the local cluster and its database.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { trawlerNamespace } from './cluster/addresses.ts';
import { chooseCluster } from './cluster/choose.ts';
import { kubectl, release } from './install.ts';
import { binary } from './setup/kubernetes-binaries.mjs';
import { projectRoot } from './setup/paths.mjs';

/** Plain HTTP: on this machine alone. */
const ownGateway = 'http://localhost:8443';

const usage = `usage: npm run dev -- operator | gateway | server | worker RUN [NAMESPACE]
Runs one process from source, and again when a source file changes, against the cluster of \`npm run quickstart\`.
  operator   instead of the one in the cluster, which comes back at the end
  gateway    beside those in the cluster, at ${ownGateway}, for workers that are started here
  server     beside what is in the cluster
  worker     one more worker of a CrawlRun that is going on; from here it sees only hosts that this machine resolves. It
             speaks to the gateway in the cluster, or to the one at TRAWLER_GATEWAY_URL, such as ${ownGateway}`;

const cluster = chooseCluster();
const operatorDeployment = [`deployment/${release}-operator`, '--namespace', trawlerNamespace];

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort());

/** Runs the program until Ctrl-C, starting it again when a file that it imports changes. */
async function runWatched(args: string[], env: Record<string, string>): Promise<void> {
  const options = { cwd: projectRoot, stdio: 'inherit', reject: false, forceKillAfterDelay: 35_000 } as const;
  await execa('node', ['--watch', '--watch-preserve-output', ...args], {
    ...options,
    env: { KUBECONFIG: cluster.kubeconfig, TRAWLER_LOG_LEVEL: 'debug', ...env },
    cancelSignal: stop.signal,
  });
}

async function operatorEnvironment(): Promise<Record<string, string>> {
  const secret = await secretValues(`${release}-postgres`, trawlerNamespace);
  const url = secret['url'] ?? '';
  // The gateway in the cluster goes on with the Service's name, and with its own login.
  const gatewayUrl = new URL(url);
  gatewayUrl.username = gatewayUrl.password = '';
  return {
    TRAWLER_DATABASE_URL: await reachable(url),
    TRAWLER_DATABASE_GATEWAY_URL: gatewayUrl.href,
    TRAWLER_NAMESPACE: trawlerNamespace,
    TRAWLER_POD_NAME: hostname(),
    ...(await containerValues(
      ['get', ...operatorDeployment],
      ['TRAWLER_CRAWLER_IMAGE', 'TRAWLER_ALLOWED_ADDRESSES', 'TRAWLER_GATEWAY_URL', 'TRAWLER_GATEWAY_CONNECTIONS'],
    )),
  };
}

/** Two operators never work at once: the one in the cluster makes room for this one. */
async function operator(): Promise<void> {
  const env = await operatorEnvironment();
  await kubectl(cluster, ['scale', ...operatorDeployment, '--replicas=0']);
  try {
    await runWatched(['operator/main.ts', 'operator'], env);
  } finally {
    await kubectl(cluster, ['scale', ...operatorDeployment, '--replicas=1']);
  }
}

async function gateway(): Promise<void> {
  const { url = '' } = await secretValues(`${release}-gateway-login`, trawlerNamespace);
  await runWatched(['operator/main.ts', 'gateway'], {
    TRAWLER_DATABASE_URL: await reachable(url),
    TRAWLER_GATEWAY_PORT: new URL(ownGateway).port,
    // Those of an operator that runs here, too, stay free.
    TRAWLER_HEALTH_PORT: '0',
    TRAWLER_METRICS_PORT: '0',
  });
}

async function server(): Promise<void> {
  const { TRAWLER_DATABASE_URL = '' } = await operatorEnvironment();
  // As the owner of the schema: the login that reads is there only where the chart's server is on.
  await runWatched(['operator/main.ts', 'server'], {
    ...{ TRAWLER_DATABASE_URL, TRAWLER_NAMESPACE: trawlerNamespace, TRAWLER_POD_NAME: hostname() },
    ...{ TRAWLER_HEALTH_PORT: '0', TRAWLER_METRICS_PORT: '0' },
  });
}

/** The worker gets what the run's Job gives its pods: the environment, and the run's Secret as files. */
async function worker(run: string, namespace: string): Promise<void> {
  const where = ['--namespace', namespace];
  const job = await kubectl(cluster, ['get', 'crawlrun', run, ...where, '--output=jsonpath={.status.jobName}']);
  if (job === '') throw new Error(`CrawlRun ${namespace}/${run} has no Job (yet)`);
  const credentials = await mkdtemp(join(tmpdir(), 'trawler-worker-'));
  const forwarding = new AbortController();
  try {
    for (const [key, value] of Object.entries(await secretValues(job, namespace))) {
      await writeFile(join(credentials, key), value, { mode: 0o600 });
    }
    await runWatched(['crawler-image/main.ts'], {
      ...(await containerValues(['get', 'job', job, ...where])),
      TRAWLER_GATEWAY_URL: process.env['TRAWLER_GATEWAY_URL'] ?? (await forwardedGateway(forwarding.signal)),
      TRAWLER_CREDENTIALS_DIR: credentials,
      TRAWLER_WORKER_ID: randomUUID(),
      TRAWLER_POD_NAME: hostname(),
      TRAWLER_NODE_NAME: hostname(),
    });
  } finally {
    forwarding.abort();
    await rm(credentials, { recursive: true, force: true });
  }
}

/** The gateway in the cluster at a port of this machine, until the signal; its certificate is for localhost, too. */
async function forwardedGateway(signal: AbortSignal): Promise<string> {
  const where = [`service/${release}-gateway`, '--namespace', trawlerNamespace];
  const forward = execa(binary('kubectl'), ['port-forward', ...where, '--address=127.0.0.1', ':8443'], {
    env: { KUBECONFIG: cluster.kubeconfig },
    cancelSignal: signal,
    reject: false,
  });
  // Not by execa's own lines: to leave those ends the program.
  for await (const line of createInterface({ input: forward.stdout })) {
    const [, port] = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line) ?? [];
    if (port !== undefined) return `https://localhost:${port}`;
  }
  throw new Error(`the gateway cannot be reached: ${(await forward).stderr}`);
}

async function secretValues(name: string, namespace: string): Promise<Record<string, string>> {
  const text = await kubectl(cluster, ['get', 'secret', name, '--namespace', namespace, '--output=json']);
  const data: Record<string, string> = JSON.parse(text).data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

/** Literal environment variables of the first container of a workload; all of them unless some are named. */
async function containerValues(get: string[], names?: string[]): Promise<Record<string, string>> {
  const workload = JSON.parse(await kubectl(cluster, [...get, '--output=json']));
  const env: { name: string; value?: string }[] = workload.spec.template.spec.containers[0].env;
  const literal = env.filter(({ name, value }) => value !== undefined && (names?.includes(name) ?? true));
  return Object.fromEntries(literal.map(({ name, value }) => [name, value ?? '']));
}

/** The same database by an address that this machine knows: names of Services exist inside the cluster only. */
async function reachable(url: string): Promise<string> {
  const address = new URL(url);
  const [service = '', namespace] = address.hostname.split('.');
  if (!address.hostname.includes('.svc')) return url;
  const args = ['get', 'service', service, '--namespace', namespace ?? trawlerNamespace];
  address.hostname = await kubectl(cluster, [...args, '--output=jsonpath={.spec.clusterIP}']);
  return address.href;
}

const [program, run, namespace = 'default'] = process.argv.slice(2);
if (program === 'operator') await operator();
else if (program === 'gateway') await gateway();
else if (program === 'server') await server();
else if (program === 'worker' && run) await worker(run, namespace);
else {
  console.error(usage);
  process.exitCode = 2;
}
