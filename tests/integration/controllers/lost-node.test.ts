// Pods as a dead node leaves them, on a real API server: Terminating for ever, with the phase Running; also on a node that answers. The
// node is an object whose kubelet never comes.
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createLostNodes } from '#src/controllers/run/lost-node.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { NODES, type Node, PODS, type Pod, type Secret } from '#src/kube/builtin-types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import type { EventRecorder } from '#src/kube/events.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { databaseHeartbeats } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { operatorAccount } from '../../support/operator-rights.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { connect, type RunningOperator, startOperator } from '../../support/running-operator.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;
let account: { api: KubeApi };

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
  database = await postgres.createDatabase({ createRole: true });
  account = await operatorAccount(cluster.kubeconfigPath);
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl, account);
});
afterAll(async () => {
  await operator?.stop();
  await account?.api.close();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

const eventually = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: 90_000, interval: 200 });
const list = async <T>(kind: string): Promise<T[]> =>
  (JSON.parse(await kubectl(['get', kind, '-n', 'default', '-o', 'json'])) as { items: T[] }).items;
const podsOf = async (run: string) =>
  (await list<Pod>('pods')).filter(({ metadata }) => metadata.labels?.['trawler.dev/run'] === run);

async function createRun(name: string): Promise<Pod> {
  const spec = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }], heartbeat: { interval: '1s' } };
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  await kubectl(['apply', '-f', '-'], { ...kind, metadata: { name, namespace: 'default' }, spec });
  return eventually(async () => {
    const [pod] = await podsOf(name);
    if (pod === undefined) throw new Error('no pod yet');
    return pod;
  });
}

/** A node without a kubelet, which says of itself what is given. */
async function createNode(name: string, ready: 'True' | 'Unknown'): Promise<void> {
  await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const condition = { type: 'Ready', status: ready, reason: 'Test', message: '' };
  await patchStatus('node', name, { conditions: [condition] });
}

async function patchStatus(kind: string, name: string, status: object): Promise<void> {
  const body = JSON.stringify({ status });
  await kubectl(['patch', kind, name, '-n', 'default', '--subresource=status', '--type=merge', '-p', body]);
}

/** On the node, at work, and then deleted by the taint manager, as it looks when its time is over. */
async function leaveOnNode({ metadata }: Pod, node: string): Promise<void> {
  const { name } = metadata;
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  await kubectl(['create', '--raw', `/api/v1/namespaces/default/pods/${name}/binding`, '-f', '-'], binding);
  const container = { name: 'crawler', image: 'x', imageID: 'x', ready: true, restartCount: 0 };
  const state = { running: { startedAt: '2026-01-01T00:00:00Z' } };
  await patchStatus('pod', name, { phase: 'Running', containerStatuses: [{ ...container, state }] });
  await kubectl(['delete', 'pod', name, '-n', 'default', '--wait=false', '--grace-period=1']);
}

test('a pod on a node that does not answer becomes Failed, and its Job makes another one', async () => {
  await createNode('dead', 'Unknown');
  const pod = await createRun('lost');
  await leaveOnNode(pod, 'dead');
  await eventually(async () => {
    const lost = (await podsOf('lost')).find(({ metadata }) => metadata.uid === pod.metadata.uid);
    expect(lost?.status?.phase).toBe('Failed');
    expect(lost?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'NodeLost' }),
    );
  });
  await eventually(async () => {
    const others = (await podsOf('lost')).filter(({ metadata }) => metadata.uid !== pod.metadata.uid);
    expect(others).toHaveLength(1);
  });
  const events = await list<{ reason: string }>('events.events.k8s.io');
  expect(events.map(({ reason }) => reason)).toContain('NodeLost');
  const [run] = await list<CrawlRun>('crawlrun');
  expect(run?.status?.phase).toBe('Pending');
});

test('a pod that its node cannot end becomes Failed two minutes after its time, and goes', async () => {
  await createNode('busy', 'True');
  const pod = await createRun('stuck');
  await leaveOnNode(pod, 'busy');
  const api = connect(cluster.kubeconfigPath);
  const reasons: string[] = [];
  const failLostPods = async (laterMs: number) => {
    const { failLostPods } = createLostNodes({
      ...{ pods: api.resource<Pod>(PODS), nodes: api.resource<Node>(NODES) },
      events: { record: (_, { reason }) => void reasons.push(reason) } as EventRecorder,
      now: () => new Date(Date.now() + laterMs),
      logger: createLogger('test', 'fatal'),
    });
    const run = JSON.parse(await kubectl(['get', 'crawlrun', 'stuck', '-n', 'default', '-o', 'json'])) as CrawlRun;
    const snapshot = { workers: [] } as unknown as RunSnapshot;
    await failLostPods(run, crawlRunSpec.parse(run.spec), snapshot, await podsOf('stuck'), AbortSignal.timeout(30_000));
  };
  try {
    await failLostPods(60_000);
    expect((await podsOf('stuck'))[0]?.status?.phase).toBe('Running');
    await failLostPods(150_000);
    expect(reasons).toEqual(['PodStuck']);
    await eventually(async () => {
      const uids = (await podsOf('stuck')).map(({ metadata }) => metadata.uid);
      expect(uids).toHaveLength(1);
      expect(uids).not.toContain(pod.metadata.uid);
    });
  } finally {
    await api.close();
  }
});

test('not while its worker gives heartbeats, though kubelet and pod seem dead', async () => {
  await createNode('mute', 'Unknown');
  const pod = await createRun('beating');
  const secret = JSON.parse(await kubectl(['get', 'secret', 'beating', '-n', 'default', '-o', 'json'])) as Secret;
  const decode = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const store = databaseHeartbeats({
    ...{
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: decode('token'),
    },
    ...{ workerId: pod.metadata.uid },
  });
  const beat = () =>
    store.beat(
      {
        state: 'Crawling',
        podName: pod.metadata.name,
        nodeName: 'mute',
        pagesInFlight: 0,
        concurrency: 1,
        idleMs: 0,
        rssBytes: 0,
        errors: 0,
      },
      AbortSignal.timeout(10_000),
    );
  try {
    await beat();
    await leaveOnNode(pod, 'mute');
    // The controller has looked at it since: the status has a later heartbeat than the first.
    const before = Date.now();
    await eventually(async () => {
      await beat();
      const seen = JSON.parse(await kubectl(['get', 'crawlrun', 'beating', '-n', 'default', '-o', 'json'])) as CrawlRun;
      expect(Date.parse(seen.status?.lastHeartbeatTime ?? '')).toBeGreaterThan(before + 2_000);
    });
    const found = (await podsOf('beating')).find(({ metadata }) => metadata.uid === pod.metadata.uid);
    expect(found?.status?.phase).toBe('Running');
  } finally {
    await store.close();
  }
});
