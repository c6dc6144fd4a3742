// CrawlRun -> Job: the pods that crawl it. Pure function.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job } from '../../kube/builtin-types.ts';
import { controllerReference, type NewObject } from '../../kube/kube-object.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { defined } from '../../resources/defined.ts';
import { LABEL } from '../../resources/group.ts';
import { childName, outputJobName } from '../../resources/names.ts';
import type { PolicedPodField } from '../../resources/pod-template.ts';
import { FATAL_EXIT_CODES, NO_CRASH_EXIT_CODES } from '../../resources/worker-exit.ts';
import { inheritedAnnotations, inheritedLabels } from './inherited-metadata.ts';
import { isOfKueue } from './kueue.ts';
import { workerResources } from './worker-resources.ts';

/** What the operator's configuration says of every Job. */
export type JobSettings = {
  readonly crawlerImage: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** Where workers reach the gateway: `https://host:port`. */
  readonly gatewayUrl: string;
  readonly allowedAddresses: readonly string[];
  readonly allowedProxies: readonly string[];
  readonly logLevel: string;
  /** Where workers send their spans; undefined when there are none. */
  readonly tracesUrl?: string | undefined;
  /** Share of the pages that have a span, 0 to 1. */
  readonly tracedPages: number;
  /** Of pods whose Chromium has its sandbox, relative to the kubelet's folder of seccomp profiles. */
  readonly browserSeccompProfile: string;
  /** User and group of the crawler pods; undefined where the cluster assigns them, as OpenShift does. */
  readonly crawlerUser: number | undefined;
  /** Fields of spec.pod, and spec.image, that schedules and runs may set. */
  readonly allowedPodFields: readonly PolicedPodField[];
};

export const CRAWLER_CONTAINER = 'crawler';
const CREDENTIALS_DIR = '/run/trawler';
const HEADERS_DIR = '/run/trawler-headers';
const CA_DIR = '/run/trawler-ca';
const OUTPUT_DIR = '/output';
const PROXY_DIR = '/run/trawler-proxy';
/** TRAWLER_EXTRACTOR_DIR of the worker's configuration. */
const EXTRACTOR_DIR = '/run/trawler-extractor';
/** TRAWLER_URL_LISTS_DIR of the worker's configuration. */
const URL_LISTS_DIR = '/run/trawler-url-lists';
/** A worker gets 2 minutes to finish its pages; the rest is for the container runtime. */
const TERMINATION_GRACE_SECONDS = 150;
/**
 * The Job's own deadline is for the time in which no operator is there: it leaves this long beside startTimeoutSeconds
 * and timeoutSeconds, in which PostgreSQL may be away before the first heartbeat.
 */
const DEADLINE_ALLOWANCE_SECONDS = 3_600;
/** How long a worker on a node that does not answer is waited for. */
const LOST_NODE_SECONDS = 30;

/** Labels of everything that works for a run, the selector of caches and of `kubectl get pods -l`. */
export function runLabels(run: CrawlRun): Record<string, string> {
  const schedule = run.metadata.labels?.[LABEL.schedule];
  return {
    'app.kubernetes.io/name': 'trawler-crawler',
    'app.kubernetes.io/managed-by': 'trawler',
    [LABEL.run]: childName(run.metadata.name),
    [LABEL.runUid]: run.metadata.uid,
    ...(schedule === undefined ? {} : { [LABEL.schedule]: schedule }),
  };
}

/** UTC date of the run's creation: the partition of all that it stores. */
export function runDay(run: CrawlRun): string {
  return (run.metadata.creationTimestamp ?? '').slice(0, 10);
}

/**
 * The Job of a run. An index is done for good when its worker exits with 0, which a worker does only when Postgres
 * says that the run is finished; every other end is replaced, except the fatal ones, which no replacement can mend.
 */
