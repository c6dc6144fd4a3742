// The operator's one way to the API server: a shared connection pool, credentials, a rate limit, bounded retries.
import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from '../telemetry/logger.ts';
import { connect } from './connection.ts';
import type { KubeObject, ResourceType } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import { createResourceClient, type ResourceClient } from './resource-client.ts';
import { createTokenBucket } from './token-bucket.ts';
import { createTransport } from './transport.ts';

export interface KubeApiOptions {
  logger: Logger;
  metrics: KubeMetrics;
  /** Requests a second that may be sent for long; see DEFAULT_RATE for the reason of the default. */
  qps?: number;
  /** Requests that may be sent at once after a quiet time. */
  burst?: number;
}

export interface KubeApi {
  /** `rateLimited: false` is for leases: a queue of other requests must never cost the leadership. */
  resource<T extends KubeObject>(type: ResourceType, options?: { rateLimited?: boolean }): ResourceClient<T>;
  /** Ends idle connections and waits for requests in flight. */
  close(): Promise<void>;
}

/**
 * A ceiling for a loop gone wrong, not a way to share the API server: its own priority and fairness does that better.
 * So it is far above what Trawler needs even when a thousand schedules are due in the same second.
 */
export const DEFAULT_RATE = { qps: 500, burst: 4_000 };

export function createKubeApi(config: KubeConfig, options: KubeApiOptions): KubeApi {
  const connection = connect(config);
  const limit = createTokenBucket({
    perSecond: options.qps ?? DEFAULT_RATE.qps,
    burst: options.burst ?? DEFAULT_RATE.burst,
  });
  const transport = createTransport(connection, limit, options);
  return {
    resource: (type, { rateLimited = true } = {}) => createResourceClient(transport, type, { rateLimited }),
    close: () => connection.close(),
  };
}
