// The messages between the worker's main thread and its heartbeat thread.
import type { Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import type { LogLevel } from '../../telemetry/logger.ts';
import type { WorkerConfig } from './worker-config.ts';

/** What the thread is started with. */
export type HeartbeatStart = {
  readonly config: WorkerConfig;
  readonly intervalMs: number;
  /** How long the worker may have pages open without any progress. */
  readonly stallMs: number;
  readonly logLevel: LogLevel;
};

/** Sent by the main thread every second; its absence is how a blocked main thread is noticed. */
export type WorkerStatus = Omit<Heartbeat, 'podName' | 'nodeName' | 'rssBytes'> & {
  /** Grows with every sign of progress. */
  readonly progress: number;
};

export type ToThread =
  | { readonly type: 'status'; readonly status: WorkerStatus }
  /** One last heartbeat, then the thread ends. */
  | { readonly type: 'end'; readonly status: WorkerStatus };

export type FromThread =
  | { readonly type: 'answer'; readonly answer: HeartbeatAnswer }
  /** A line that the thread has logged, for the log that is kept. */
  | { readonly type: 'line'; readonly line: string };
