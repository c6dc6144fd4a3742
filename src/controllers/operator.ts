// The operator: caches, queues and reconcilers put together, running while this process leads.

import {
  CRAWL_BACKFILLS,
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlBackfill,
  type CrawlRun,
  type CrawlSchedule,
} from '../custom-resources/types.ts';
import {
  CLUSTER_EVENTS,
  type ClusterEvent,
  JOBS,
  type Job,
  LEASES,
  type Lease,
  NODES,
  type Node,
  PERSISTENT_VOLUME_CLAIMS,
  type PersistentVolumeClaim,
  PODS,
  type Pod,
  SECRETS,
  type Secret,
} from '../kube/builtin-types.ts';
import type { KubeApi } from '../kube/client.ts';
import { createEventRecorder, type EventNote } from '../kube/events.ts';
import { objectKey } from '../kube/kube-object.ts';
import { runAsLeader } from '../kube/leader-election.ts';
import { createUrgency } from '../kube/urgency.ts';
import { createWorkQueue } from '../kube/work-queue.ts';
import { GROUP } from '../resources/group.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import { LOG_EVENTS } from '../telemetry/log-events.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Traces } from '../telemetry/traces.ts';
import { createBackfillReconciler } from './backfill/backfill-controller.ts';
import { wakeBackfills } from './backfill/backfill-wake.ts';
import { startCaches } from './caches.ts';
import { compareRuns } from './comparisons.ts';
import { createDatabasePreparation } from './database-preparation.ts';
import { createGateway, type GatewaySettings } from './gateway/gateway.ts';
import { createMaintenance, type MaintenanceSettings } from './maintenance.ts';
import type { OperatorMetrics } from './metrics.ts';
import { createNotifications, NOTIFICATION_INTERVAL_MS } from './notifications.ts';
import type { ActiveLimits } from './run/admission.ts';
import type { JobSettings } from './run/crawl-job.ts';
import { createFigurePace } from './run/figure-pace.ts';
import { createProgressWatch, PROGRESS_INTERVAL_MS } from './run/progress-watch.ts';
import { createRunReconciler } from './run/run-controller.ts';
import { createRunQueue } from './run/run-queue.ts';
import { wakeRuns } from './run/run-wake.ts';
import { createCanaryReconciler, wakeCanaries } from './schedule/canary-controller.ts';
import { isRunReported } from './schedule/run-result.ts';
import { createScheduleReconciler } from './schedule/schedule-controller.ts';
import { wakeSchedules } from './schedule/schedule-wake.ts';
import { createSlotMemory } from './schedule/slot-memory.ts';
import { sweep } from './sweep.ts';

export type OperatorOptions = {
  readonly api: KubeApi;
  readonly store: OperatorStore;
  readonly gateway: GatewaySettings;
  /** Whether the database is brought up to date before its first use. */
  readonly migrate: boolean;
  readonly settings: JobSettings;
  readonly limits: ActiveLimits;
  readonly maintenance: MaintenanceSettings;
  /** The namespaces to look after; absent: all of them. */
  readonly watchNamespaces?: readonly string[];
  /** Where the Lease lives. */
  readonly namespace: string;
  /** This process, as Lease and Events name it. */
  readonly identity: string;
  /** Objects of one kind worked on at once. */
  readonly reconcilers: number;
  readonly metrics: OperatorMetrics;
  /** Absent when nobody wants them. */
  readonly traces?: Traces;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called when this process leads and begins to fill its caches, and when they are filled and the controllers work. */
  readonly onLeading?: () => void;
  readonly onReady?: () => void;
};

const LEASE_NAME = 'trawler-operator';
const SWEEP_INTERVAL_MS = 30_000;
const SWEEP_KEY = 'sweep';
const MAINTENANCE_KEY = 'maintenance';
const COMPARISONS_KEY = 'comparisons';
const COMPARISON_INTERVAL_MS = 3_000;
const LONG_CHANGES_KEY = 'long-changes';
const LONG_CHANGES_INTERVAL_MS = 3_600_000;
const CERTIFICATE_KEY = 'certificate';
const LOGIN_KEY = 'login';
const NOTIFICATIONS_KEY = 'notifications';
const PROGRESS_KEY = 'progress';

/** Waits for the leadership, then runs the controllers until the signal is aborted or the leadership is lost. */
export async function runOperator(options: OperatorOptions): Promise<'stopped' | 'finished' | 'lost'> {
  const { api, namespace, identity, logger, metrics, signal } = options;
  return runAsLeader({
    api,
    namespace,
    name: LEASE_NAME,
    identity,
    logger,
    metrics,
    signal,
    work: (leading) => runControllers(options, leading),
  });
}

