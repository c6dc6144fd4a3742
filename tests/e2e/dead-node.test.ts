// The kubelet of the node that a worker runs on stops, and its pods with it, as on a machine that lost its power: the run
// goes on with another worker once Kubernetes has given the pod up. Takes about six minutes, most of them Kubernetes' own.
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ensureDaemon, findDaemons, stopDaemons } from '../../dev/cluster/daemons.ts';
import { kubelet } from '../../dev/cluster/node.ts';
import { firstNode } from '../../dev/cluster/nodes.ts';
import { sendSignal } from '../../dev/cluster/signals.ts';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import type { Pod } from '../../src/kube/builtin-types.ts';
import { apply, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { deployManual, manualUrl } from './manual.ts';
import { itemsOf } from './results.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;
beforeAll(async () => {
  namespace = await testNamespace('dead-node');
  await deployManual(namespace.name);
});
afterAll(() => namespace?.remove());

/**
 * Kubernetes stops all evictions when no node of a cluster answers any more, and this one may be the only one: with the
 * label it does not count (https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-exclude-disruption).
 */
const labelNodes = (label: string) => kubectl('label', 'nodes', '--all', '--overwrite', label);
const EXCLUDE = 'node.kubernetes.io/exclude-disruption';

const kubelets = async () => (await findDaemons()).filter(({ name }) => name === 'kubelet');
const read = () => getJson<CrawlRun>('crawlrun', 'lost', '--namespace', namespace.name);
const eventually = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: 500_000, interval: 1_000 });

async function workers(): Promise<Pod[]> {
  const args = ['pods', '--namespace', namespace.name, '--selector', 'trawler.dev/run=lost'];
  return (await getJson<{ items: Pod[] }>(...args)).items;
}

/** Ends what runs in the worker's container, as the loss of its machine would. */
async function killProcessesOf(pod: Pod): Promise<void> {
  const mark = `TRAWLER_WORKER_ID=${pod.metadata.uid}`;
  for (const entry of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(mark)) sendSignal(Number(entry), 'SIGKILL');
  }
}

// Clusters that are named by TRAWLER_KUBECONFIG have their kubelets elsewhere.
test.skipIf(process.env['TRAWLER_KUBECONFIG'] !== undefined)(
  'the pod of a worker on a dead node becomes Failed, and its Job makes another one',
  async () => {
    await apply({
      apiVersion: 'trawler.dev/v1alpha1',
      kind: 'CrawlRun',
      metadata: { name: 'lost', namespace: namespace.name },
      spec: {
        sources: [{ name: 'manual', urls: [`${manualUrl(namespace.name)}/index.html`], scope: { mode: 'Host' } }],
        ...{ politeness: { requestsPerSecond: 20 }, limits: { maxPages: 400 }, heartbeat: { interval: '2s' } },
        timeoutSeconds: 3_600,
      },
    });
    await eventually(async () => expect((await read()).status?.progress?.done ?? 0).toBeGreaterThan(10));
    const [first] = await workers();
    if (first === undefined) throw new Error('the run has no worker');
    try {
      await labelNodes(`${EXCLUDE}=true`);
      await stopDaemons(await kubelets());
      await killProcessesOf(first);
      // Kubernetes needs 40 s for the node, 30 s for the taint, and 150 s for the pod's end.
      await eventually(async () => {
        const lost = (await workers()).find(({ metadata }) => metadata.uid === first.metadata.uid);
        expect(lost?.metadata.deletionTimestamp).toBeDefined();
        expect(lost?.status?.phase).toBe('Failed');
      });
      const waiting = (await read()).status?.conditions?.find(({ type }) => type === 'Progressing');
      expect(waiting?.status).toBe('False');
      const events = await kubectl(
        'get',
        'events.events.k8s.io',
        '--namespace',
        namespace.name,
        '-o',
        'jsonpath={.items[*].reason}',
      );
      expect(events).toContain('NodeLost');
      await eventually(async () => expect((await workers()).length).toBeGreaterThan(1));
    } finally {
      await ensureDaemon(kubelet(firstNode));
      await labelNodes(`${EXCLUDE}-`);
    }
    await kubectl('wait', '--for=condition=Finished', 'crawlrun/lost', '--namespace', namespace.name, '--timeout=300s');
    const run = await read();
    expect(run.status?.phase, run.status?.message).toBe('Succeeded');
    expect((await itemsOf(run.metadata.uid)).length).toBe(400);
  },
  1_500_000,
);
