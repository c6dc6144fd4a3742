// Runs that cannot start, against a real API server with its controllers: each is refused, ends, or says what it waits
// for, in words that name the field. What only a kubelet can refuse is in tests/e2e/obstacles.test.ts.
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Job, Pod, Secret } from '#src/kube/builtin-types.ts';
import { POLICED_POD_FIELDS } from '#src/resources/pod-template.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { deadWebhook } from '../../support/dead-webhook.ts';
import { databaseHeartbeats } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { JOB_SETTINGS } from '../../support/job-settings.ts';
import { obstacleTable, type SeenObstacle } from '../../support/obstacle-table.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator } from '../../support/running-operator.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
  database = await postgres.createDatabase({ createRole: true });
  const allowedPodFields = POLICED_POD_FIELDS.filter((field) => field !== 'hostAliases' && field !== 'image');
  const settings = { ...JOB_SETTINGS, allowedPodFields };
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl, { settings });
});
afterAll(async () => {
  await operator?.stop();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

const apply = (object: object) => kubectl(['apply', '--server-side', '-f', '-'], object);
const eventually = <T>(assertions: () => Promise<T>) => vi.waitFor(assertions, { timeout: 90_000, interval: 200 });
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

function run(namespace: string, spec: object): object {
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  return { ...kind, metadata: { name: 'shop', namespace }, spec: { sources, ...spec } };
}

async function read(namespace: string): Promise<CrawlRun> {
  return JSON.parse(await kubectl(['get', 'crawlrun', 'shop', '-n', namespace, '-o', 'json'])) as CrawlRun;
}

const conditionOf = (object: CrawlRun, type: string) => object.status?.conditions?.find((one) => one.type === type);

describe('the API server refuses', () => {
  const seen: SeenObstacle[] = [];
  const pod = (fields: object) => ({ pod: fields });
  const resources = (fields: object) => pod({ resources: fields });

  test.each<[string, object, RegExp]>([
    [
      'a request above its limit',
      resources({ requests: { cpu: '2' }, limits: { cpu: 1 } }),
      /resources\.requests: .*raise the limit/,
    ],
    [
      'a request of memory above its limit',
      resources({ requests: { memory: '1Gi' }, limits: { memory: '512Mi' } }),
      /resources\.requests: .*raise the limit/,
    ],
    ['memory in which no worker starts', resources({ limits: { memory: '40Mi' } }), /resources\.limits: .*128Mi/],
    [
      'memory in which no browser starts',
      { fetch: { render: 'Browser' }, ...resources({ limits: { memory: '256Mi' } }) },
      /spec\.pod: .*512Mi/,
    ],
    ['a quantity with a unit of its own', resources({ limits: { cpu: '1 core' } }), /limits\.cpu.*should match/],
    ['a negative quantity', resources({ limits: { cpu: '-1' } }), /limits\.cpu.*should match/],
    ['a resource that is none', resources({ limits: { cpus: 1 } }), /resources\.limits: .*ephemeral-storage/],
    ['a toleration with an effect alone', pod({ tolerations: [{ effect: 'NoSchedule' }] }), /operator: .*Exists/],
    [
      'a toleration whose value does not count',
      pod({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }),
      /value: .*Equal/,
    ],
    [
      'seconds of a toleration that evicts nobody',
      pod({ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 5 }] }),
      /tolerationSeconds: .*NoExecute/,
    ],
    ['a label value with a blank', pod({ labels: { team: 'a b' } }), /pod\.labels\.team.*should match/],
    ['a label key with a blank', pod({ labels: { 'a b': 'c' } }), /pod\.labels: .*a key is a name/],
    [
      'an annotation key with two slashes',
      pod({ annotations: { 'a/b/c': 'd' } }),
      /pod\.annotations: .*a key is a name/,
    ],
    ['a node label that is none', pod({ nodeSelector: { '-a': 'b' } }), /pod\.nodeSelector: .*a key is a name/],
    [
      "a variable of the operator's",
      pod({ env: [{ name: 'TRAWLER_RUN_ID', value: 'x' }] }),
      /env\[0\]\.name: .*operator's/,
    ],
    ['a variable without a value', pod({ env: [{ name: 'A' }] }), /env\[0\]\.value: .*exactly one/],
    [
      'an address that is none',
      pod({ hostAliases: [{ ip: '1.2.3', hostnames: ['a.b'] }] }),
      /hostAliases\[0\]\.ip: .*no IP address/,
    ],
    [
      'an affinity without values',
      pod({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }],
            },
          },
        },
      }),
      /values: .*need values/,
    ],
    ['a worker that runs as root', pod({ securityContext: { runAsUser: 0 } }), /runAsUser.*greater than or equal to 1/],
    ['a start that may take no time', { startTimeoutSeconds: 1 }, /startTimeoutSeconds.*greater than or equal to 10/],
  ])('%s', async (what, spec, words) => {
    const refused = await apply(run('default', spec)).catch((error: { stderr: string }) => error.stderr);
    expect(refused).toMatch(words);
    const message = /is invalid: (.*)/s.exec(refused)?.[1] ?? refused;
    seen.push({ what, spec, reason: 'Invalid', message });
  });

  test('and the docs hold what it says', async () => {
    const table = obstacleTable('Refused by the API server', seen, 'default');
    await expect(table).toMatchFileSnapshot('../../../docs/obstacles/refused.md');
  });
});

