// Many runs at work at once on a real control plane: how soon a commit shows in the status of its CrawlRun, how often statuses
// are written, and what the operator takes. The Job controller makes the pods; nothing runs in them: light workers speak the
// gateway's protocol in their place. The last line is one JSON object.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { pino } from 'pino';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { CRAWL_RUNS, type CrawlRun, phaseOf } from '../../src/custom-resources/types.ts';
import { NAMESPACES, type Namespace, PODS, type Pod, SECRETS, type Secret } from '../../src/kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '../../src/kube/client.ts';
import { createKubeMetrics } from '../../src/kube/metrics.ts';
import { LABEL } from '../../src/resources/group.ts';
import { createOperatorStore } from '../../src/store/postgres-operator-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createRegistry } from '../../src/telemetry/metrics.ts';
import { auditEvents, succeeded } from '../support/audit-log.ts';
import { startControlPlane } from '../support/control-plane.ts';
import { installCrds } from '../support/crds.ts';
import { gatewayWorkerStore } from '../support/gateway.ts';
import { startGatewayProcess } from '../support/gateway-processes.ts';
import { bundleOperator, spawnOperator } from '../support/operator-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Commit, type LightWorker, sharedNow, startLightWorkers } from './gateway/light-workers.ts';
import { inParallel } from './in-parallel.ts';
import { adminConfig, CHART_ENV, grantChartRights, NAMESPACE, tokenConfig } from './installed-operator.ts';
import { difference, memoryMb, processorSecondsByProgram } from './process-usage.ts';

const USAGE = `usage: npm run bench -- runs [options]
  --runs N       runs at work at once, of one worker each (500)
  --page-ms N    how long a page takes on average; a commit is one page (12000)
  --seconds N    how long it is measured (60)
  --node FLAGS   for the operator's Node, for example --cpu-prof
  --keep         leave the operator's log and its profile
  --json         nothing but the last line counts; it is one JSON object in any case`;
const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    'page-ms': { type: 'string', default: '12000' },
    seconds: { type: 'string', default: '60' },
    node: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const RUNS = Number(options.runs);
const PAGE_MS = Number(options['page-ms']);
const HEARTBEAT_MS = 10_000;
const SECONDS = Number(options.seconds);
/** A commit of the last moment has this long to show. */
const PATIENCE_MS = 60_000;
const CONCURRENCY = 16;
const NAMESPACE_COUNT = 10;
const KUBE_LIMITS = ['--kube-api-qps=1000', '--kube-api-burst=2000', '--concurrent-job-syncs=20'];
const { signal } = new AbortController();

const namespaceOf = (n: number) => `team-${n % NAMESPACE_COUNT}`;
const hostOf = (n: number) => `shop-${n}.example`;

if (options.help) console.log(USAGE);
else console.log(JSON.stringify(await measure()));