export function crawlJob(run: CrawlRun, spec: CrawlRunSpec, settings: JobSettings): NewObject<Job> {
  const labels = { ...inheritedLabels(run), ...spec.pod.labels, ...runLabels(run) };
  const annotations = inheritedAnnotations(run);
  const metadata = {
    name: childName(run.metadata.name),
    namespace: run.metadata.namespace,
    labels: { ...labels, [LABEL.runGeneration]: String(run.metadata.generation ?? 1) },
    annotations,
    ownerReferences: [controllerReference(run)],
  };
  return {
    metadata,
    spec: {
      ...(isOfKueue({ metadata }) ? { suspend: true } : {}),
      completionMode: 'Indexed',
      ...scaleOf(spec),
      // Each worker has its own: one that crashes again and again does not use up those of the others.
      backoffLimitPerIndex: spec.backoffLimit,
      podFailurePolicy: {
        rules: [
          {
            action: 'FailJob',
            onExitCodes: { containerName: CRAWLER_CONTAINER, operator: 'In', values: [...FATAL_EXIT_CODES] },
          },
          {
            action: 'Ignore',
            onExitCodes: { containerName: CRAWLER_CONTAINER, operator: 'In', values: [...NO_CRASH_EXIT_CODES] },
          },
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      template: {
        metadata: { labels, annotations: { ...annotations, ...spec.pod.annotations } },
        spec: podSpec(run, spec, settings),
      },
    },
  };
}

/** What may change while the Job lives. Kubernetes takes another number of completions where parallelism is the same. */
export function scaleOf({ workers, startTimeoutSeconds, timeoutSeconds }: CrawlRunSpec) {
  const activeDeadlineSeconds = startTimeoutSeconds + timeoutSeconds + DEADLINE_ALLOWANCE_SECONDS;
  return { completions: workers, parallelism: workers, activeDeadlineSeconds };
}

/**
 * The Job that writes the file of a run whose crawl was stopped or whose own Job has failed: one pod like those of the
 * crawl, which finds nothing left to be crawled.
 */
export function outputJob(run: CrawlRun, spec: CrawlRunSpec, settings: JobSettings): NewObject<Job> {
  const job = crawlJob(run, { ...spec, workers: 1, timeoutSeconds: 0 }, settings);
  return { ...job, metadata: { ...job.metadata, name: outputJobName(run.metadata.name) } };
}

type EnvironmentVariable = NonNullable<PodSpec['containers'][number]['env']>[number];
type PodSpec = NonNullable<NonNullable<Job['spec']>['template']['spec']>;

function podSpec(run: CrawlRun, spec: CrawlRunSpec, settings: JobSettings): PodSpec {
  const { pod } = spec;
  const extractor = spec.extract?.module?.configMap;
  const headersSecret = spec.fetch.headersSecretRef;
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: TERMINATION_GRACE_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      ...userOf(spec, settings),
      // A volume of a million files is not gone through at each start.
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    nodeSelector: pod.nodeSelector,
    tolerations: [
      ...pod.tolerations.map(defined),
      {
        key: 'node.kubernetes.io/unreachable',
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: LOST_NODE_SECONDS,
      },
    ],
    ...placement(run, spec),
    imagePullSecrets: pod.imagePullSecrets,
    hostAliases: pod.hostAliases,
    volumes: [
      { name: 'credentials', secret: { secretName: childName(run.metadata.name), defaultMode: 0o440 } },
      { name: 'tmp', emptyDir: {} },
      { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '512Mi' } },
      ...(headersSecret ? [{ name: 'headers', secret: { secretName: headersSecret.name, defaultMode: 0o440 } }] : []),
      ...(spec.output ? [{ name: 'output', persistentVolumeClaim: { claimName: spec.output.volumeClaim } }] : []),
      ...proxyVolumes(spec),
      ...caVolumes(spec),
      ...(extractor === undefined ? [] : [extractorVolume(extractor)]),
      ...urlListVolumes(spec),
    ],
    containers: [
      {
        name: CRAWLER_CONTAINER,
        image: spec.image ?? settings.crawlerImage,
        imagePullPolicy: settings.imagePullPolicy,
        env: [...environment(run, settings), ...pod.env.map(variable)],
        resources: workerResources(spec),
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
          ...(hasSandbox(spec)
            ? { seccompProfile: { type: 'Localhost', localhostProfile: settings.browserSeccompProfile } }
            : {}),
        },
        terminationMessagePolicy: 'FallbackToLogsOnError',
        volumeMounts: [
          { name: 'credentials', mountPath: CREDENTIALS_DIR, readOnly: true },
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'shm', mountPath: '/dev/shm' },
          ...(headersSecret ? [{ name: 'headers', mountPath: HEADERS_DIR, readOnly: true }] : []),
          ...(spec.output ? [{ name: 'output', mountPath: OUTPUT_DIR }] : []),
          ...proxyVolumes(spec).map(({ name }) => ({ name, mountPath: PROXY_DIR, readOnly: true })),
          ...caVolumes(spec).map(({ name }) => ({ name, mountPath: CA_DIR, readOnly: true })),
          ...(extractor === undefined ? [] : [{ name: 'extractor', mountPath: EXTRACTOR_DIR, readOnly: true }]),
          ...urlListVolumes(spec).map(({ name }) => ({ name, mountPath: URL_LISTS_DIR, readOnly: true })),
        ],
      },
    ],
  };
}

/** User and groups: those of the spec, else those of the operator's configuration, else none for the cluster to assign. */
function userOf({ pod }: CrawlRunSpec, { crawlerUser }: JobSettings): NonNullable<PodSpec['securityContext']> {
  const {
    runAsUser = crawlerUser,
    runAsGroup = crawlerUser,
    fsGroup = crawlerUser,
    supplementalGroups,
  } = pod.securityContext ?? {};
  return defined({ runAsUser, runAsGroup, fsGroup, supplementalGroups });
}

