// Runs that are sent to a node of their own, by its label and their toleration; then that node dies with a run on it, and comes back.
// Takes about six minutes, most of them Kubernetes' own.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { chooseCluster } from '../../dev/cluster/choose.ts';
import { secondNode as node } from '../../dev/cluster/nodes.ts';
import { runSteps } from '../../dev/steps.ts';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import type { Pod } from '../../src/kube/builtin-types.ts';
import { apply, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { deployManual, manualUrl } from './manual.ts';
import { itemsOf } from './results.ts';

const signal = AbortSignal.timeout(1_800_000);
const { secondNode } = chooseCluster();
const PAGES = 240;
let namespace: Awaited<ReturnType<typeof testNamespace>>;

beforeAll(async () => {
  if (secondNode === undefined) return;
  await runSteps(secondNode.up, signal);
  namespace = await testNamespace('second-node');
  await deployManual(namespace.name);
}, 900_000);
afterAll(async () => {
  await namespace?.remove();
  if (secondNode) await runSteps(secondNode.down, signal);
});

const eventually = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: 500_000, interval: 1_000 });
const read = (name: string) => getJson<CrawlRun>('crawlrun', name, '--namespace', namespace.name);

async function workersOf(name: string): Promise<Pod[]> {
  const args = ['pods', '--namespace', namespace.name, '--selector', `trawler.dev/run=${name}`];
  return (await getJson<{ items: Pod[] }>(...args)).items;
}

const nodesOf = async (name: string) => (await workersOf(name)).map(({ spec }) => spec?.nodeName);

const tolerations = node.taints.map(({ key, value, effect }) => ({ key, operator: 'Equal', value, effect }));

/** Two minutes of crawling. */
const create = (name: string, pod: object) =>
  apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: namespace.name },
    spec: {
      sources: [{ name: 'manual', urls: [`${manualUrl(namespace.name)}/index.html`], scope: { mode: 'Host' } }],
      ...{ politeness: { requestsPerSecond: 2 }, limits: { maxPages: PAGES }, heartbeat: { interval: '2s' } },
      timeoutSeconds: 3_600,
      pod,
    },
  });

// Of a cluster that TRAWLER_KUBECONFIG names the nodes are somebody else's.
test.skipIf(secondNode === undefined)(
  'a run is sent to a labelled, tainted node, loses it while it crawls, and ends whole when it is back',
  async () => {
    await create('unwelcome', { nodeSelector: node.labels });
    await create('anywhere', {});
    await eventually(async () => {
      const { status } = await read('unwelcome');
      expect(status).toMatchObject({ phase: 'Pending', reason: 'Unschedulable' });
      expect(status?.message).toContain('taint');
    });
    await eventually(async () => expect((await read('anywhere')).status?.progress?.done ?? 0).toBeGreaterThan(0));
    expect(await nodesOf('anywhere')).not.toContain(node.name);

    await create('sent', { nodeSelector: node.labels, tolerations });
    await eventually(async () => expect((await read('sent')).status?.progress?.done ?? 0).toBeGreaterThan(10));
    expect(await nodesOf('sent')).toEqual([node.name]);
    expect((await read('sent')).status?.workers).toEqual([expect.objectContaining({ node: node.name })]);
    const [first] = await workersOf('sent');
    await secondNode?.kill(signal);
    // Kubernetes needs 40 s for the node, 30 s for the taint, and 150 s for the pod's end.
    await eventually(async () => {
      const lost = (await workersOf('sent')).find(({ metadata }) => metadata.uid === first?.metadata.uid);
      expect(lost?.metadata.deletionTimestamp).toBeDefined();
      expect(lost?.status?.phase).toBe('Failed');
    });
    // The next worker may go nowhere else: the run says so, and does not end for that.
    await eventually(async () => {
      const { status } = await read('sent');
      expect(status).toMatchObject({ phase: 'Running', reason: 'Unschedulable' });
    });

    await runSteps(secondNode?.up ?? [], signal);
    await kubectl(
      ...['wait', '--for=condition=Finished', 'crawlrun/sent', '--namespace', namespace.name, '--timeout=300s'],
    );
    const { metadata, status } = await read('sent');
    expect(status?.phase, status?.message).toBe('Succeeded');
    expect((await itemsOf(metadata.uid)).length).toBe(PAGES);
    expect(new Set(status?.workers?.map((worker) => worker.node))).toEqual(new Set([node.name]));
  },
  1_500_000,
);
