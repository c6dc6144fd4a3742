// Many schedules due in the same second: how late their runs and Jobs are made, what it costs, and the same load on the
// CronJob controller of Kubernetes. Run: npm run bench -- schedules [--json]
//
// Both sides have an API server, etcd and kube-controller-manager of their own, one after the other on this machine.
// The Job controller is off on both, so that no Job makes pods; the Jobs of the CronJobs are suspended as well.
// The time of a create is the API server's own: its audit log, when the answer was sent.

import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { pino } from 'pino';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { binary } from '../../dev/setup/kubernetes-binaries.mjs';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../src/custom-resources/types.ts';
import { NAMESPACES, type Namespace } from '../../src/kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '../../src/kube/client.ts';
import type { KubeObject, NewObject, ResourceType } from '../../src/kube/kube-object.ts';
import { createKubeMetrics } from '../../src/kube/metrics.ts';
import type { ResourceClient } from '../../src/kube/resource-client.ts';
import { auditEvents, succeeded } from '../support/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { installCrds } from '../support/crds.ts';
import { answerWith, isWatch, startFaultProxy, statusObject } from '../support/fault-proxy.ts';
import { bundleOperator, type OperatorProcess, spawnOperator } from '../support/operator-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { bareCreates } from './bare-creates.ts';
import { inParallel } from './in-parallel.ts';
import { adminConfig, CHART_ENV, grantChartRights, NAMESPACE, tokenConfig } from './installed-operator.ts';
import { scrape, total } from './operator-metrics.ts';
import { difference, memoryMb, processorSeconds, processorSecondsByProgram } from './process-usage.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    schedules: { type: 'string', default: '10000' },
    due: { type: 'string', default: '1000' },
    'idle-seconds': { type: 'string', default: '120' },
    /** `trawler`, `cronjob` or `raised` alone. */
    only: { type: 'string' },
    /** Flags for the operator's Node, for example --cpu-prof. */
    node: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
});
const SCHEDULES = Number(options.schedules);
const DUE = Number(options.due);
const IDLE_SECONDS = Number(options['idle-seconds']);
const NAMESPACE_COUNT = 10;
const CONCURRENCY = 16;
/** Between the edit that makes schedules due and the time that they are due at; more, to reach the next full minute. */
const LEAD_MS = 60_000;
/** Between looks at the operator's metrics. */
const LOOK_MS = 2_000;
/** A list is not looked at before. */
const UNWATCHED_MS = 10_000;
/** As the operator lists (src/kube/reflector.ts). */
const PAGE_SIZE = 200;
/** No job controller: a Job makes no pods. */
const CONTROLLERS = '--controllers=*,-job-controller';
const RAISED = ['--kube-api-qps=1000', '--kube-api-burst=2000', '--concurrent-cron-job-syncs=20'];
const METRICS_PORT = 20_000 + (process.pid % 20_000);

const { signal } = new AbortController();

