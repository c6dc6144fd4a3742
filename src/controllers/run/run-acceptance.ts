// How a run gets into PostgreSQL: its Secret first, then its row, made again when either is lost.

import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import type { Secret } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { SPEC_VERSION } from '../../resources/group.ts';
import type { Acceptance, OperatorStore } from '../../store/operator-store.ts';
import { hashToken } from '../../store/run-token.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { RunCache } from '../caches.ts';
import type { PreparedDatabase } from '../database-preparation.ts';
import { runDay } from './crawl-job.ts';
import { logFields } from './run-log-fields.ts';
import { ensureRunSecret } from './run-secret.ts';
import type { Obstacle } from './run-status.ts';

export type RunAcceptanceOptions = {
  readonly secrets: ResourceClient<Secret>;
  readonly runCache: RunCache;
  readonly store: OperatorStore;
  readonly database: PreparedDatabase;
  /** PEM of the authority that signed the database's certificate. */
  readonly ca?: string;
  readonly events: EventRecorder;
  readonly logger: Logger;
};

/** A Secret that somebody deleted before the pods started is made again within this time. */
const CREDENTIALS_CHECK_MS = 60_000;

export function createRunAcceptance(options: RunAcceptanceOptions) {
  const { secrets, runCache, store, database, ca, events, logger } = options;
  /** By UID of live runs, on the monotonic clock. */
  const credentialsCheckedAt = new Map<string, number>();
  runCache.subscribe(({ type, object }) => {
    if (type === 'deleted' || isFinished(object)) credentialsCheckedAt.delete(object.metadata.uid);
  });

  /** Secret first, then the row that knows its token: a pod never starts with a token that nobody knows. */
  async function accept(
    run: CrawlRun,
    spec: CrawlRunSpec,
    isLost: boolean,
    signal: AbortSignal,
  ): Promise<{ acceptance?: Acceptance; obstacle?: Obstacle }> {
    const access = { databaseUrl: await database.workerUrl(signal), ...(ca === undefined ? {} : { ca }) };
    const secret = await ensureRunSecret(secrets, run, access, signal);
    if (secret.type === 'Foreign') {
      events.record(run, {
        type: 'Warning',
        reason: 'SecretConflict',
        action: 'CreateSecret',
        message: secret.message,
      });
      return { obstacle: { condition: 'Accepted', reason: 'SecretConflict', message: secret.message } };
    }
    const earlier = isLost ? undefined : retriedRun(run, spec);
    if (earlier === 'Unknown') {
      const message = `spec.trigger.retryOf: there is no CrawlRun "${spec.trigger.retryOf}" any more whose dead letters could be taken`;
      return { obstacle: { condition: 'Accepted', reason: 'UnknownRun', message } };
    }
    const scheduleUid = run.metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
    const acceptance = await store.acceptRun(
      {
        runId: run.metadata.uid,
        runDay: runDay(run),
        namespace: run.metadata.namespace,
        name: run.metadata.name,
        ...(scheduleUid === undefined ? {} : { scheduleUid }),
        specVersion: SPEC_VERSION,
        spec,
        tokenHash: hashToken(secret.token),
        ...(earlier ? { deadLettersOf: earlier.metadata.uid } : {}),
      },
      signal,
    );
    if (acceptance === 'Created') logger.info(logFields(run), 'run accepted');
    credentialsCheckedAt.set(run.metadata.uid, performance.now());
    return { acceptance };
  }

  /** The run whose dead letters this one takes; undefined when it takes its start URLs. */
  function retriedRun(run: CrawlRun, { trigger }: CrawlRunSpec): CrawlRun | 'Unknown' | undefined {
    if (trigger.retryOf === undefined || trigger.only === 'All') return undefined;
    return runCache.get({ namespace: run.metadata.namespace, name: trigger.retryOf }) ?? 'Unknown';
  }

  /** Whether this process made sure of Secret and row a short while ago. */
  function hasCredentials(run: CrawlRun): boolean {
    const checkedAt = credentialsCheckedAt.get(run.metadata.uid);
    return checkedAt !== undefined && performance.now() - checkedAt < CREDENTIALS_CHECK_MS;
  }

  /** Whether Postgres once had it. */
  function wasAccepted(run: CrawlRun): boolean {
    return isConditionTrue(run.status?.conditions, 'Accepted') || credentialsCheckedAt.has(run.metadata.uid);
  }

  /** Its workers may still hold a login that is gone, and its results are: see docs/decisions/0016-lost-data.md. */
  async function giveUpLost(run: CrawlRun, signal: AbortSignal): Promise<void> {
    await store.requestStop(run.metadata.uid, 'DataLost', signal);
    const message = 'PostgreSQL has lost the run and its results; it is ended';
    events.record(run, { type: 'Warning', reason: 'DataLost', action: 'StopRun', message });
    logger.error(logFields(run), 'run lost: PostgreSQL does not know it any more');
  }

  return { accept, wasAccepted, hasCredentials, giveUpLost };
}
