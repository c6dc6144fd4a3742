// Runs that cannot start or find nothing, on real nodes: each says what it waits for in words that name the field, and
// ends at its start deadline. What the API server and its controllers refuse is in tests/integration/controllers.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { crawlerImage, postgresImage, webImage } from '../../dev/images/catalog.ts';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import { apply, cluster, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { obstacleTable, type SeenObstacle } from '../support/obstacle-table.ts';
import { deployManual, manualUrl } from './manual.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;

beforeAll(async () => {
  namespace = await testNamespace('obstacles');
  await deployManual(namespace.name);
  const metadata = { name: 'unbound', namespace: namespace.name };
  const spec = {
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'none',
    resources: { requests: { storage: '1Gi' } },
  };
  await apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec });
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, name: 'settings' }, data: { a: 'b' } });
});
afterAll(() => namespace?.remove());

type Case = {
  readonly what: string;
  readonly name: string;
  readonly spec: Record<string, unknown>;
  readonly reason: string;
  readonly words: RegExp;
};

/** Named from pods and Events while they last; each ends after the 40 s that it has for its start. */
const WAITING: readonly Case[] = [
  {
    what: 'a registry that does not answer',
    name: 'registry',
    spec: { image: 'localhost:1/none:1' },
    reason: 'ImagePullFailed',
    words: /localhost:1\/none:1.*spec\.image/,
  },
  {
    what: 'an image name that is none',
    name: 'image-name',
    spec: { image: 'UPPER/case' },
    reason: 'ImagePullFailed',
    words: /UPPER\/case.*spec\.image/,
  },
  {
    what: 'a tag that is not there',
    name: 'tag',
    spec: { image: `${cluster.reference(crawlerImage)}-none` },
    reason: 'ImagePullFailed',
    words: /-none/,
  },
  {
    what: 'a label that no node has',
    name: 'selector',
    spec: { pod: { nodeSelector: { moon: 'yes' } } },
    reason: 'Unschedulable',
    words: /spec\.pod\.nodeSelector/,
  },
  {
    what: 'an affinity that no node meets',
    name: 'affinity',
    spec: {
      pod: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'moon', operator: 'Exists' }] }],
            },
          },
        },
      },
    },
    reason: 'Unschedulable',
    words: /spec\.pod\.affinity/,
  },
  {
    what: 'a spread over zones that are none',
    name: 'spread',
    spec: {
      pod: { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'moon', whenUnsatisfiable: 'DoNotSchedule' }] },
    },
    reason: 'Unschedulable',
    words: /spec\.pod\.topologySpreadConstraints/,
  },
  {
    what: 'more CPU than a node has',
    name: 'cpu',
    spec: { pod: { resources: { requests: { cpu: 1_000 } } } },
    reason: 'Unschedulable',
    words: /Insufficient cpu.*spec\.pod\.resources\.requests/,
  },
  {
    what: 'more memory than a node has',
    name: 'memory',
    spec: { pod: { resources: { requests: { memory: '100Ti' } } } },
    reason: 'Unschedulable',
    words: /Insufficient memory.*spec\.pod\.resources\.requests/,
  },
  {
    what: 'a claim that is not bound',
    name: 'claim',
    spec: { output: { volumeClaim: 'unbound' } },
    reason: 'Unschedulable',
    words: /spec\.output\.volumeClaim/,
  },
  {
    what: 'headers whose Secret is missing',
    name: 'headers',
    spec: { fetch: { headersSecretRef: { name: 'missing' } } },
    reason: 'VolumeNotMounted',
    words: /"missing" not found.*spec\.fetch\.headersSecretRef/,
  },
  {
    what: 'a variable whose Secret is missing',
    name: 'env-secret',
    spec: { pod: { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'missing', key: 'a' } } }] } },
    reason: 'ContainerRefused',
    words: /"missing" not found.*spec\.pod\.env/,
  },
  {
    what: 'a variable whose key is missing',
    name: 'env-key',
    spec: { pod: { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'z' } } }] } },
    reason: 'ContainerRefused',
    words: /couldn't find key z.*spec\.pod\.env/,
  },
  {
    what: 'an image that is no crawler and ends',
    name: 'crash',
    spec: { image: cluster.reference(postgresImage) },
    reason: 'WorkerCrashed',
    words: /exit code [0-9]+/,
  },
];