type Case = {
  readonly what: string;
  readonly spec?: object;
  /** What is in the namespace, or around it, before the run is. */
  readonly prepare?: (namespace: string) => Promise<unknown>;
  readonly reason: string;
  readonly words: RegExp;
};

const object = (namespace: string, kind: string, rest: object, apiVersion = 'v1') =>
  apply({ apiVersion, kind, metadata: { name: 'shop', namespace }, ...rest });

const quota = (hard: object) => async (namespace: string) => {
  await object(namespace, 'ResourceQuota', { spec: { hard } });
  await kubectl(['wait', '-n', namespace, '--for=jsonpath={.status.hard}', 'resourcequota/shop', '--timeout=60s']);
};
const limitRange = (limit: object) => (namespace: string) =>
  object(namespace, 'LimitRange', { spec: { limits: [{ type: 'Container', ...limit }] } });
const claim = (accessMode: string) => (namespace: string) =>
  object(namespace, 'PersistentVolumeClaim', {
    spec: { accessModes: [accessMode], resources: { requests: { storage: '1Mi' } } },
  });

/** A policy of the cluster's owner that takes no new objects of the kind in the namespace. */
const policy = (group: string, resource: string) => async (namespace: string) => {
  const name = `no-${resource}-${namespace}`;
  const admission = 'admissionregistration.k8s.io/v1';
  await apply({
    apiVersion: admission,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name },
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: [group], apiVersions: ['v1'], operations: ['CREATE'], resources: [resource] }],
      },
      validations: [{ expression: 'false', message: `no ${resource} on Sundays` }],
    },
  });
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await apply({
    apiVersion: admission,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'], matchResources: { namespaceSelector } },
  });
  const probe = {
    jobs: ['create', 'job', 'probe', '--image=none'],
    pods: ['run', 'probe', '--image=none'],
    secrets: ['create', 'secret', 'generic', 'probe'],
  }[resource];
  await eventually(async () => {
    const attempt = kubectl([...(probe ?? []), '-n', namespace, '--dry-run=server']);
    await expect(attempt).rejects.toThrow('on Sundays');
  });
};

const withDeadWebhook = (group: string, resource: string) => async (namespace: string) => {
  await apply(deadWebhook(`dead-${resource}-${namespace}`, namespace, group, resource));
  const probe = resource === 'jobs' ? ['create', 'job', 'probe', '--image=none'] : ['run', 'probe', '--image=none'];
  await eventually(async () => {
    await expect(kubectl([...probe, '-n', namespace, '--dry-run=server'])).rejects.toThrow();
  });
};