function say(line: string): void {
  if (!options.json) console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

interface CronJob extends KubeObject {
  spec: object;
}

const CRON_JOBS: ResourceType = {
  group: 'batch',
  version: 'v1',
  plural: 'cronjobs',
  kind: 'CronJob',
  namespaced: true,
};

/** A year away. */
const NEVER = '0 0 1 1 *';

const namespaceOf = (n: number) => `team-${n % NAMESPACE_COUNT}`;

function crawlSchedule(n: number): NewObject<CrawlSchedule> {
  const source = { name: 'shop', urls: [`https://shop-${n}.example/`], scope: { mode: 'Host' as const } };
  return {
    metadata: { name: `crawl-${n}`, namespace: namespaceOf(n) },
    spec: { schedule: NEVER, runTemplate: { spec: { sources: [source], limits: { maxPages: 500 } } } },
  };
}

function cronJob(n: number): NewObject<CronJob> {
  const container = { name: 'crawl', image: 'registry.example/crawler:1', args: [`https://shop-${n}.example/`] };
  return {
    metadata: { name: `crawl-${n}`, namespace: namespaceOf(n) },
    spec: {
      schedule: NEVER,
      concurrencyPolicy: 'Forbid',
      jobTemplate: {
        spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
      },
    },
  };
}

interface Client<T extends KubeObject> {
  create(count: number, object: (n: number) => NewObject<T>): Promise<void>;
  /** Makes the first DUE schedules due at the next full minute that leaves time to notice; that time. */
  makeDue(settled: () => Promise<void>): Promise<Date>;
}

function clientOf<T extends KubeObject>(plane: ControlPlane, type: ResourceType): Client<T> {
  const api = bareApi(adminConfig(plane));
  const objects: ResourceClient<T> = api.resource<T>(type);
  const namespaces = api.resource<Namespace>(NAMESPACES);
  return {
    async create(count, object) {
      for (let n = 0; n < NAMESPACE_COUNT; n += 1) {
        await namespaces.create({ metadata: { name: namespaceOf(n) } }, { signal });
      }
      await inParallel(count, CONCURRENCY, (n) => objects.create(object(n), { signal }));
    },
    async makeDue(settled) {
      const slot = new Date(Math.ceil((Date.now() + LEAD_MS) / 60_000) * 60_000);
      const [minute, hour] = [slot.getUTCMinutes(), slot.getUTCHours()];
      const schedule = `${minute} ${hour} ${slot.getUTCDate()} ${slot.getUTCMonth() + 1} *`;
      await inParallel(DUE, CONCURRENCY, (n) => {
        const body = { spec: { schedule } };
        return objects.patch({ namespace: namespaceOf(n), name: `crawl-${n}` }, { type: 'merge', body }, { signal });
      });
      await settled();
      if (Date.now() > slot.getTime() - 2_000) throw new Error('the edit took so long that the slot has come');
      return slot;
    },
  };
}

/** Seconds from the slot to each successful create of the resource by the user, sorted. */
async function skews(plane: ControlPlane, resource: string, slot: Date): Promise<number[]> {
  const found: number[] = [];
  for await (const event of auditEvents(plane.auditLogPath)) {
    if (event.verb !== 'create' || !succeeded(event)) continue;
    if (event.objectRef?.resource !== resource || event.objectRef.subresource !== undefined) continue;
    if (!event.objectRef.name?.startsWith('crawl-')) continue;
    found.push((Date.parse(event.stageTimestamp) - slot.getTime()) / 1_000);
  }
  return found.filter((skew) => skew > -1).sort((a, b) => a - b);
}

/** Waits until all that are due have theirs, by the audit log that is written from now on. */
async function untilCreated(plane: ControlPlane, resource: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  // Only what is new is read, and rarely: the processors are for those who are measured.
  let read = (await stat(plane.auditLogPath)).size;
  let left = DUE;
  let unfinished = Buffer.alloc(0);
  while (left > 0) {
    await delay(1_000);
    if (Date.now() > deadline) throw new Error(`${left} of ${DUE} ${resource} were not created in time`);
    const file = await open(plane.auditLogPath);
    const { size } = await file.stat();
    const { buffer } = await file.read({ buffer: Buffer.alloc(size - read), position: read });
    await file.close();
    read = size;
    const lines = Buffer.concat([unfinished, buffer]).toString('utf8').split('\n');
    unfinished = Buffer.from(lines.pop() ?? '');
    left -= lines.filter((line) => isCreateOf(line, resource)).length;
  }
}

function isCreateOf(line: string, resource: string): boolean {
  return line.includes('"verb":"create"') && line.includes(`"resource":"${resource}"`) && line.includes('"code":201');
}

const used = (before: Map<string, number>, after: Map<string, number>) => JSON.stringify(difference(before, after));

/** Nearest rank. */
function percentile(sorted: readonly number[], share: number): number {
  return round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN);
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Requests by verb and resource that the operator sent from one time to another, leases and watches left out. */
async function requestsBetween(plane: ControlPlane, from: number, until: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const event of auditEvents(plane.auditLogPath)) {
    const receivedAt = Date.parse(event.requestReceivedTimestamp);
    const isOperators = event.userAgent === 'trawler' && receivedAt >= from && receivedAt <= until;
    const { resource = '', subresource } = event.objectRef ?? {};
    if (!isOperators || resource === 'leases' || event.verb === 'watch' || event.verb === 'list') continue;
    const key = `${event.verb} ${resource}${subresource ? `/${subresource}` : ''}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function told(counts: Map<string, number>): string {
  return JSON.stringify(Object.fromEntries([...counts].sort(([, a], [, b]) => b - a)));
}

async function measureTrawler() {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-bench-'));
  const [plane, postgres, program] = await Promise.all([
    startControlPlane({ controllerManager: true, controllerManagerFlags: [CONTROLLERS], audit: true }),
    startPostgres(15),
    bundleOperator(join(directory, 'operator')),
  ]);
  let operator: OperatorProcess | undefined;
  try {
    const kubectl = (args: string[], input = '') =>
      execa(binary('kubectl'), [`--kubeconfig=${plane.kubeconfigPath}`, ...args], { input });
    await installCrds(plane);
    const database = await postgres.createDatabase();
    const client = clientOf<CrawlSchedule>(plane, CRAWL_SCHEDULES);
    say(`creating ${SCHEDULES} CrawlSchedules`);
    await client.create(SCHEDULES, crawlSchedule);

    const kubeconfigPath = join(directory, 'operator.kubeconfig');
    await grantChartRights(kubectl);
    const config = await tokenConfig(plane, kubectl, NAMESPACE, 'trawler-operator');
    await writeFile(kubeconfigPath, config.exportConfig());

    const start = (kubeconfigPath: string) =>
      spawnOperator({
        program,
        kubeconfigPath,
        databaseUrl: database.ownerUrl,
        namespace: NAMESPACE,
        logPath: join(directory, 'operator.log'),
        env: { TRAWLER_METRICS_PORT: String(METRICS_PORT), ...CHART_ENV },
        nodeFlags: options.node.split(' ').filter(Boolean),
      });
    operator = start(kubeconfigPath);
    await settled();
    say(`every schedule has its status; memory ${await memoryOf(operator.pid)}`);

    const cpuBefore = await processorSeconds(operator.pid);
    await delay(IDLE_SECONDS * 1_000);
    const idle = ((await processorSeconds(operator.pid)) - cpuBefore) / IDLE_SECONDS;
    say(`idle for ${IDLE_SECONDS} s: ${round(idle * 100)} % of a core`);

    const memoryBefore = await memoryOf(operator.pid);
    const slot = await client.makeDue(settled);
    say(`${DUE} are due at ${slot.toISOString()}; memory ${memoryBefore}`);
    await delay(slot.getTime() - 500 - Date.now());
    const usedBefore = await processorSecondsByProgram();
    await untilCreated(plane, 'jobs', 180_000);
    say(`processor seconds until all Jobs were there: ${used(usedBefore, await processorSecondsByProgram())}`);
    const [runSkews, jobSkews] = [await skews(plane, 'crawlruns', slot), await skews(plane, 'jobs', slot)];
    await settled();
    const lastJob = slot.getTime() + (jobSkews.at(-1) ?? 0) * 1_000;
    say(`requests until the last Job: ${told(await requestsBetween(plane, slot.getTime(), lastJob))}`);
    const requests = await requestsBetween(plane, slot.getTime(), Date.now());
    say(`requests until all is quiet: ${told(requests)}`);
    say(`mean time of a request in ms: ${JSON.stringify(await requestTimes())}`);
    const { peak } = await memoryMb(operator.pid);
    await stop(operator);

    await kubectl(['create', 'serviceaccount', 'bench', `--namespace=${NAMESPACE}`]);
    const binding = ['--clusterrole=cluster-admin', `--serviceaccount=${NAMESPACE}:bench`];
    await kubectl(['create', 'clusterrolebinding', 'bench', ...binding]);
    const bare = await measureBareCreates(await tokenConfig(plane, kubectl, NAMESPACE, 'bench'));
    say(`the same objects by a client that does nothing else: runs ${round(bare.runs)} s, Jobs ${round(bare.jobs)} s`);

    operator = start(kubeconfigPath);
    await settled();
    // The watch cache of a new API server knows nothing of the past: watches expire, and everything is listed again.
    const listsBefore = await listsOf('crawlschedules');
    await plane.stopApiServer();
    await plane.startApiServer();
    await untilTrue(
      async () => (await listsOf('crawlschedules')).count > listsBefore.count,
      'the schedules are listed again',
    );
    const afterRestart = (await listsOf('crawlschedules')).seconds - listsBefore.seconds;
    say(`first list ${round(listsBefore.seconds)} s, list after the API server's restart ${round(afterRestart)} s`);
    await settled();
    const memory = await memoryMb(operator.pid);
    say(`memory ${await memoryOf(operator.pid)}`);
    await stop(operator);
    const relist = await measureRelist(start, adminConfig(plane), directory);
    say(
      `list after the watch has expired ${round(relist.seconds)} s, by a client that keeps nothing ${round(relist.bare)} s`,
    );
    return {
      p50_skew_s: percentile(runSkews, 0.5),
      p99_skew_s: percentile(runSkews, 0.99),
      p50_job_skew_s: percentile(jobSkews, 0.5),
      p99_job_skew_s: percentile(jobSkews, 0.99),
      schedules: SCHEDULES,
      fired: runSkews.length,
      requests_per_run: round([...requests.values()].reduce((sum, count) => sum + count, 0) / DUE),
      rss_mb: round(Math.max(peak, memory.peak)),
      rss_after_mb: round(memory.now),
      relist_s: round(relist.seconds),
      bare_relist_s: round(relist.bare),
      relist_after_restart_s: round(afterRestart),
      bare_runs_s: round(bare.runs),
      bare_jobs_s: round(bare.jobs),
      idle_cpu_pct: round(idle * 100),
    };
  } finally {
    if (operator) await stop(operator);
    await Promise.all([plane.stop(), postgres.stop()]);
    if (options.keep) say(`left in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  }
}

async function stop(operator: OperatorProcess): Promise<void> {
  operator.kill('SIGTERM');
  await operator.ended;
}

/** Seconds that an operator takes to list all schedules anew when its watch is too old, and a bare client on the same way. */
async function measureRelist(
  start: (kubeconfigPath: string) => OperatorProcess,
  config: KubeConfig,
  directory: string,
) {
  const proxy = await startFaultProxy(config, { keepAlive: true });
  const kubeconfigPath = join(directory, 'proxy.kubeconfig');
  await writeFile(kubeconfigPath, proxy.config.exportConfig());
  const operator = start(kubeconfigPath);
  try {
    await settled();
    const bare = await bareList(proxy.config);
    const before = await listsOf('crawlschedules');
    const isOurs = (request: IncomingMessage) => isWatch(request) && /crawlschedules/.test(request.url ?? '');
    proxy.inject(isOurs, answerWith(410, statusObject(410, 'Expired')));
    proxy.dropWatches();
    // By then it has: an answer to a look would be worked out meanwhile.
    await delay(UNWATCHED_MS);
    await untilTrue(async () => (await listsOf('crawlschedules')).count > before.count, 'all is listed again');
    return { seconds: (await listsOf('crawlschedules')).seconds - before.seconds, bare };
  } finally {
    await stop(operator);
    await proxy.close();
  }
}

/** Seconds to read all schedules in pages as the operator does. */
async function bareList(config: KubeConfig): Promise<number> {
  const api = bareApi(config);
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  const startedAt = performance.now();
  try {
    let page = await schedules.list({ signal, limit: PAGE_SIZE });
    while (page.continueToken !== undefined) {
      page = await schedules.list({ signal, limit: PAGE_SIZE, continueToken: page.continueToken });
    }
    return (performance.now() - startedAt) / 1_000;
  } finally {
    await api.close();
  }
}

function bareApi(config: KubeConfig): KubeApi {
  const metrics = createKubeMetrics(createRegistry());
  return createKubeApi(config, { logger: pino({ level: 'silent' }), metrics, qps: 1e6, burst: 1e6 });
}

/** See bareCreates. */
async function measureBareCreates(config: KubeConfig) {
  const api = bareApi(config);
  const namespaces = Array.from({ length: NAMESPACE_COUNT }, (_, n) => namespaceOf(n));
  try {
    return await bareCreates(api, namespaces, DUE, signal);
  } finally {
    await api.close();
  }
}

/** In MB: resident now, the most there was, and of what kind it is. */
async function memoryOf(pid: number): Promise<string> {
  const { now, peak } = await memoryMb(pid);
  const samples = await scrape(METRICS_PORT);
  const mb = (name: string) => Math.round(total(samples, name) / 2 ** 20);
  const heap = `heap ${mb('nodejs_heap_size_used_bytes')} of ${mb('nodejs_heap_size_total_bytes')}`;
  return `${Math.round(now)} MB, peak ${Math.round(peak)}, ${heap}, external ${mb('nodejs_external_memory_bytes')}`;
}

/** As the operator saw them, over its whole life. */
async function requestTimes(): Promise<Record<string, number>> {
  const samples = await scrape(METRICS_PORT);
  const name = 'trawler_kube_request_duration_seconds';
  const counts = samples.filter((sample) => sample.name === `${name}_count` && sample.value >= DUE / 2);
  return Object.fromEntries(
    counts.map(({ labels, value }) => [
      `${labels['verb']} ${labels['resource']}`,
      round((total(samples, `${name}_sum`, labels) / value) * 1_000),
    ]),
  );
}

async function listsOf(resource: string): Promise<{ count: number; seconds: number }> {
  const samples = await scrape(METRICS_PORT);
  const name = 'trawler_cache_list_duration_seconds';
  return {
    count: total(samples, `${name}_count`, { resource }),
    seconds: total(samples, `${name}_sum`, { resource }),
  };
}

/** Waits until the operator leads, its queues are empty, and they stay so for some seconds. */
async function settled(): Promise<void> {
  let quiet = 0;
  const look = async () => {
    const samples = await scrape(METRICS_PORT).catch(() => []);
    const busy = total(samples, 'trawler_workqueue_depth') + total(samples, 'trawler_workqueue_active_workers');
    const works = total(samples, 'trawler_cache_objects', { resource: 'crawlschedules' }) >= SCHEDULES;
    quiet = works && busy === 0 ? quiet + 1 : 0;
    return quiet >= 3;
  };
  await untilTrue(look, 'the operator has nothing to do');
}

/**
 * Most checks ask for the operator's metrics, for which it works out figures of all schedules on the thread that is measured. So they are
 * seldom made; Prometheus asks twice a minute.
 */
async function untilTrue(check: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 600_000;
  while (!(await check().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`it never came to pass that ${what}`);
    await delay(LOOK_MS);
  }
}

async function measureCronJobs(flags: string[]) {
  const plane = await startControlPlane({
    controllerManager: true,
    controllerManagerFlags: [CONTROLLERS, ...flags],
    audit: true,
  });
  try {
    const client = clientOf<CronJob>(plane, CRON_JOBS);
    say(`creating ${SCHEDULES} CronJobs; flags ${flags.join(' ') || 'by default'}`);
    await client.create(SCHEDULES, cronJob);
    const slot = await client.makeDue(() => delay(5_000));
    say(`${DUE} are due at ${slot.toISOString()}`);
    await delay(slot.getTime() - 500 - Date.now());
    const usedBefore = await processorSecondsByProgram();
    await untilCreated(plane, 'jobs', 600_000);
    say(`processor seconds until all Jobs were there: ${used(usedBefore, await processorSecondsByProgram())}`);
    const found = await skews(plane, 'jobs', slot);
    say(`jobs: median ${percentile(found, 0.5)} s, p99 ${percentile(found, 0.99)} s`);
    return percentile(found, 0.99);
  } finally {
    await plane.stop();
  }
}

const wanted = (name: string) => options.only === undefined || options.only === name;
const result = {
  ...(wanted('trawler') ? await measureTrawler() : {}),
  ...(wanted('raised') ? { cronjob_raised_p99_skew_s: await measureCronJobs(RAISED) } : {}),
  ...(wanted('cronjob') ? { cronjob_p99_skew_s: await measureCronJobs([]) } : {}),
};
console.log(JSON.stringify(result));
