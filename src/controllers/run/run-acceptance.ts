// How a run gets into PostgreSQL: its Secret first, then its row, made again when either is lost.

import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import type { Secret } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { SPEC_VERSION } from '../../resources/group.ts';
import type { Acceptance, OperatorStore } from '../../store/operator-store.ts';
import { hashToken } from '../../store/run-token.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { RunCache } from '../caches.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { type JobSettings, runDay } from './crawl-job.ts';
import { obstacleOfAnswer, type StartObstacle } from './obstacle.ts';
import { retriedPart } from './retried-part.ts';
import { logFields } from './run-log-fields.ts';
import { ensureRunSecret } from './run-secret.ts';

export type RunAcceptanceOptions = {
  readonly secrets: ResourceClient<Secret>;
  readonly runCache: RunCache;
  readonly store: OperatorStore;
  readonly gateway: Gateway;
  readonly events: EventRecorder;
  readonly settings: Pick<JobSettings, 'crawlerImage'>;
  readonly logger: Logger;
};

/** A Secret that somebody deleted before the pods started is made again within this time. */
const CREDENTIALS_CHECK_MS = 60_000;

export function createRunAcceptance(options: RunAcceptanceOptions) {
  const { secrets, runCache, store, gateway, events, settings, logger } = options;
  /** By UID of live runs, on the monotonic clock. */
  const credentialsCheckedAt = new Map<string, number>();
  runCache.subscribe(({ type, object }) => {
    if (type === 'deleted' || isFinished(object)) credentialsCheckedAt.delete(object.metadata.uid);
  });

  /**
   * Secret first, then the row that knows its token: a pod never starts with a token that nobody knows. A run that `isKnown`
   * to PostgreSQL has its dead letters already, and the run that they are of may be gone.
   */
  async function accept(
    run: CrawlRun,
    spec: CrawlRunSpec,
    isKnown: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly acceptance: Acceptance } | { readonly obstacle: StartObstacle }> {
    const secret = await ensureSecret(run, signal);
    if (typeof secret !== 'string') return { obstacle: secret };
    const earlier = isKnown ? undefined : retriedRun(run, spec);
    if (earlier === 'Unknown') {
      const what = spec.trigger.only === 'Dead' ? 'dead letters' : 'failed sources';
      const message = `spec.trigger.retryOf: there is no CrawlRun "${spec.trigger.retryOf}" any more whose ${what} could be taken`;
      return { obstacle: { condition: 'Accepted', patience: 'Final', reason: 'UnknownRun', message } };
    }
    const part = isKnown ? spec : retriedPart(spec, earlier);
    if (typeof part === 'string') {
      return { obstacle: { condition: 'Accepted', patience: 'Final', reason: 'NothingToRetry', message: part } };
    }
    const deadLettersOf = spec.trigger.only === 'Dead' ? earlier : undefined;
    return { acceptance: await storeRun(run, part, secret, deadLettersOf, signal) };
  }

  /**
   * PostgreSQL does not know a run any more that it had accepted: the run gets a row again, which is stopped at once, so
   * that it ends as any stopped run does. Its results are gone: see docs/decisions/0016-lost-data.md.
   */
  async function acceptLost(
    run: CrawlRun,
    spec: CrawlRunSpec,
    signal: AbortSignal,
  ): Promise<{ readonly obstacle: StartObstacle } | undefined> {
    const secret = await ensureSecret(run, signal);
    if (typeof secret !== 'string') return { obstacle: secret };
    await storeRun(run, spec, secret, undefined, signal);
    await store.requestStop(run.metadata.uid, 'DataLost', signal);
    const message = 'PostgreSQL has lost the run and its results; it is ended';
    events.record(run, { type: 'Warning', reason: 'DataLost', action: 'StopRun', message });
    logger.error(logFields(run), 'run lost: PostgreSQL does not know it any more');
    return undefined;
  }

  /** The token in the run's Secret, which is made where it is missing. */
  async function ensureSecret(run: CrawlRun, signal: AbortSignal): Promise<string | StartObstacle> {
    const trust = await gateway.trust(signal);
    if ('trouble' in trust) {
      const message = `workers would not know the gateway: ${trust.trouble}`;
      return { condition: 'Accepted', patience: 'StartDeadline', reason: 'GatewayNotReady', message };
    }
    try {
      const secret = await ensureRunSecret(secrets, run, trust.authority, signal);
      if (secret.type === 'Ours') return secret.token;
      const { message } = secret;
      return { condition: 'Accepted', patience: 'StartDeadline', reason: 'SecretConflict', message };
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      return obstacleOfAnswer(error, 'Accepted', 'SecretRefused', "the Secret with the run's credentials");
    }
  }

  async function storeRun(
    run: CrawlRun,
    spec: CrawlRunSpec,
    token: string,
    deadLettersOf: CrawlRun | undefined,
    signal: AbortSignal,
  ): Promise<Acceptance> {
    const { causes } = spec.trigger;
    const scheduleUid = run.metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
    const acceptance = await store.acceptRun(
      {
        runId: run.metadata.uid,
        runDay: runDay(run),
        namespace: run.metadata.namespace,
        name: run.metadata.name,
        ...(scheduleUid === undefined ? {} : { scheduleUid }),
        image: spec.image ?? settings.crawlerImage,
        specVersion: SPEC_VERSION,
        specGeneration: run.metadata.generation ?? 0,
        spec,
        tokenHash: hashToken(token),
        ...(deadLettersOf ? { deadLettersOf: deadLettersOf.metadata.uid } : {}),
        ...(causes ? { causes } : {}),
      },
      signal,
    );
    if (acceptance === 'Created') logger.info(logFields(run), 'run accepted');
    credentialsCheckedAt.set(run.metadata.uid, performance.now());
    return acceptance;
  }

  /** The run whose dead letters or failed sources this one takes; undefined when it takes its start URLs. */
  function retriedRun(run: CrawlRun, { trigger }: CrawlRunSpec): CrawlRun | 'Unknown' | undefined {
    if (trigger.retryOf === undefined || trigger.only === 'All') return undefined;
    return runCache.get({ namespace: run.metadata.namespace, name: trigger.retryOf }) ?? 'Unknown';
  }

  /** Whether this process made sure of Secret and row a short while ago. */
  function credentialsChecked(run: CrawlRun): boolean {
    const checkedAt = credentialsCheckedAt.get(run.metadata.uid);
    return checkedAt !== undefined && performance.now() - checkedAt < CREDENTIALS_CHECK_MS;
  }

  /** Whether PostgreSQL once had it. */
  function acceptedBefore(run: CrawlRun): boolean {
    return isConditionTrue(run.status?.conditions, 'Accepted') || credentialsCheckedAt.has(run.metadata.uid);
  }

  return { accept, acceptLost, acceptedBefore, credentialsChecked };
}
