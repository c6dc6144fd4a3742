// Kubernetes Events about our objects, as `kubectl describe` shows them: repeats counted, floods cut, never in the way.
import type { Logger } from '../telemetry/logger.ts';
import type { KubeApi } from './client.ts';
import type { KubeObject } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';

export interface EventRecorderOptions {
  api: KubeApi;
  /** Who reports, for example `trawler.dev/operator`. */
  controller: string;
  /** Which process reports: the pod's name. */
  instance: string;
  logger: Logger;
  metrics: KubeMetrics;
  /** Ends the recorder after what is queued has been sent, within a few seconds. */
  signal: AbortSignal;
}

export interface EventNote {
  type: 'Normal' | 'Warning';
  /** Why, in CamelCase: from a fixed list. */
  reason: string;
  /** What was done or tried, in CamelCase, for example `CreateRun`. */
  action: string;
  /** For people; cut at 1,024 bytes. */
  message: string;
}

export interface EventRecorder {
  /** Queues the event and returns at once; a failure to send is logged and counted, never thrown. */
  record(object: KubeObject, note: EventNote): void;
  /** Resolves when the signal was aborted and the queue is sent. */
  readonly done: Promise<void>;
}

export function createEventRecorder(_options: EventRecorderOptions): EventRecorder {
  throw new Error('not implemented');
}