/** A run that was stopped, after PostgreSQL had it or before. */
async function stoppedRun(namespace: string, name: string, wasAccepted: boolean): Promise<void> {
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  const shutdown = { shutdown: 'Stop' };
  await apply({ ...kind, metadata: { name, namespace }, spec: { sources, ...(wasAccepted ? {} : shutdown) } });
  if (wasAccepted) {
    await kubectl(['wait', '-n', namespace, '--for=condition=Accepted', `crawlrun/${name}`, '--timeout=60s']);
    const stop = ['--type=merge', '-p', JSON.stringify({ spec: shutdown })];
    await kubectl(['patch', 'crawlrun', name, '-n', namespace, ...stop]);
  }
  await kubectl(['wait', '-n', namespace, '--for=condition=Finished', `crawlrun/${name}`, '--timeout=60s']);
}

const many = Array.from({ length: 50 }, (_, source) => ({
  name: `s${source}`,
  urls: Array.from({ length: 1_000 }, (__, page) => `http://s${source}.example/${page}`),
}));

/** No waiting helps. */
const FINAL: readonly Case[] = [
  {
    what: 'a spec that leaves no room for a status',
    spec: { sources: many },
    reason: 'SpecTooLarge',
    words: /spec\.sources\[\]\.urlsFrom/,
  },
  {
    what: 'a field that the operator withholds',
    spec: { pod: { hostAliases: [{ ip: '192.0.2.1', hostnames: ['a.b'] }] } },
    reason: 'PodFieldForbidden',
    words: /spec\.pod\.hostAliases.*crawler\.allowedPodFields/,
  },
  {
    what: 'an image where only the operator names images',
    spec: { image: 'other' },
    reason: 'PodFieldForbidden',
    words: /spec\.image/,
  },
  {
    what: 'a retry of a run that is gone',
    spec: { trigger: { type: 'Retry', retryOf: 'gone', only: 'Dead' } },
    reason: 'UnknownRun',
    words: /spec\.trigger\.retryOf.*"gone"/,
  },
  {
    what: 'a retry of a run without dead letters',
    spec: { trigger: { type: 'Retry', retryOf: 'first', only: 'Dead' } },
    prepare: async (namespace) => {
      await stoppedRun(namespace, 'first', true);
    },
    reason: 'NothingToRetry',
    words: /^run "first" has no dead letters/,
  },
  {
    what: 'a retry of a run whose dead letters are not kept',
    spec: { trigger: { type: 'Retry', retryOf: 'first', only: 'Dead' } },
    prepare: async (namespace) => {
      await stoppedRun(namespace, 'first', false);
    },
    reason: 'DeadLettersGone',
    words: /keeps no dead letters of run "first".*retry all of it/,
  },
  {
    what: 'a name server that is no address',
    spec: { pod: { dnsConfig: { nameservers: ['dns.example'] } } },
    reason: 'JobRefused',
    words: /spec\.pod\.dnsConfig\.nameservers\[0\].*dns\.example/,
  },
  {
    what: 'a spread that is there twice',
    spec: {
      pod: {
        topologySpreadConstraints: [1, 2].map((maxSkew) => ({
          maxSkew,
          topologyKey: 'zone',
          whenUnsatisfiable: 'DoNotSchedule',
        })),
      },
    },
    reason: 'JobRefused',
    words: /spec\.pod\.topologySpreadConstraints\[.\].*Duplicate/,
  },
  {
    what: 'a device of which less is asked for than allowed',
    spec: { pod: { resources: { requests: { 'example.com/gpu': 1 }, limits: { 'example.com/gpu': 2 } } } },
    reason: 'JobRefused',
    words: /spec\.pod\.resources\.requests.*example\.com\/gpu/,
  },
  {
    what: 'a policy against Jobs',
    prepare: policy('batch', 'jobs'),
    reason: 'JobRefused',
    words: /no jobs on Sundays/,
  },
  {
    what: 'a policy against Secrets',
    prepare: policy('', 'secrets'),
    reason: 'SecretRefused',
    words: /no secrets on Sundays/,
  },
  {
    what: 'a volume for one node and two workers',
    spec: { workers: 2, output: { volumeClaim: 'shop' } },
    prepare: claim('ReadWriteOnce'),
    reason: 'VolumeClaimUnsuitable',
    words: /spec\.output\.volumeClaim.*one worker/,
  },
];

