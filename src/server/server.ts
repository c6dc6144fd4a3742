// The API server put together: the API server of Kubernetes behind it, its routes, and the port that callers reach.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import {
  CRAWL_BACKFILLS,
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlBackfill,
  type CrawlRun,
  type CrawlSchedule,
} from '../custom-resources/types.ts';
import { LEASES, type Lease, SELF_SUBJECT_REVIEWS } from '../kube/builtin-types.ts';
import type { KubeApi } from '../kube/client.ts';
import { createEventRecorder } from '../kube/events.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Readiness, type ReadinessCheck, remembered } from '../telemetry/readiness.ts';
import { createApp } from './app.ts';
import { createAudit } from './audit/audit.ts';
import { type AuditLog, createAuditLog } from './audit/audit-log.ts';
import { createAccess } from './auth/access.ts';
import { createAuthenticator } from './auth/identity.ts';
import { createNamedTokens } from './auth/named-tokens.ts';
import { parseToken } from './auth/token-text.ts';
import type { RequestMetrics } from './http/request-metrics.ts';
import { createKnownRuns } from './runs/known-runs.ts';
import { createLiveState } from './stream/live-state.ts';

export type ServerOptions = {
  readonly api: KubeApi;
  readonly port: number;
  /** The operator's namespace, where its Lease is. */
  readonly systemNamespace: string;
  /** The Secret there that holds named tokens; `trawler-server-tokens` when left out. */
  readonly tokensSecret?: string;
  /** The pod's name, for Events. */
  readonly identity: string;
  readonly metrics: KubeMetrics;
  /** Requests are not counted without. */
  readonly requestMetrics?: RequestMetrics;
  readonly logger: Logger;
  /** Without it, what is in PostgreSQL alone is answered with 503. The caller closes it. */
  readonly store?: ServerStore;
  /** How many requests one identity may send to this replica in a minute. */
  readonly requestsPerMinute?: number;
  /** How long a stream of events may be silent, in milliseconds. */
  readonly keepAliveMs?: number;
  /** How long an answer about a token or a right is good, in milliseconds. */
  readonly rightsFreshMs?: number;
};

export type ApiServer = {
  readonly port: number;
  readonly readiness: Readonly<Record<string, ReadinessCheck>>;
  /** Takes no more requests, answers those under way within so many milliseconds, and sends what is left of Events. */
  close(withinMs: number): Promise<void>;
};

const READINESS_TIMEOUT_MS = 2_000;
const READY_FOR_MS = 10_000;
/** A caller that sends its headers or its body more slowly is cut off. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** As the chart names it. */
export const TOKENS_SECRET = 'trawler-server-tokens';
/** For what is left to be written of changes, at the end. */
const AUDIT_WITHIN_MS = 3_000;

export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const { api, identity, metrics, logger, rightsFreshMs, store, systemNamespace } = options;
  const ending = new AbortController();
  const events = createEventRecorder({
    ...{ api, logger, metrics, controller: 'trawler.dev/server', instance: identity, signal: ending.signal },
  });
  const readiness = {
    kubernetes: remembered(() => kubernetesAnswers(api), READY_FOR_MS),
    ...(store === undefined ? {} : { database: () => databaseAnswers(store) }),
  };
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  const watching = new AbortController();
  const knownRuns = createKnownRuns({
    ...{ runs: api.resource<CrawlRun>(CRAWL_RUNS), logger, metrics, signal: watching.signal },
  });
  const runs = knownRuns.client;
  const backfills = api.resource<CrawlBackfill>(CRAWL_BACKFILLS);
  const now = () => new Date();
  const tokens = createNamedTokens({
    ...{ api, now, ref: { namespace: systemNamespace, name: options.tokensSecret ?? TOKENS_SECRET } },
    ...(rightsFreshMs === undefined ? {} : { freshMs: rightsFreshMs }),
  });
  const reviewed = createAuthenticator(api, rightsFreshMs);
  const auditLog: AuditLog | undefined = store === undefined ? undefined : createAuditLog({ store, logger });
  const app = createApp({
    parts: {
      ...{ api, schedules, runs, knownRuns, backfills },
      live: createLiveState({
        ...{ followRuns: knownRuns.follow, schedules, logger, metrics, signal: watching.signal },
        ...(store === undefined ? {} : { store }),
        ...(options.keepAliveMs === undefined ? {} : { keepAliveMs: options.keepAliveMs }),
      }),
      ...{ access: createAccess(api, rightsFreshMs), tokens },
      audit: createAudit({ events, logger, now, write: (entry) => auditLog?.write(entry) }),
      now,
      leader: (signal) => readLeader(api, systemNamespace, signal),
      ...(store === undefined ? {} : { store }),
    },
    authenticate: (token) => (parseToken(token) === undefined ? reviewed(token) : tokens.identify(token)),
    ...{ readiness, logger },
    ...(options.requestsPerMinute === undefined ? {} : { requestsPerMinute: options.requestsPerMinute }),
    ...(options.requestMetrics === undefined ? {} : { requestMetrics: options.requestMetrics }),
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  }) as Server;
  server.listen(options.port);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    readiness,
    async close(withinMs) {
      // Streams would last for ever.
      watching.abort(new Error('the server ends'));
      await closeServer(server, withinMs);
      await auditLog?.close(AUDIT_WITHIN_MS);
      ending.abort(new Error('the server ends'));
      await events.done;
    },
  };
}

/** Held by the operator that leads, as its pod's name, an underscore and an id. */
const OPERATOR_LEASE = 'trawler-operator';

async function readLeader(api: KubeApi, namespace: string, signal: AbortSignal) {
  const lease = await api.resource<Lease>(LEASES).get({ namespace, name: OPERATOR_LEASE }, { signal });
  const [holder] = lease?.spec?.holderIdentity?.split('_').filter(Boolean) ?? [];
  const renewedAt = lease?.spec?.renewTime;
  return { ...(holder === undefined ? {} : { holder }), ...(renewedAt ? { renewedAt } : {}) };
}

async function kubernetesAnswers(api: KubeApi): Promise<Readiness> {
  const options = { signal: AbortSignal.timeout(READINESS_TIMEOUT_MS) };
  return api
    .resource(SELF_SUBJECT_REVIEWS)
    .create({ metadata: { name: '' } }, options)
    .then(
      () => true,
      (error: unknown) => `the API server does not answer: ${error instanceof Error ? error.message : error}`,
    );
}

async function databaseAnswers(store: ServerStore): Promise<Readiness> {
  return store.ping(AbortSignal.timeout(READINESS_TIMEOUT_MS)).then(
    () => true,
    (error: unknown) => `PostgreSQL does not answer: ${error instanceof Error ? error.message : error}`,
  );
}

function closeServer(server: Server, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), withinMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
