// What the cluster shows of a run, read for its explanation.
import { CLUSTER_EVENTS, type ClusterEvent, PODS, type Pod } from '../kube/builtin-types.ts';
import type { KubeApi } from '../kube/client.ts';
import { isForbidden, KubeError } from '../kube/kube-error.ts';
import { controllerOf } from '../kube/kube-object.ts';
import { LABEL } from '../resources/group.ts';
import type { RunEvidence } from './explain-run.ts';
import { CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from './types.ts';

/** About the run and its Job, which has its name, and warnings about its pods. Rejects with a KubeError. */
export async function readRunEvents(
  api: KubeApi,
  run: CrawlRun,
  signal: AbortSignal,
): Promise<readonly ClusterEvent[]> {
  const { uid, name, namespace } = run.metadata;
  const events = api.resource<ClusterEvent>(CLUSTER_EVENTS);
  const named = await events.list({ namespace, fieldSelector: `involvedObject.name=${name}`, signal });
  const warnings = await events.list({ namespace, fieldSelector: 'type=Warning', signal });
  const pods = await api.resource<Pod>(PODS).list({ namespace, labelSelector: `${LABEL.runUid}=${uid}`, signal });
  const podUids = new Set(pods.items.map(({ metadata }) => metadata.uid));
  return [
    ...named.items.filter(({ involvedObject }) => ['CrawlRun', 'Job'].includes(involvedObject.kind ?? '')),
    ...warnings.items.filter(({ involvedObject }) => podUids.has(involvedObject.uid ?? '')),
  ];
}

/** What may not be read is named, and the rest is read all the same. Rejects with a KubeError for all other trouble. */
export async function readRunEvidence(api: KubeApi, run: CrawlRun, signal: AbortSignal): Promise<RunEvidence> {
  const unread: string[] = [];
  async function allowed<T>(read: Promise<T>): Promise<T | undefined> {
    try {
      return await read;
    } catch (error) {
      if (!(error instanceof KubeError) || !isForbidden(error)) throw error;
      unread.push(error.message);
      return undefined;
    }
  }
  const { uid, namespace } = run.metadata;
  const selector = { namespace, labelSelector: `${LABEL.runUid}=${uid}`, signal };
  const pods = await allowed(api.resource<Pod>(PODS).list(selector));
  const warnings = { namespace, fieldSelector: 'type=Warning', signal };
  const events = await allowed(api.resource<ClusterEvent>(CLUSTER_EVENTS).list(warnings));
  const owner = controllerOf(run);
  const ref = { namespace, name: owner?.name ?? '' };
  const schedule = owner && (await allowed(api.resource<CrawlSchedule>(CRAWL_SCHEDULES).get(ref, { signal })));
  const about = new Set([uid, ...(pods?.items ?? []).map(({ metadata }) => metadata.uid)]);
  return {
    run,
    ...(schedule ? { schedule } : {}),
    pods: pods?.items ?? [],
    events: (events?.items ?? []).filter(({ involvedObject }) => about.has(involvedObject.uid ?? '')),
    unread,
  };
}