/** Somebody may mend it in time. */
const BOUNDED: readonly Case[] = [
  {
    what: 'a quota of pods',
    prepare: quota({ pods: '0' }),
    reason: 'QuotaExceeded',
    words: /exceeded quota: shop.*spec\.workers/,
  },
  {
    what: 'a quota of CPU',
    prepare: quota({ 'requests.cpu': '100m' }),
    reason: 'QuotaExceeded',
    words: /requests\.cpu=250m.*ResourceQuota/,
  },
  {
    what: 'a quota of Jobs',
    prepare: quota({ 'count/jobs.batch': '0' }),
    reason: 'QuotaExceeded',
    words: /count\/jobs\.batch/,
  },
  {
    what: 'a quota of Secrets',
    prepare: quota({ 'count/secrets': '0' }),
    reason: 'QuotaExceeded',
    words: /count\/secrets/,
  },
  {
    what: 'a limit range with less CPU',
    spec: { pod: { resources: { limits: { cpu: 1 } } } },
    prepare: limitRange({ max: { cpu: '100m' } }),
    reason: 'PodsRefused',
    words: /maximum cpu usage.*spec\.pod\.resources/,
  },
  {
    what: 'a limit range with more memory',
    prepare: limitRange({ min: { memory: '4Gi' } }),
    reason: 'PodsRefused',
    words: /minimum memory usage.*spec\.pod\.resources/,
  },
  {
    what: 'a policy against pods',
    prepare: policy('', 'pods'),
    reason: 'PodsRefused',
    words: /no pods on Sundays.*policy of the cluster/,
  },
  {
    what: 'a webhook for pods that does not answer',
    prepare: withDeadWebhook('', 'pods'),
    reason: 'PodsRefused',
    words: /dead\.example\.com.*does not answer/,
  },
  {
    what: 'a webhook for Jobs that does not answer',
    prepare: withDeadWebhook('batch', 'jobs'),
    reason: 'ApiServerError',
    words: /the Job now.*dead\.example\.com/,
  },
  {
    what: 'a ServiceAccount that is missing',
    spec: { pod: { serviceAccountName: 'missing' } },
    reason: 'PodsRefused',
    words: /missing.*spec\.pod\.serviceAccountName/,
  },
  {
    what: 'a PriorityClass that is missing',
    spec: { pod: { priorityClassName: 'missing' } },
    reason: 'PodsRefused',
    words: /missing.*spec\.pod\.priorityClassName/,
  },
  {
    what: 'a RuntimeClass that is missing',
    spec: { pod: { runtimeClassName: 'missing' } },
    reason: 'PodsRefused',
    words: /missing.*spec\.pod\.runtimeClassName/,
  },
  {
    what: 'a Secret of the same name',
    prepare: (namespace) => object(namespace, 'Secret', {}),
    reason: 'SecretConflict',
    words: /Secret named shop.*delete or rename/,
  },
  {
    what: 'a Job of the same name',
    prepare: (namespace) => kubectl(['create', 'job', 'shop', '-n', namespace, '--image=none']),
    reason: 'JobConflict',
    words: /Job named shop.*delete or rename/,
  },
  {
    what: 'a claim that is missing',
    spec: { output: { volumeClaim: 'missing' } },
    reason: 'VolumeClaimMissing',
    words: /spec\.output\.volumeClaim.*"missing"/,
  },
];

const final = new Map<string, SeenObstacle>();
const bounded = new Map<string, SeenObstacle>();

