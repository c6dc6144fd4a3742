// Two installs in one cluster, each with namespaces of its own, and what an operator may not read.

import { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { podsOf, startCaches } from '#src/controllers/caches.ts';
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun } from '#src/custom-resources/types.ts';
import { accessTrouble } from '#src/kube/access.ts';
import { JOBS, PODS } from '#src/kube/builtin-types.ts';
import { createKubeApi } from '#src/kube/client.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type RunningOperator, startOperator } from '../../support/running-operator.ts';

const never = new AbortController().signal;
const logger = pino({ level: 'silent' });
let cluster: ControlPlane;
let postgres: PostgresServer;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(18)]);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

const running: RunningOperator[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((operator) => operator.stop()));
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

/** A client of the API server with the rights of a new ServiceAccount, which has none. */
async function clientOf(account: string) {
  await kubectl(['create', 'serviceaccount', account, '-n', 'default']);
  const token = await kubectl(['create', 'token', account, '-n', 'default']);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfigPath);
  config.users = [{ name: account, token }];
  config.contexts = config.contexts.map((context) => ({ ...context, user: account }));
  return createKubeApi(config, { logger, metrics: createKubeMetrics(createRegistry()) });
}

const followed = (api: ReturnType<typeof createKubeApi>) =>
  [CRAWL_SCHEDULES, CRAWL_RUNS, JOBS, PODS].map((type) => api.resource(type));

function run(namespace: string, name: string): object {
  const spec = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] };
  return { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name, namespace }, spec };
}

describe('what an operator may read', () => {
  test('names the CRDs that are missing, then the right, then nothing', async () => {
    const api = await clientOf('reader');
    await kubectl(['create', 'clusterrole', 'reader', '--verb=list,watch', '--resource=jobs,pods']);
    await kubectl([
      'create',
      'clusterrolebinding',
      'reader',
      '--clusterrole=reader',
      '--serviceaccount=default:reader',
    ]);
    const admin = new KubeConfig();
    admin.loadFromFile(cluster.kubeconfigPath);
    const mayAll = createKubeApi(admin, { logger, metrics: createKubeMetrics(createRegistry()) });
    expect(await accessTrouble(followed(mayAll), undefined, never)).toBe(
      'the API server does not serve crawlschedules.trawler.dev/v1alpha1: install the CRDs (crds/ or the chart)',
    );
    await installCrds(cluster);
    await vi.waitFor(async () => expect(await accessTrouble(followed(mayAll), undefined, never)).toBeUndefined(), {
      timeout: 20_000,
    });
    expect(await accessTrouble(followed(api), undefined, never)).toMatch(
      /^the ServiceAccount lacks a right: .*cannot list resource "crawlschedules"/,
    );
    await kubectl(['create', 'namespace', 'granted']);
    const rights = ['--verb=list,watch', '--resource=crawlschedules.trawler.dev,crawlruns.trawler.dev'];
    await kubectl(['create', 'role', 'reader', '-n', 'granted', ...rights]);
    const binding = ['--role=reader', '--serviceaccount=default:reader'];
    await kubectl(['create', 'rolebinding', 'reader', '-n', 'granted', ...binding]);
    await vi.waitFor(async () => expect(await accessTrouble(followed(api), ['granted'], never)).toBeUndefined(), {
      timeout: 20_000,
    });
    expect(await accessTrouble(followed(api), ['granted', 'default'], never)).toContain('in the namespace "default"');
    await Promise.all([api.close(), mayAll.close()]);
  });
});

describe('two operators in one cluster', () => {
  beforeAll(async () => {
    await installCrds(cluster);
    await kubectl(['create', 'namespace', 'unwatched']);
  });

  test('look after the runs of their own namespaces only', async () => {
    for (const [install, namespaces] of [
      ['one', ['red', 'green']],
      ['two', ['blue']],
    ] as const) {
      await kubectl(['create', 'namespace', install]);
      for (const namespace of namespaces) await kubectl(['create', 'namespace', namespace]);
      const { ownerUrl } = await postgres.createDatabase();
      const identity = { namespace: install, identity: install };
      running.push(startOperator(cluster.kubeconfigPath, ownerUrl, { ...identity, watchNamespaces: namespaces }));
    }
    const namespaces = ['red', 'green', 'blue', 'unwatched'];
    for (const namespace of namespaces) await kubectl(['apply', '-f', '-'], run(namespace, 'shop'));
    const jobs = async () => {
      const all: { items: { metadata: { namespace: string } }[] } = JSON.parse(
        await kubectl(['get', 'jobs', '-A', '-o', 'json']),
      );
      return all.items.map(({ metadata }) => metadata.namespace).sort();
    };
    await vi.waitFor(async () => expect(await jobs()).toEqual(['blue', 'green', 'red']), {
      timeout: 45_000,
      interval: 200,
    });
    const [one, two] = await Promise.all(running.map(({ store }) => store.activeRuns(never)));
    expect(one?.map(({ namespace }) => namespace).sort()).toEqual(['green', 'red']);
    expect(two?.map(({ namespace }) => namespace)).toEqual(['blue']);
    const ignored: CrawlRun = JSON.parse(await kubectl(['get', 'crawlrun', 'shop', '-n', 'unwatched', '-o', 'json']));
    expect(ignored.status).toBeUndefined();
  });

  test('a pod that only has the label of a run is none of its pods', async () => {
    const { metadata }: CrawlRun = JSON.parse(await kubectl(['get', 'crawlrun', 'shop', '-n', 'red', '-o', 'json']));
    const forged = (namespace: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'forged', namespace, labels: { 'trawler.dev/run-uid': metadata.uid } },
      spec: { containers: [{ name: 'crawler', image: 'none' }] },
    });
    for (const namespace of ['red', 'blue']) await kubectl(['apply', '-f', '-'], forged(namespace));
    const ending = new AbortController();
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfigPath);
    const metrics = createKubeMetrics(createRegistry());
    const api = createKubeApi(config, { logger, metrics });
    const { podCache, runCache, ...others } = startCaches({ api, logger, metrics, signal: ending.signal });
    await Promise.all([podCache, runCache].map((cache) => cache.synced(never)));
    const names = podCache.list().map((pod) => pod.metadata.name);
    expect(names.filter((name) => name === 'forged')).toHaveLength(2);
    const shop = runCache.get({ namespace: 'red', name: 'shop' });
    const pods = shop === undefined ? [] : podsOf(podCache, shop).map((pod) => pod.metadata.name);
    expect(pods).toEqual([expect.stringMatching(/^shop-0-/)]);
    ending.abort();
    await Promise.all([podCache, runCache, ...Object.values(others)].map((cache) => cache.done));
    await api.close();
  });
});
