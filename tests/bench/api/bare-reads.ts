// What the readers ask for, without the API: the same queries straight to PostgreSQL and to the API server of Kubernetes.
import { CRAWL_RUNS, type CrawlRun } from '../../../src/custom-resources/types.ts';
import { createKubeApi } from '../../../src/kube/client.ts';
import { loadKubeConfig } from '../../../src/kube/kube-config.ts';
import { createKubeMetrics } from '../../../src/kube/metrics.ts';
import { createServerStore } from '../../../src/store/server-store.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { createRegistry } from '../../../src/telemetry/metrics.ts';
import { NAMESPACE } from './data.ts';

export const KINDS = ['items', 'latestItem', 'runs', 'run', 'executions'] as const;
export type Kind = (typeof KINDS)[number];
export type Read = { readonly kind: Kind; readonly run: string };
export const PAGE = 50;

/** Where a bare server answers it. */
export function barePath(read: Read): string {
  return `/?${new URLSearchParams(read)}`;
}

export type BareSources = { readonly databaseUrl: string; readonly kubeconfig: string; readonly poolSize: number };

export type BareReads = { read(read: Read): Promise<unknown>; close(): Promise<void> };

export function createBareReads({ databaseUrl, kubeconfig, poolSize }: BareSources): BareReads {
  const store = createServerStore({ databaseUrl, schema: 'trawler', poolSize });
  const logger = createLogger('bench', 'fatal');
  const metrics = createKubeMetrics(createRegistry());
  const api = createKubeApi(loadKubeConfig(kubeconfig), { logger, metrics, qps: 1e6, burst: 1e6 });
  const runs = api.resource<CrawlRun>(CRAWL_RUNS);
  const { signal } = new AbortController();
  return {
    async read({ kind, run }) {
      switch (kind) {
        case 'items':
          return store.items({ namespace: NAMESPACE, run, limit: PAGE }, signal);
        case 'latestItem':
          return store.items({ namespace: NAMESPACE, limit: 1 }, signal);
        case 'runs':
          return runs.list({ namespace: NAMESPACE, limit: PAGE, signal });
        case 'run':
          return runs.get({ namespace: NAMESPACE, name: run }, { signal });
        case 'executions':
          return store.executions({ namespace: NAMESPACE, limit: PAGE }, signal);
      }
    },
    close: async () => void (await Promise.all([store.close(), api.close()])),
  };
}