describe.concurrent('a run', () => {
  test.each(FINAL.map((one, index) => ({ ...one, namespace: `final-${index}` })))(
    'with $what ends at once',
    async ({ what, spec = {}, prepare, reason, words, namespace }) => {
      await kubectl(['create', 'namespace', namespace]);
      await prepare?.(namespace);
      await apply(run(namespace, spec));
      await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=90s']);
      const ended = await read(namespace);
      expect(ended.status?.phase).toBe('Failed');
      expect(conditionOf(ended, 'Finished')).toMatchObject({ status: 'True', reason });
      expect(ended.status?.message).toMatch(words);
      expect(ended.status?.jobName).toBeUndefined();
      final.set(what, {
        what,
        spec: what.includes('no room') ? { sources: '…' } : spec,
        reason,
        message: ended.status?.message?.replaceAll(namespace, 'NAMESPACE') ?? '',
      });
    },
    120_000,
  );

  test.each(BOUNDED.map((one, index) => ({ ...one, namespace: `bounded-${index}` })))(
    'with $what says so, and ends at its start deadline',
    async ({ what, spec = {}, prepare, reason, words, namespace }) => {
      await kubectl(['create', 'namespace', namespace]);
      await prepare?.(namespace);
      await apply(run(namespace, { startTimeoutSeconds: 20, ...spec }));
      const waiting = await eventually(async () => {
        const found = await read(namespace);
        expect(conditionOf(found, 'Progressing')).toMatchObject({ status: 'False', reason });
        return found;
      });
      expect(waiting.status?.phase).toBe('Pending');
      expect(waiting.status?.startDeadline).toBeDefined();
      expect(waiting.status?.message).toMatch(words);
      bounded.set(what, {
        what,
        spec,
        reason,
        message: waiting.status?.message?.replaceAll(namespace, 'NAMESPACE') ?? '',
      });
      await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=90s']);
      const ended = await read(namespace);
      expect(conditionOf(ended, 'Failed')).toMatchObject({ status: 'True', reason });
      expect(ended.status?.message).toMatch(/^not started within 20 s \(spec\.startTimeoutSeconds\): /);
      expect(ended.status?.message).toMatch(words);
      expect(ended.status?.startDeadline).toBeUndefined();
      const events = await kubectl([
        'get',
        'events.events.k8s.io',
        '-n',
        namespace,
        '-o',
        'jsonpath={.items[*].reason}',
      ]);
      expect(events).toContain(reason);
    },
    240_000,
  );
});

test('the docs hold what runs say that cannot start', async () => {
  const inOrder = (cases: readonly Case[], seen: ReadonlyMap<string, SeenObstacle>) =>
    cases.flatMap(({ what }) => seen.get(what) ?? []);
  await expect(obstacleTable('Ended at once', inOrder(FINAL, final), 'NAMESPACE')).toMatchFileSnapshot(
    '../../../docs/obstacles/final.md',
  );
  await expect(
    obstacleTable('Ended at the start deadline', inOrder(BOUNDED, bounded), 'NAMESPACE'),
  ).toMatchFileSnapshot('../../../docs/obstacles/bounded.md');
});

/** Valid specs that Kubernetes refused before requests followed limits. */
test.each<[string, object, object]>([
  [
    'a limit of CPU below the default request',
    { limits: { cpu: '200m' } },
    { requests: { cpu: '200m' }, limits: { memory: '512Mi' } },
  ],
  ['a request of memory above the default limit', { requests: { memory: '1Gi' } }, { limits: { memory: '1Gi' } }],
  [
    'a limit of CPU alone',
    { limits: { cpu: '1' } },
    { requests: { cpu: '250m' }, limits: { cpu: '1', memory: '512Mi' } },
  ],
])('a run with %s gets its Job', async (_what, resources, merged) => {
  const namespace = `merged-${Object.keys(merged).join('-')}-${JSON.stringify(resources).length}`;
  await kubectl(['create', 'namespace', namespace]);
  await apply(run(namespace, { pod: { resources } }));
  await kubectl(['wait', '-n', namespace, '--for=create', 'job/shop', '--timeout=60s']);
  const job = JSON.parse(await kubectl(['get', 'job', 'shop', '-n', namespace, '-o', 'json'])) as Job;
  expect(job.spec?.template.spec?.containers[0]?.resources).toMatchObject(merged);
});

