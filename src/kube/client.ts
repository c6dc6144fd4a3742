// The operator's one way to the API server: a shared connection pool, credentials, a rate limit, bounded retries.
import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from '../telemetry/logger.ts';
import type { KubeObject, ResourceType } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import type { ResourceClient } from './resource-client.ts';

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

export function createKubeApi(_config: KubeConfig, _options: KubeApiOptions): KubeApi {
  throw new Error('not implemented');
}