/** Everything that is started here has ended when this returns. */
async function runControllers(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { api, store, migrate, settings, limits, namespace, identity, reconcilers, metrics, logger } = options;
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  const runs = api.resource<CrawlRun>(CRAWL_RUNS);
  const jobs = api.resource<Job>(JOBS);
  const pods = api.resource<Pod>(PODS);
  const secrets = api.resource<Secret>(SECRETS);
  const leases = api.resource<Lease>(LEASES);
  const claims = api.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);

  const nodes = api.resource<Node>(NODES);
  const clusterEvents = api.resource<ClusterEvent>(CLUSTER_EVENTS);

  const shared = { logger, metrics, signal };
  const namespaces = options.watchNamespaces === undefined ? {} : { namespaces: options.watchNamespaces };
  options.onLeading?.();
  const caches = startCaches({ api, ...namespaces, ...shared });
  const { scheduleCache, runCache, backfillCache, jobCache, podCache } = caches;
  const urgency = createUrgency();
  const events = createEventRecorder({ api, controller: `${GROUP}/operator`, instance: identity, urgency, ...shared });
  const all = Object.values(caches);
  await Promise.all(all.map((cache) => cache.synced(signal)));
  const queues = limits.queues ?? new Map();
  metrics.fleet.follow({ ...caches, queues });

  const now = () => new Date();
  const database = createDatabasePreparation({ store, migrate, onEmptied: announceEmptied, logger, signal });
  const queue = createRunQueue({ runCache, scheduleCache, limits, now });
  const memory = createSlotMemory(store, logger);
  const databaseUrl = (within: AbortSignal) => store.gatewayDatabaseUrl(within);
  const gateway = createGateway({
    ...{ secrets, namespace, settings: options.gateway, databaseUrl, now, logger },
    serverDatabaseUrl: (within) => store.serverDatabaseUrl(within),
  });
  const scheduleQueue = createWorkQueue({
    name: 'schedule',
    workers: reconcilers,
    urgency,
    reconcile: createScheduleReconciler({
      schedules,
      runs,
      scheduleCache,
      runCache,
      events,
      memory,
      queues,
      creationSkew: metrics.creationSkew,
      // Urgency belongs to slots: what users make waits for its turn.
      onRunMade: (run) => runQueue.add(objectKey(run.metadata), { urgent: true }),
      now,
      logger,
    }),
    ...shared,
  });
  const pace = createFigurePace();
  const runQueue = createWorkQueue({
    name: 'run',
    workers: reconcilers,
    urgency,
    reconcile: createRunReconciler({
      ...{ runs, jobs, pods, nodes, secrets, claims, clusterEvents, runCache, jobCache, podCache },
      ...{ queue, store, database, gateway, events, settings, pace, now, logger },
      onRunEnded: (run, { outcome, at }) => metrics.runEnded(run, outcome, at),
      ...(options.traces === undefined ? {} : { traces: options.traces }),
      // The schedule's status has to hold the result before the run is deleted.
      isReported: (run) => isRunReported(run, scheduleCache),
    }),
    ...shared,
  });
  const lookForProgress = createProgressWatch({ store, runCache, queue: runQueue, pace });
  /** Does its work again and again from when its key is added. */
  const repeatedly = (name: string, intervalMs: number, work: (within: AbortSignal) => Promise<unknown>) =>
    createWorkQueue({
      name,
      workers: 1,
      reconcile: async (_key, within) => {
        await onDatabase(() => work(within));
        return { requeueAfterMs: intervalMs };
      },
      ...shared,
    });
  const progressQueue = repeatedly('progress', PROGRESS_INTERVAL_MS, lookForProgress);
  const backfillQueue = createWorkQueue({
    name: 'backfill',
    // One after the other, so that no two plan the same time.
    workers: 1,
    reconcile: createBackfillReconciler({
      backfills: api.resource<CrawlBackfill>(CRAWL_BACKFILLS),
      ...{ runs, backfillCache, scheduleCache, runCache, events, now },
      executions: {
        ofSlots: (query, within) => onDatabase(() => store.executions.ofSlots(query, within)),
        find: (inNamespace, name, within) => onDatabase(() => store.executions.find(inNamespace, name, within)),
      },
    }),
    ...shared,
  });
  const canaryQueue = createWorkQueue({
    name: 'canary',
    workers: 1,
    reconcile: createCanaryReconciler({
      ...{ schedules, scheduleCache, events, now },
      executions: {
        compareImages: (query, within) => onDatabase(() => store.executions.compareImages(query, within)),
      },
    }),
    ...shared,
  });
  const sweepQueue = repeatedly('sweep', SWEEP_INTERVAL_MS, (within) =>
    sweep({ runs, runCache, podCache, store, events, ...namespaces, logger }, within),
  );
  const maintain = createMaintenance({
    ...{ store, runCache, settings: options.maintenance, namespace, now, logger },
    onEnd: ({ outcome, message }) => {
      const isDone = outcome === 'Succeeded';
      const [type, reason] = isDone
        ? (['Normal', 'MaintenanceDone'] as const)
        : (['Warning', 'MaintenanceFailed'] as const);
      announce({ type, reason, action: 'DropOldData', message });
    },
  });
  const maintenanceQueue = createWorkQueue({
    name: 'maintenance',
    workers: 1,
    reconcile: (_key, signal) => onDatabase(() => maintain(signal)),
    ...shared,
  });
  // More than once: a database that was found empty is set up without them.
  const longChangeQueue = repeatedly('long-changes', LONG_CHANGES_INTERVAL_MS, (within) =>
    store.makeLongChanges(within),
  );
  const comparisonQueue = repeatedly('comparisons', COMPARISON_INTERVAL_MS, (within) =>
    compareRuns({ store, logger }, within),
  );
  const { allowedAddresses } = settings;
  const notifications = createNotifications({ store, scheduleCache, secrets, allowedAddresses, now, logger });
  const notificationQueue = repeatedly('notifications', NOTIFICATION_INTERVAL_MS, (within) =>
    notifications.send(within),
  );
  const gatewayQueue = createWorkQueue({
    name: 'gateway',
    workers: 2,
    reconcile: async (key, signal) => {
      if (key === CERTIFICATE_KEY) return gateway.keepCertificate(signal);
      return onDatabase(() => gateway.keepLogin(signal));
    },
    ...shared,
  });

  wakeSchedules({ scheduleCache, runCache, queue: scheduleQueue });
  wakeBackfills({ backfillCache, scheduleCache, runCache, queue: backfillQueue });
  wakeCanaries({ scheduleCache, runCache, queue: canaryQueue });
  wakeRuns({ runCache, jobCache, podCache, line: queue, queue: runQueue, onGone: () => sweepQueue.add(SWEEP_KEY) });
  progressQueue.add(PROGRESS_KEY);
  sweepQueue.add(SWEEP_KEY);
  maintenanceQueue.add(MAINTENANCE_KEY);
  // Without `migrate`, whoever prepares the database makes them, too.
  if (migrate) longChangeQueue.add(LONG_CHANGES_KEY);
  comparisonQueue.add(COMPARISONS_KEY);
  notificationQueue.add(NOTIFICATIONS_KEY);
  for (const key of [CERTIFICATE_KEY, LOGIN_KEY]) gatewayQueue.add(key);
  logger.info(
    { schedules: scheduleCache.list().length, runs: runCache.list().length },
    LOG_EVENTS.schedulerStarted.message,
  );
  options.onReady?.();

  await Promise.all([
    scheduleQueue.done,
    runQueue.done,
    progressQueue.done,
    backfillQueue.done,
    canaryQueue.done,
    sweepQueue.done,
    maintenanceQueue.done,
    longChangeQueue.done,
    comparisonQueue.done,
    gatewayQueue.done,
    notificationQueue.done.finally(() => notifications.close()),
    events.done,
    ...all.map((cache) => cache.done),
  ]);

  /** What it fails with may be a reason to prepare the database again. */
  async function onDatabase<T>(work: () => Promise<T>): Promise<T> {
    try {
      await database.ready();
      return await work();
    } catch (error) {
      database.reportFailure(error);
      throw error;
    }
  }

  /** The gateway's login is another one then. */
  function announceEmptied(): void {
    gatewayQueue.add(LOGIN_KEY);
    const message = 'PostgreSQL was found empty and set up again: runs, results and dead letters it held are lost';
    announce({ type: 'Warning', reason: 'DatabaseEmptied', action: 'PrepareDatabase', message });
  }

  /** As an Event of the Lease: what the operator has to say that is about no run. */
  function announce(note: EventNote): void {
    leases.get({ namespace, name: LEASE_NAME }, { signal }).then(
      (lease) => lease && events.record(lease, note),
      (error: unknown) => logger.warn({ err: error, reason: note.reason }, 'the Event of the Lease was not made'),
    );
  }
}