test('a run whose Job somebody suspends says so, and no deadline runs until it is resumed', async () => {
  const namespace = 'suspended';
  await kubectl(['create', 'namespace', namespace]);
  await apply(run(namespace, { startTimeoutSeconds: 10 }));
  await kubectl(['wait', '-n', namespace, '--for=create', 'job/shop', '--timeout=60s']);
  const suspend = (value: boolean) =>
    kubectl([
      'patch',
      'job',
      'shop',
      '-n',
      namespace,
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { suspend: value } }),
    ]);
  await suspend(true);
  await eventually(async () => {
    const found = await read(namespace);
    expect(conditionOf(found, 'Progressing')).toMatchObject({ status: 'False', reason: 'JobSuspended' });
    expect(found.status?.startDeadline).toBeUndefined();
  });
  await suspend(false);
  await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=90s']);
  expect(conditionOf(await read(namespace), 'Failed')?.reason).toBe('NoHeartbeat');
}, 120_000);

test('a run at work whose worker is gone and may not be replaced is not progressing, and says why', async () => {
  const namespace = 'alone';
  await kubectl(['create', 'namespace', namespace]);
  await apply(run(namespace, {}));
  await kubectl(['wait', '-n', namespace, '--for=condition=JobCreated', 'crawlrun/shop', '--timeout=60s']);
  const readPods = async () =>
    (JSON.parse(await kubectl(['get', 'pods', '-n', namespace, '-o', 'json'])) as { items: Pod[] }).items;
  const pod = await eventually(async () => {
    const [first] = await readPods();
    if (first === undefined) throw new Error('no pod yet');
    return first;
  });
  const secret = JSON.parse(await kubectl(['get', 'secret', 'shop', '-n', namespace, '-o', 'json'])) as Secret;
  const decode = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const heartbeats = databaseHeartbeats({
    ...{
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: decode('token'),
    },
    ...{ workerId: pod.metadata.uid },
  });
  const figures = { pagesInFlight: 0, concurrency: 1, idleMs: 0, rssBytes: 0, errors: 0 };
  const heartbeat = { state: 'Crawling' as const, podName: pod.metadata.name, nodeName: 'none', ...figures };
  await heartbeats.beat(heartbeat, AbortSignal.timeout(30_000));
  await heartbeats.close();
  await eventually(async () => expect((await read(namespace)).status?.phase).toBe('Running'));
  await quota({ pods: '0' })(namespace);
  const evicted = { status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' } };
  const patch = [
    'patch',
    'pod',
    pod.metadata.name,
    '-n',
    namespace,
    '--subresource=status',
    '-p',
    JSON.stringify(evicted),
  ];
  await kubectl(patch);
  await eventually(async () => {
    const found = await read(namespace);
    expect(found.status?.phase).toBe('Running');
    expect(conditionOf(found, 'Progressing')).toMatchObject({ status: 'False', reason: 'QuotaExceeded' });
  });
  const events = await kubectl(['get', 'events.events.k8s.io', '-n', namespace, '-o', 'jsonpath={.items[*].note}']);
  expect(events).toContain(`worker ${pod.metadata.name} on node none is lost: The node was low on memory.`);
}, 120_000);

test('a spec at the very limit of etcd ends with what fits of its status', async () => {
  const namespace = 'limit';
  await kubectl(['create', 'namespace', namespace]);
  const urls = (n: number) => Array.from({ length: n }, (_, page) => `http://shop.example/${'x'.repeat(1_400)}${page}`);
  // 1,000 URLs are 1.42 MB: 2 % are left for metadata and status.
  await kubectl(['create', '-f', '-'], run(namespace, { sources: [{ name: 'shop', urls: urls(1_000) }] }));
  await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=60s']);
  expect(conditionOf(await read(namespace), 'Failed')?.reason).toBe('SpecTooLarge');
}, 120_000);
