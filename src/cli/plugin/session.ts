// What each command begins with: the options that all have, the kubeconfig, and a way to the API server.

import type { Command } from 'commander';
import {
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlRun,
  type CrawlSchedule,
  isFinished,
} from '../../custom-resources/types.ts';
import { SELF_SUBJECT_REVIEWS, type SelfSubjectReview } from '../../kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '../../kube/client.ts';
import { actingAs, loadKubeConfig } from '../../kube/kube-config.ts';
import { createKubeMetrics } from '../../kube/metrics.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { createRegistry } from '../../telemetry/metrics.ts';

/** What went wrong, for the person at the terminal. */
export class UsageError extends Error {}

export type Global = {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly as?: string;
  readonly json?: boolean;
};

export type Session = { readonly api: KubeApi; readonly namespace: string; readonly signal: AbortSignal };

/** Those of the program, wherever on the line they stand. */
export function globalOptions(command: Command): Global {
  return command.optsWithGlobals<Global>();
}

export function readKubeConfig({ kubeconfig, context }: Global) {
  try {
    const config = loadKubeConfig(kubeconfig);
    if (context !== undefined) config.setCurrentContext(context);
    return config;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** That of the context when none is given. */
export function namespaceOf(options: Global): string {
  if (options.namespace !== undefined) return options.namespace;
  const config = readKubeConfig(options);
  return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}

export async function withSession<T>(options: Global, work: (session: Session) => Promise<T>): Promise<T> {
  const config = readKubeConfig(options);
  const context = config.getContextObject(config.getCurrentContext());
  if (!context) throw new UsageError(`no context named ${config.getCurrentContext()} in the kubeconfig`);
  const api = createKubeApi(options.as === undefined ? config : actingAs(config, options.as), {
    logger: createLogger('kubectl-trawler', 'fatal'),
    metrics: createKubeMetrics(createRegistry()),
  });
  try {
    const namespace = options.namespace ?? context.namespace ?? 'default';
    return await work({ api, namespace, signal: untilInterrupted() });
  } finally {
    await api.close();
  }
}

/** Aborted by Ctrl-C. */
export function untilInterrupted(): AbortSignal {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort(new UsageError('interrupted')));
  return interrupted.signal;
}

export async function findSchedule(
  { api, namespace, signal }: Session,
  name: string,
): Promise<[CrawlSchedule, CrawlScheduleSpec]> {
  const schedule = await api.resource<CrawlSchedule>(CRAWL_SCHEDULES).get({ namespace, name }, { signal });
  if (!schedule) throw new UsageError(`there is no CrawlSchedule "${name}" in namespace ${namespace}`);
  return [schedule, crawlScheduleSpec.parse(schedule.spec)];
}

export async function findRun({ api, namespace, signal }: Session, name: string): Promise<CrawlRun> {
  const run = await api.resource<CrawlRun>(CRAWL_RUNS).get({ namespace, name }, { signal });
  if (!run) throw new UsageError(`there is no CrawlRun "${name}" in namespace ${namespace}`);
  return run;
}

/** Rejects with a UsageError for one that has ended: there is nothing to `action`. */
export async function findLiveRun(session: Session, name: string, action: string): Promise<CrawlRun> {
  const run = await findRun(session, name);
  if (!isFinished(run)) return run;
  throw new UsageError(`CrawlRun "${name}" has ended (${run.status?.phase}): nothing to ${action}`);
}

/** Who the API server takes us for. */
export async function userOf({ api, signal }: Session): Promise<string> {
  const review = await api
    .resource<SelfSubjectReview>(SELF_SUBJECT_REVIEWS)
    .create({ metadata: { name: 'me' } }, { signal });
  return review.status?.userInfo?.username ?? 'unknown';
}
