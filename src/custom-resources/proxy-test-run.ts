// The run that tries the proxy of a schedule out: one document, asked in the pods and with the Secret that the schedule's runs have. Pure.
import { controllerReference, type NewObject } from '../kube/kube-object.ts';
import type { CrawlRunSpecInput } from '../resources/crawl-run.ts';
import { defined } from '../resources/defined.ts';
import { runName } from '../resources/names.ts';
import type { CrawlRun, CrawlSchedule } from './types.ts';

/** Name of its only source. */
export const PROXY_TEST = 'proxy-test';

/** Above every run of a schedule whose priority nobody has raised: somebody waits for the answer. */
const PRIORITY = 1_000;
const TIMEOUT_SECONDS = 300;
const KEPT_SECONDS = 3_600;

/** What is asked by the proxy when nothing is named: the first start URL; undefined where there is none. */
export function firstStartUrl({ spec }: CrawlSchedule): string | undefined {
  return spec.runTemplate.spec.sources.find(({ active, urls = [] }) => active !== false && urls.length > 0)?.urls?.[0];
}

/**
 * Undefined for a schedule without a proxy. It goes with its schedule and is none of its runs: it is in no slot's way, tells no
 * webhook, and nothing is compared with it. Headers of the spec are left out, which are for the schedule's own hosts.
 */
export function proxyTestRun(schedule: CrawlSchedule, url: string, now: Date): NewObject<CrawlRun> | undefined {
  const { proxy, image, pod, fetch = {} } = schedule.spec.runTemplate.spec;
  if (proxy === undefined) return undefined;
  const { userAgent, caSecretRef, insecureSkipTlsVerify, pageTimeout } = fetch;
  const kept = { userAgent, caSecretRef, insecureSkipTlsVerify, pageTimeout };
  const { name, namespace } = schedule.metadata;
  const owner = { ...controllerReference(schedule), controller: false, blockOwnerDeletion: false };
  const spec: CrawlRunSpecInput = {
    sources: [{ name: PROXY_TEST, urls: [url], scope: { mode: 'Page' } }],
    proxy: { ...proxy, mode: 'Always' },
    fetch: { ...defined(kept), render: 'HTTP', maxRetries: 0 },
    politeness: { robots: 'Ignore' },
    limits: { maxPages: 1, maxDepth: 0 },
    extract: { fields: [{ name: 'text', selector: 'body' }] },
    ...defined({ image, pod }),
    priority: PRIORITY,
    timeoutSeconds: TIMEOUT_SECONDS,
    ttlSecondsAfterFinished: KEPT_SECONDS,
    trigger: { type: 'Manual', only: 'All' },
  };
  return { metadata: { name: `${runName(name, now)}-${PROXY_TEST}`, namespace, ownerReferences: [owner] }, spec };
}

export function isProxyTest({ spec }: CrawlRun): boolean {
  return spec.sources.length === 1 && spec.sources[0]?.name === PROXY_TEST && spec.proxy !== undefined;
}