/** Nothing but the time tells that its worker never comes. */
const SILENT: Case = {
  what: 'an image that is no crawler and stays',
  name: 'silent',
  spec: { image: cluster.reference(webImage) },
  reason: 'NoHeartbeat',
  words: /no worker has given a heartbeat/,
};

const missing = { configMap: { name: 'missing', key: 'a' } };

/** A worker starts and says why it cannot work, or crawls and finds nothing. */
const ENDING: readonly Case[] = [
  {
    what: 'a list of URLs that is missing',
    name: 'list',
    spec: { sources: [{ name: 'manual', urlsFrom: missing }] },
    reason: 'WorkersFailed',
    words: /missing/,
  },
  {
    what: 'an extractor that is missing',
    name: 'module',
    spec: { extract: { module: missing } },
    reason: 'WorkersFailed',
    words: /missing|module/,
  },
  {
    what: 'a proxy whose Secret is missing',
    name: 'proxy',
    spec: { proxy: { urlSecretRef: { name: 'missing' } } },
    reason: 'WorkersFailed',
    words: /proxy/i,
  },
  {
    what: 'start URLs that are gone',
    name: 'gone',
    spec: { sources: [{ name: 'manual', urls: ['none-1', 'none-2'] }] },
    reason: 'AllRequestsFailed|NothingCrawled',
    words: /0 pages succeeded/,
  },
  {
    what: 'a start URL inside the cluster',
    name: 'private',
    spec: { sources: [{ name: 'manual', urls: ['http://10.96.0.1:443/'] }] },
    reason: 'AllRequestsFailed|NothingCrawled',
    words: /0 pages succeeded/,
  },
];

/** Pods ask for next to no processor time, so that a small node has room for all of them at once. */
async function start({ name, spec }: Pick<Case, 'name' | 'spec'>, startTimeoutSeconds = 300): Promise<void> {
  const url = manualUrl(namespace.name);
  const sources = (spec['sources'] as { urls?: string[] }[] | undefined)?.map((source) => ({
    ...source,
    ...(source.urls ? { urls: source.urls.map((path) => (path.startsWith('http') ? path : `${url}/${path}`)) } : {}),
  }));
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: namespace.name },
    spec: {
      startTimeoutSeconds,
      fetch: { maxRetries: 0, ...(spec['fetch'] as object) },
      pod: { resources: { requests: { cpu: '10m' } }, ...(spec['pod'] as object) },
      heartbeat: { interval: '2s' },
      limits: { maxPages: 2 },
      ...Object.fromEntries(Object.entries(spec).filter(([field]) => field !== 'fetch' && field !== 'pod')),
      sources: sources ?? [{ name: 'manual', urls: [`${url}/index.html`], scope: { mode: 'Page' } }],
    },
  });
}

const read = (name: string) => getJson<CrawlRun>('crawlrun', name, '--namespace', namespace.name);
const conditionOf = (run: CrawlRun, type: string) => run.status?.conditions?.find((one) => one.type === type);

async function finished(name: string): Promise<CrawlRun> {
  const what = ['--for=condition=Finished', `crawlrun/${name}`, '--namespace', namespace.name];
  await kubectl('wait', ...what, '--timeout=300s');
  return read(name);
}

/** The rows of a table of obstacles: what is wrong, spec and reason, and apart from these the message. */
function rowsOf(table: string): { obstacle: string; message: string }[] {
  const rows = table.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(2).map((row) => {
    const cells = row.split(/(?<!\\)\|/).slice(1, -1);
    return { obstacle: cells.slice(0, 3).join('|'), message: cells.slice(3).join('|') };
  });
}