/** Where the workers run and with which classes of the cluster. */
function placement(run: CrawlRun, { pod }: CrawlRunSpec): Partial<PodSpec> {
  const { affinity, priorityClassName, runtimeClassName, serviceAccountName, dnsConfig } = pod;
  const ownWorkers = { matchLabels: { [LABEL.runUid]: run.metadata.uid } };
  return defined({
    ...{ affinity, priorityClassName, runtimeClassName, serviceAccountName, dnsConfig },
    topologySpreadConstraints: pod.topologySpreadConstraints.map((spread) => ({
      labelSelector: ownWorkers,
      ...spread,
    })),
  }) as Partial<PodSpec>;
}

/** Chromium's sandbox is made of namespaces, which the container runtime's own seccomp profile refuses. */
function hasSandbox({ browser, fetch }: CrawlRunSpec): boolean {
  return browser.sandbox && fetch.render !== 'HTTP';
}

/** The proxy's URL, read by nobody but the worker; without the Secret it says so, which a pod that hangs would not. */
function proxyVolumes({ proxy }: CrawlRunSpec) {
  if (proxy === undefined || proxy.mode === 'Off') return [];
  const { name, key } = proxy.urlSecretRef;
  const items = [{ key, path: 'url' }];
  return [{ name: 'proxy', secret: { secretName: name, items, defaultMode: 0o440, optional: true } }];
}

/** Optional as the proxy's is. */
function caVolumes({ fetch: { caSecretRef } }: CrawlRunSpec) {
  if (caSecretRef === undefined) return [];
  const { name, key } = caSecretRef;
  return [
    { name: 'ca', secret: { secretName: name, items: [{ key, path: 'ca.crt' }], defaultMode: 0o440, optional: true } },
  ];
}

/** Optional, so that a worker starts and says what is missing, and does not wait for it without a word. */
function extractorVolume({ name, key }: { readonly name: string; readonly key: string }) {
  return { name: 'extractor', configMap: { name, items: [{ key, path: key }], optional: true } };
}

/** The list of each source under the source's name; optional as the extractor is. */
function urlListVolumes({ sources }: CrawlRunSpec) {
  const lists = sources.flatMap(({ name, active, urlsFrom }) => {
    if (!active || urlsFrom === undefined) return [];
    const { configMap } = urlsFrom;
    return { configMap: { name: configMap.name, items: [{ key: configMap.key, path: name }], optional: true } };
  });
  return lists.length === 0 ? [] : [{ name: 'url-lists', projected: { sources: lists } }];
}

/** Nothing secret is here: a browser inherits the environment of its worker. */
function environment(run: CrawlRun, settings: JobSettings): EnvironmentVariable[] {
  const fieldRef = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    { name: 'TRAWLER_RUN_ID', value: run.metadata.uid },
    { name: 'TRAWLER_RUN_DAY', value: runDay(run) },
    { name: 'TRAWLER_RUN_NAME', value: run.metadata.name },
    fieldRef('TRAWLER_WORKER_ID', 'metadata.uid'),
    fieldRef('TRAWLER_POD_NAME', 'metadata.name'),
    fieldRef('TRAWLER_NODE_NAME', 'spec.nodeName'),
    { name: 'TRAWLER_GATEWAY_URL', value: settings.gatewayUrl },
    { name: 'TRAWLER_ALLOWED_ADDRESSES', value: settings.allowedAddresses.join(',') },
    { name: 'TRAWLER_ALLOWED_PROXIES', value: settings.allowedProxies.join(',') },
    { name: 'TRAWLER_LOG_LEVEL', value: settings.logLevel },
    { name: 'TRAWLER_CREDENTIALS_DIR', value: CREDENTIALS_DIR },
    { name: 'TRAWLER_HEADERS_DIR', value: HEADERS_DIR },
    { name: 'TRAWLER_OUTPUT_DIR', value: OUTPUT_DIR },
    { name: 'HOME', value: '/tmp' },
    ...traceVariables(settings),
  ];
}

function traceVariables({ tracesUrl, tracedPages }: JobSettings): EnvironmentVariable[] {
  if (tracesUrl === undefined) return [];
  return [
    { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: tracesUrl },
    { name: 'TRAWLER_TRACED_PAGES', value: String(tracedPages) },
  ];
}

function variable({ name, value, valueFrom }: CrawlRunSpec['pod']['env'][number]): EnvironmentVariable {
  return { name, ...defined({ value, valueFrom: valueFrom && defined(valueFrom) }) };
}
