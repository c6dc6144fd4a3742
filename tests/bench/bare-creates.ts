// What the API server itself takes for the objects of many runs: the same CrawlRuns, Secrets and Jobs, created by a client
// that does nothing else. No operator can be faster than this on the same machine.

import { CRAWL_RUNS, type CrawlRun } from '../../src/custom-resources/types.ts';
import { JOBS, type Job, SECRETS, type Secret } from '../../src/kube/builtin-types.ts';
import type { KubeApi } from '../../src/kube/client.ts';
import type { KubeObject, NewObject, ResourceType } from '../../src/kube/kube-object.ts';
import { inParallel } from './in-parallel.ts';

/** Requests under way at once, as the operator has them. */
const CONCURRENCY = 32;

/** Seconds until the last of `count` CrawlRuns is there, and then the last of their Secrets and Jobs. They are deleted again. */
export async function bareCreates(
  api: KubeApi,
  namespaces: readonly string[],
  count: number,
  signal: AbortSignal,
): Promise<{ runs: number; jobs: number }> {
  const lists = namespaces.map((namespace) => ({ namespace, signal }));
  const first = async <T extends KubeObject>(type: ResourceType) =>
    (await Promise.all(lists.map((list) => api.resource<T>(type).list({ ...list, limit: 1 })))).flatMap(
      ({ items }) => items,
    )[0];
  const [run, secret, job] = [await first<CrawlRun>(CRAWL_RUNS), await first<Secret>(SECRETS), await first<Job>(JOBS)];
  if (!run || !secret || !job) throw new Error('there is no run, Secret or Job to take as a model');
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1_000;
  await inParallel(count, CONCURRENCY, (n) => create<CrawlRun>(api, CRAWL_RUNS, like(run, namespaces, n), signal));
  const runs = elapsed();
  await inParallel(count, CONCURRENCY, async (n) => {
    await create<Secret>(api, SECRETS, like(secret, namespaces, n), signal);
    await create<Job>(api, JOBS, like(withoutSelector(job), namespaces, n), signal);
  });
  const seconds = { runs, jobs: elapsed() };
  await inParallel(count, CONCURRENCY, async (n) => {
    const ref = { namespace: namespaceOf(namespaces, n), name: `bare-${n}` };
    for (const type of [CRAWL_RUNS, SECRETS, JOBS]) {
      await api.resource(type).delete(ref, { propagationPolicy: 'Background', signal });
    }
  });
  return seconds;
}

function namespaceOf(namespaces: readonly string[], n: number): string {
  return namespaces[n % namespaces.length] ?? 'default';
}

function create<T extends KubeObject>(api: KubeApi, type: ResourceType, object: NewObject<T>, signal: AbortSignal) {
  return api.resource<T>(type).create(object, { signal });
}

/** Owned by nobody, so that nobody collects it. */
function like<T extends KubeObject>(model: T, namespaces: readonly string[], n: number): NewObject<T> {
  const { metadata, status: _, ...rest } = model as T & { status?: object };
  const { labels = {}, annotations = {} } = metadata;
  return {
    ...rest,
    metadata: { namespace: namespaceOf(namespaces, n), name: `bare-${n}`, labels, annotations },
  } as unknown as NewObject<T>;
}

/** Suspended, and without what the API server has given it: selector and labels that name its UID. */
function withoutSelector(job: Job): Job {
  const { selector: _, template, ...spec } = { ...job.spec } as Record<string, unknown>;
  const { spec: pod } = template as { spec: object };
  return { ...job, spec: { ...spec, suspend: true, template: { metadata: {}, spec: pod } } } as unknown as Job;
}