describe('a run', () => {
  test('names what keeps its pods from work, and ends at its start deadline', async () => {
    await Promise.all([...WAITING, SILENT].map((obstacle) => start(obstacle, 40)));
    const seen = await Promise.all(
      WAITING.map(async ({ what, name, spec, reason, words }): Promise<SeenObstacle> => {
        const told = await vi.waitFor(
          async () => {
            const condition = conditionOf(await read(name), 'Progressing');
            expect(condition, what).toMatchObject({ status: 'False', reason });
            // A kubelet that is busy says first that it could not look.
            expect(condition?.message, what).toMatch(words);
            return condition;
          },
          { timeout: 180_000, interval: 500 },
        );
        return { what, spec, reason, message: told?.message ?? '' };
      }),
    );
    // The kubelet says the same in several ways, so the messages in the docs are held by their words alone.
    const documented = rowsOf(await readFile('docs/obstacles/nodes.md', 'utf8'));
    expect(documented.map(({ obstacle }) => obstacle)).toEqual(
      rowsOf(obstacleTable('Seen on nodes', seen, namespace.name)).map(({ obstacle }) => obstacle),
    );
    for (const [index, { what, words }] of WAITING.entries()) expect(documented[index]?.message, what).toMatch(words);
    for (const { what, name, reason, words } of [...WAITING, SILENT]) {
      const run = await finished(name);
      expect(run.status?.phase, what).toBe('Failed');
      expect(conditionOf(run, 'Failed'), what).toMatchObject({ status: 'True', reason });
      expect(run.status?.message, what).toMatch(/^not started within 40 s \(spec\.startTimeoutSeconds\): /);
      expect(run.status?.message, what).toMatch(words);
    }
    const left = [
      'pods',
      '--namespace',
      namespace.name,
      '--selector=trawler.dev/run',
      '--field-selector=status.phase!=Failed',
    ];
    // The image that is no crawler may need all of its 150 s to end.
    await vi.waitFor(async () => expect((await getJson<{ items: object[] }>(...left)).items).toEqual([]), {
      timeout: 200_000,
      interval: 1_000,
    });
  });

  test('whose worker cannot work, or whose start URLs give nothing, has failed', async () => {
    await Promise.all(ENDING.map((obstacle) => start(obstacle)));
    for (const { what, name, reason, words } of ENDING) {
      const run = await finished(name);
      expect(run.status?.phase, `${what}: ${run.status?.message}`).toBe('Failed');
      expect(conditionOf(run, 'Failed')?.reason, what).toMatch(new RegExp(`^(${reason})$`));
      expect(run.status?.message, what).toMatch(words);
      expect(conditionOf(run, 'EmptyResult'), what).toMatchObject({ status: 'True', reason: 'NoPageSucceeded' });
    }
  });

  test('without an item says so', async () => {
    const extract = { itemSelector: '.nothing-of-the-kind', fields: [{ name: 'title', selector: 'title' }] };
    await start({ name: 'empty', spec: { extract } });
    const run = await finished('empty');
    expect(run.status?.phase, run.status?.message).toBe('Succeeded');
    expect(conditionOf(run, 'EmptyResult')).toMatchObject({ status: 'True', reason: 'NoItems' });
  });

  test('whose worker is evicted says which one was lost, and goes on', async () => {
    const sources = [{ name: 'manual', urls: ['index.html'], scope: { mode: 'Host' } }];
    await start({
      name: 'evicted',
      spec: { sources, limits: { maxPages: 300 }, politeness: { requestsPerSecond: 10 } },
    });
    const selector = '--selector=trawler.dev/run=evicted';
    await vi.waitFor(async () => expect((await read('evicted')).status?.progress?.done ?? 0).toBeGreaterThan(5), {
      timeout: 120_000,
      interval: 500,
    });
    await kubectl('delete', 'pod', selector, '--namespace', namespace.name, '--wait=false', '--grace-period=1');
    const events = () =>
      kubectl('get', 'events.events.k8s.io', '--namespace', namespace.name, '-o', 'jsonpath={.items[*].reason}');
    await vi.waitFor(async () => expect(await events()).toContain('WorkerLost'), { timeout: 120_000, interval: 500 });
    const run = await finished('evicted');
    expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  });

  test('of a user that the cluster assigns works as well', async () => {
    const securityContext = { runAsUser: 1_000_650_000, runAsGroup: 1_000_650_000, fsGroup: 1_000_650_000 };
    await start({ name: 'user', spec: { pod: { securityContext } } });
    const run = await finished('user');
    expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  });
});
