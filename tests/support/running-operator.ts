// The operator in the test's own process, on a control plane and a PostgreSQL of the test's.

import { KubeConfig } from '@kubernetes/client-node';
import type { GatewaySettings } from '#src/controllers/gateway/gateway.ts';
import type { MaintenanceSettings } from '#src/controllers/maintenance.ts';
import { createOperatorMetrics, type OperatorMetrics } from '#src/controllers/metrics.ts';
import { type OperatorOptions, runOperator } from '#src/controllers/operator.ts';
import { createKubeApi, type KubeApi } from '#src/kube/client.ts';
import { actingAs } from '#src/kube/kube-config.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import type { OperatorStore } from '#src/store/operator-store.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { JOB_SETTINGS } from './job-settings.ts';

/** The gateway as operators of tests know it; none is there. */
export const GATEWAY: GatewaySettings = {
  url: JOB_SETTINGS.gatewayUrl,
  tls: { source: 'Managed', secretName: 'trawler-gateway-tls' },
  loginSecretName: 'trawler-gateway-login',
};

/** As the chart sets it. */
export const MAINTENANCE: MaintenanceSettings = {
  schedule: '0 2 * * *',
  timeZone: 'Etc/UTC',
  retentionDays: 30,
  historyDays: 400,
  logDays: 30,
};

export type RunningOperator = {
  readonly store: OperatorStore;
  readonly metrics: OperatorMetrics;
  /** Ends it as SIGTERM does, once. */
  stop(): Promise<void>;
};

/** One at a time on a control plane, since they share a Lease. */
export function startOperator(
  kubeconfigPath: string,
  databaseUrl: string,
  options: Partial<OperatorOptions> = {},
): RunningOperator {
  const ending = new AbortController();
  const logger = createLogger('operator-test', 'fatal');
  const api = connect(kubeconfigPath);
  const metrics = createOperatorMetrics(createRegistry());
  const store = createOperatorStore({ databaseUrl, schema: 'trawler', logger });
  const done = runOperator({
    ...{ api, store, logger, migrate: true, limits: {}, maintenance: MAINTENANCE, reconcilers: 8 },
    metrics,
    settings: JOB_SETTINGS,
    gateway: GATEWAY,
    namespace: 'default',
    identity: 'operator',
    signal: ending.signal,
    ...options,
  });
  return {
    store,
    metrics,
    stop: async () => {
      if (ending.signal.aborted) return;
      ending.abort(new Error('the test is over'));
      await done;
      await Promise.all([api.close(), store.close()]);
    },
  };
}

/** A client of the control plane, as administrator or with the rights of another user. */
export function connect(kubeconfigPath: string, user?: string): KubeApi {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  return createKubeApi(user === undefined ? config : actingAs(config, user), {
    logger: createLogger('client-test', 'fatal'),
    metrics: createKubeMetrics(createRegistry()),
  });
}
