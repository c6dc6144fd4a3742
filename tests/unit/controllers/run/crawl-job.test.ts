// What a run's pods are given: what they may do, each volume that the spec asks for where the worker looks for it, and no
// other.
import { describe, expect, test } from 'vitest';
import { crawlJob, outputJob } from '#src/controllers/run/crawl-job.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { JOB_SETTINGS } from '../../../support/job-settings.ts';

const metadata = { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1' };
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const run: CrawlRun = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata, spec: { sources } };
const specOf = (spec: object) => crawlRunSpec.parse({ sources, ...spec });

function podOf(spec: object, job = crawlJob) {
  const pod = job(run, specOf(spec), JOB_SETTINGS).spec?.template.spec;
  if (!pod) throw new Error('the Job has no pod');
  return pod;
}

test.each([
  { browser: { sandbox: true }, fetch: { render: 'Browser' } },
  { browser: { sandbox: true }, fetch: { render: 'Auto' } },
])(
  'the container of %j has the profile that Chromium needs for its sandbox, and is restricted all the same',
  (spec) => {
    const pod = podOf(spec);
    expect(pod.containers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'Localhost', localhostProfile: 'trawler/chromium.json' },
    });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  },
);

test('workers are told where spans go, and of which share of the pages, where the operator is', () => {
  const traceVariables = (settings: object) =>
    crawlJob(run, specOf({}), { ...JOB_SETTINGS, ...settings }).spec?.template.spec?.containers[0]?.env?.filter(
      ({ name }) => /OTEL|TRACE/.test(name),
    );
  expect(traceVariables({})).toEqual([]);
  expect(traceVariables({ tracesUrl: 'http://collector:4318', tracedPages: 0.5 })).toEqual([
    { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' },
    { name: 'TRAWLER_TRACED_PAGES', value: '0.5' },
  ]);
});

test.each([{ fetch: { render: 'Browser' } }, { browser: { sandbox: true }, fetch: { render: 'HTTP' } }])(
  'the container of %j has the profile of its runtime',
  (spec) => {
    const pod = podOf(spec);
    expect(pod.containers[0]?.securityContext?.seccompProfile).toBeUndefined();
    expect(pod.securityContext?.seccompProfile).toEqual({ type: 'RuntimeDefault' });
  },
);

const CONFIG_MAP = { configMap: { name: 'extractors', key: 'shop.mjs' } };
const LIST = { configMap: { name: 'urls', key: 'shop.txt' } };

function mountsOf(more: Partial<CrawlRunSpecInput>, job?: typeof crawlJob) {
  const pod = podOf(more, job);
  const volumes = new Map(pod.volumes?.map((volume) => [volume.name, volume]));
  const mounts = new Map(pod.containers[0]?.volumeMounts?.map((mount) => [mount.name, mount]));
  return { volumes, mounts };
}

const ALWAYS = ['credentials', 'tmp', 'shm'];

describe.each([
  ['of the crawl', crawlJob],
  ['that writes the output', outputJob],
])('a pod %s', (_name, job) => {
  test('has nothing mounted but what each run needs', () => {
    const { volumes, mounts } = mountsOf({}, job);
    expect([...volumes.keys()]).toEqual(ALWAYS);
    expect([...mounts.keys()]).toEqual(ALWAYS);
  });

  test('gets the module of a custom extractor where the worker looks for it, there or not', () => {
    const { volumes, mounts } = mountsOf({ extract: { module: CONFIG_MAP } }, job);
    expect(volumes.get('extractor')?.configMap).toEqual({
      name: 'extractors',
      items: [{ key: 'shop.mjs', path: 'shop.mjs' }],
      optional: true,
    });
    expect(mounts.get('extractor')).toEqual({
      name: 'extractor',
      mountPath: '/run/trawler-extractor',
      readOnly: true,
    });
    expect(mountsOf({ extract: { module: { path: '/app/a.mjs' } } }, job).volumes.has('extractor')).toBe(false);
  });

  test('gets the list of each source that is crawled under its name, there or not', () => {
    const sources = [
      { name: 'shop', urlsFrom: LIST },
      { name: 'b.example', urlsFrom: { configMap: { name: 'urls', key: 'b' } } },
      { name: 'off', active: false, urlsFrom: LIST },
      { name: 'plain', urls: ['http://shop.example/'] },
    ];
    const { volumes, mounts } = mountsOf({ sources }, job);
    expect(volumes.get('url-lists')?.projected?.sources).toEqual([
      { configMap: { name: 'urls', items: [{ key: 'shop.txt', path: 'shop' }], optional: true } },
      { configMap: { name: 'urls', items: [{ key: 'b', path: 'b.example' }], optional: true } },
    ]);
    expect(mounts.get('url-lists')).toEqual({
      name: 'url-lists',
      mountPath: '/run/trawler-url-lists',
      readOnly: true,
    });
  });

  test('names every volume that it mounts once', () => {
    const everything: Partial<CrawlRunSpecInput> = {
      sources: [{ name: 'shop', urlsFrom: LIST }],
      extract: { module: CONFIG_MAP },
      fetch: { headersSecretRef: { name: 'headers' }, caSecretRef: { name: 'authority', key: 'root.pem' } },
      proxy: { urlSecretRef: { name: 'proxy' } },
      output: { volumeClaim: 'results' },
    };
    const { volumes, mounts } = mountsOf(everything, job);
    expect(volumes.get('ca')).toMatchObject({
      secret: { secretName: 'authority', items: [{ key: 'root.pem', path: 'ca.crt' }], optional: true },
    });
    expect([...mounts.keys()].sort()).toEqual([...volumes.keys()].sort());
    expect(volumes.size).toBe(ALWAYS.length + 6);
    expect(new Set([...mounts.values()].map((mount) => mount.mountPath)).size).toBe(mounts.size);
  });
});

describe('spec.pod', () => {
  const POD: NonNullable<CrawlRunSpecInput['pod']> = {
    labels: { team: 'shop', 'trawler.dev/run': 'other' },
    annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' },
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'kind', operator: 'In', values: ['crawl'] }] }],
        },
      },
    },
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
    ...{ priorityClassName: 'low', runtimeClassName: 'gvisor', serviceAccountName: 'crawl' },
    env: [
      { name: 'TZ', value: 'UTC' },
      { name: 'KEY', valueFrom: { secretKeyRef: { name: 'shop', key: 'key' } } },
    ],
    hostAliases: [{ ip: '192.0.2.1', hostnames: ['shop.example'] }],
    dnsConfig: { nameservers: ['192.0.2.53'] },
    securityContext: { runAsUser: 1_000, fsGroup: 2_000 },
  };

  test('is found in the pod as it is written, beside what the operator sets', () => {
    const pod = podOf({ pod: POD });
    expect(pod).toMatchObject({
      affinity: POD.affinity,
      ...{ priorityClassName: 'low', runtimeClassName: 'gvisor', serviceAccountName: 'crawl' },
      automountServiceAccountToken: false,
      hostAliases: POD.hostAliases,
      dnsConfig: POD.dnsConfig,
      securityContext: { runAsNonRoot: true, runAsUser: 1_000, runAsGroup: 65_532, fsGroup: 2_000 },
      topologySpreadConstraints: [
        { topologyKey: 'zone', labelSelector: { matchLabels: { 'trawler.dev/run-uid': 'run-uid' } } },
      ],
    });
    expect(pod.containers[0]?.env).toEqual(expect.arrayContaining(POD.env ?? []));
  });

  test('a cluster that assigns users gets none to refuse', () => {
    const settings = { ...JOB_SETTINGS, crawlerUser: undefined };
    const pod = crawlJob(run, specOf({}), settings).spec?.template.spec;
    expect(pod?.securityContext).toEqual({
      runAsNonRoot: true,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });

  test("labels and annotations come from the run and its spec, but for the operator's own and those of who applied it", () => {
    const labelled = {
      ...run,
      metadata: {
        ...run.metadata,
        labels: { 'kueue.x-k8s.io/queue-name': 'crawls', 'app.kubernetes.io/instance': 'argo', team: 'run' },
        annotations: { owner: 'shop', 'argocd.argoproj.io/tracking-id': 'x', 'kubectl.kubernetes.io/restartedAt': 'y' },
      },
    };
    const job = crawlJob(labelled, specOf({ pod: POD }), JOB_SETTINGS);
    expect(job.metadata.labels).toMatchObject({ 'kueue.x-k8s.io/queue-name': 'crawls', team: 'shop' });
    expect(job.metadata.labels?.['app.kubernetes.io/instance']).toBeUndefined();
    // Kueue resumes it when its turn has come.
    expect([job.spec?.suspend, crawlJob(run, specOf({}), JOB_SETTINGS).spec?.suspend]).toEqual([true, undefined]);
    expect(job.metadata.labels?.['trawler.dev/run']).toBe('shop-1');
    expect(job.metadata.annotations).toEqual({ owner: 'shop' });
    // The pods outlive the generation.
    const { 'trawler.dev/run-generation': generation, ...labels } = job.metadata.labels ?? {};
    expect(generation).toBe('1');
    expect(job.spec?.template.metadata).toMatchObject({
      labels,
      annotations: { owner: 'shop', ...POD.annotations },
    });
  });
});

describe('a crashed worker', () => {
  test('uses up its own replacements, and none by being stopped', () => {
    const { spec } = crawlJob(run, specOf({ backoffLimit: 2, workers: 3 }), JOB_SETTINGS);
    expect(spec).toMatchObject({ completionMode: 'Indexed', backoffLimitPerIndex: 2 });
    expect(spec?.backoffLimit).toBeUndefined();
    const ignored = spec?.podFailurePolicy?.rules.filter(({ action }) => action === 'Ignore') ?? [];
    const codes = ignored.flatMap(({ onExitCodes }) => onExitCodes?.values ?? []);
    expect(codes).toEqual([EXIT_CODE.stopped]);
  });
});