function say(line: string): void {
  if (!options.json) console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

/** What a watcher of CrawlRuns saw of one run: pages done, and when it saw them first; both grow. */
type Sighting = { readonly done: number; readonly at: number };

async function measure() {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-bench-'));
  const [plane, postgres, program] = await Promise.all([
    startControlPlane({ controllerManager: true, controllerManagerFlags: KUBE_LIMITS, audit: true }),
    startPostgres(18),
    bundleOperator(join(directory, 'operator')),
  ]);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await Promise.all([plane.stop(), postgres.stop()]);
    if (options.keep) say(`left in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  });

  const kubectl = (args: string[], input = '') =>
    execa(binary('kubectl'), [`--kubeconfig=${plane.kubeconfigPath}`, ...args], { input });
  await installCrds(plane);
  await grantChartRights(kubectl);
  const config = await tokenConfig(plane, kubectl, NAMESPACE, 'trawler-operator');
  const kubeconfigPath = join(directory, 'operator.kubeconfig');
  await writeFile(kubeconfigPath, config.exportConfig());
  const database = await postgres.createDatabase();
  const api = createKubeApi(adminConfig(plane), {
    ...{ logger: pino({ level: 'silent' }), metrics: createKubeMetrics(createRegistry()), qps: 1e6, burst: 1e6 },
  });
  stack.defer(() => api.close());
  await makeRuns(api);
  const operator = spawnOperator({
    ...{ program, kubeconfigPath, databaseUrl: database.ownerUrl, namespace: NAMESPACE },
    ...{ logPath: join(directory, 'operator.log'), env: CHART_ENV, nodeFlags: options.node.split(' ').filter(Boolean) },
  });
  stack.defer(async () => {
    operator.kill('SIGTERM');
    await operator.ended;
  });
  await startPods(api);
  say('every run has a pod');

  const store = createOperatorStore({
    ...{ databaseUrl: database.ownerUrl, schema: 'trawler', poolSize: 1, logger: createLogger('bench', 'warn') },
  });
  stack.defer(() => store.close());
  const gateway = startGatewayProcess({
    TRAWLER_DATABASE_URL: await store.gatewayDatabaseUrl(signal),
    TRAWLER_GATEWAY_POOL_SIZE: '8',
  });
  stack.defer(async () => {
    gateway.child.kill('SIGTERM');
    await gateway.ended;
  });
  const workers = await seededWorkers(api, `http://127.0.0.1:${await gateway.port}`);
  const watcher = watchRuns(api);
  stack.defer(() => watcher.end());
  const work = { slots: 1, pageMs: [PAGE_MS / 2, PAGE_MS * 1.5], hasLinks: true, heartbeatMs: HEARTBEAT_MS } as const;
  const processes = [0, 1].map((part) =>
    startLightWorkers({ ...work, workers: workers.filter((_, index) => index % 2 === part) }),
  );
  await untilTrue(() => watcher.running() >= RUNS, 'all runs are Running');
  await delay(10_000);
  say(`${RUNS} runs are at work`);
  const usedBefore = await processorSecondsByProgram();
  const [from, fromTime] = [sharedNow(), Date.now()];
  await delay(SECONDS * 1_000);
  const [to, toTime] = [sharedNow(), Date.now()];
  say(`processor seconds: ${JSON.stringify(difference(usedBefore, await processorSecondsByProgram()))}`);
  const commits = await shownCommits(processes, watcher, workers, from, to);
  const errors = Object.assign({}, ...commits.errors);
  const writes = await statusWrites(plane.auditLogPath, fromTime, toTime);
  return {
    ...{ runs: RUNS, pages_per_s: round(commits.ages.length / SECONDS) },
    mirror_p50_s: round(percentile(commits.ages, 0.5)),
    mirror_p99_s: round(percentile(commits.ages, 0.99)),
    status_writes_per_s: round(writes / SECONDS),
    rss_mb: round((await memoryMb(operator.pid)).peak),
    errors,
  };
}

async function makeRuns(api: KubeApi): Promise<void> {
  const namespaces = api.resource<Namespace>(NAMESPACES);
  for (let n = 0; n < NAMESPACE_COUNT; n++) await namespaces.create({ metadata: { name: namespaceOf(n) } }, { signal });
  const runs = api.resource<CrawlRun>(CRAWL_RUNS);
  await inParallel(RUNS, CONCURRENCY, async (n) => {
    const spec = {
      sources: [{ name: 'shop', urls: [`http://${hostOf(n)}/`] }],
      ...{ politeness: { requestsPerSecond: 1_000 }, limits: { maxPages: 1_000_000 } },
      heartbeat: { interval: `${HEARTBEAT_MS / 1_000}s` },
    };
    await runs.create({ metadata: { name: `crawl-${n}`, namespace: namespaceOf(n) }, spec }, { signal });
  });
}

/** Waits for the pod of each run, and says that it runs, as a kubelet would. */
async function startPods(api: KubeApi): Promise<void> {
  const pods = api.resource<Pod>(PODS);
  const started = new Set<string>();
  await untilTrue(async () => {
    const { items } = await pods.list({ labelSelector: LABEL.run, signal });
    const fresh = items.filter(({ metadata }) => !started.has(metadata.uid));
    await inParallel(fresh.length, CONCURRENCY, async (index) => {
      const { namespace = '', name, uid } = (fresh[index] as Pod).metadata;
      const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
      await pods.patch({ namespace, name }, { type: 'merge', body }, { subresource: 'status', signal });
      started.add(uid);
    });
    return started.size >= RUNS;
  }, 'every run has a pod');
}

/** One for each run, named as its pod is known; the first page of each is queued. */
async function seededWorkers(api: KubeApi, gatewayUrl: string): Promise<LightWorker[]> {
  const [pods, secrets] = await Promise.all([
    api.resource<Pod>(PODS).list({ labelSelector: LABEL.run, signal }),
    api.resource<Secret>(SECRETS).list({ labelSelector: LABEL.run, signal }),
  ]);
  const tokens = new Map(
    secrets.items.map(({ metadata, data }) => [
      metadata.labels?.[LABEL.runUid],
      Buffer.from(data?.['token'] ?? '', 'base64').toString(),
    ]),
  );
  const workers = pods.items.map(({ metadata: { uid, labels } }) => {
    const runUid = labels?.[LABEL.runUid];
    return {
      ...{ gatewayUrl, gateway: 0, workerId: uid, token: tokens.get(runUid) ?? '' },
      ...{ runUid: runUid ?? '', host: hostOf(Number(labels?.[LABEL.run]?.replace('crawl-', ''))) },
    };
  });
  await inParallel(workers.length, CONCURRENCY, async (index) => {
    const { host, ...worker } = workers[index] as (typeof workers)[number];
    const store = gatewayWorkerStore(worker);
    await store.seed([{ source: 'shop', url: `http://${host}/`, host, depth: 0 }], signal);
    await store.close();
  });
  return workers;
}

/** Notes when each number of done pages was seen first, by the UID of the run. */
function watchRuns(api: KubeApi) {
  const ended = new AbortController();
  const sightings = new Map<string, Sighting[]>();
  const phases = new Map<string, string>();
  const note = (run: CrawlRun) => {
    const { uid } = run.metadata;
    phases.set(uid, phaseOf(run));
    const seen = sightings.get(uid) ?? [];
    sightings.set(uid, seen);
    const done = run.status?.progress?.done ?? 0;
    if (done > (seen.at(-1)?.done ?? 0)) seen.push({ done, at: sharedNow() });
  };
  const runs = api.resource<CrawlRun>(CRAWL_RUNS);
  const watching = (async () => {
    const list = await runs.list({ signal: ended.signal });
    list.items.forEach(note);
    const options = { resourceVersion: list.resourceVersion, timeoutSeconds: 3_600, signal: ended.signal };
    for await (const event of runs.watch(options)) {
      if (event.type === 'ERROR') throw event.error;
      if (event.type === 'ADDED' || event.type === 'MODIFIED') note(event.object);
    }
  })().catch((error: unknown) => {
    if (!ended.signal.aborted) throw error;
  });
  return {
    running: () => [...phases.values()].filter((phase) => phase === 'Running').length,
    /** When so many pages of the run were seen, by sharedNow; undefined while they were not. */
    seenAt: (uid: string, pages: number) => sightings.get(uid)?.find(({ done }) => done >= pages)?.at,
    async end(): Promise<void> {
      ended.abort();
      await watching;
    },
  };
}

/** Seconds from each commit of the time between until its run's status showed it; Infinity where it never did. */
async function shownCommits(
  processes: readonly ReturnType<typeof startLightWorkers>[],
  watcher: ReturnType<typeof watchRuns>,
  workers: readonly (LightWorker & { readonly runUid?: string })[],
  from: number,
  to: number,
): Promise<{ ages: number[]; errors: Record<string, number>[] }> {
  const reports = await Promise.all(processes.map((process) => process.end()));
  const runOf = new Map(workers.map(({ workerId, runUid }) => [workerId, runUid ?? '']));
  const commits = reports.flatMap((report) => report.commits).filter(({ at }) => at >= from && at < to);
  const shownAt = ({ workerId, pages }: Commit) => watcher.seenAt(runOf.get(workerId) ?? '', pages);
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline && commits.some((commit) => shownAt(commit) === undefined)) await delay(500);
  const ages = commits.map((commit) => ((shownAt(commit) ?? Number.POSITIVE_INFINITY) - commit.at) / 1_000);
  return { ages: ages.sort((a, b) => a - b), errors: reports.map(({ errors }) => errors) };
}

async function statusWrites(auditLogPath: string, from: number, to: number): Promise<number> {
  let writes = 0;
  for await (const event of auditEvents(auditLogPath)) {
    const at = Date.parse(event.stageTimestamp);
    const { resource, subresource } = event.objectRef ?? {};
    if (at < from || at >= to || !succeeded(event)) continue;
    if (event.userAgent === 'trawler' && resource === 'crawlruns' && subresource === 'status') writes++;
  }
  return writes;
}

async function untilTrue(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 300_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`it never came to pass that ${what}`);
    await delay(500);
  }
}

/** Nearest rank. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
