// The messages between the worker's main thread and its heartbeat thread.
import type { Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import type { LogLevel } from '../../telemetry/logger.ts';
import type { PageStage } from '../page-stage.ts';
import type { WorkerConfig } from './worker-config.ts';

/** A page under way. */
export type OpenPage = {
  readonly requestId: string;
  readonly leaseToken: string;
  readonly url: string;
  /** From 1. */
  readonly attempt: number;
  readonly stage: PageStage;
  /** When it entered the stage, in milliseconds since the epoch. */
  readonly since: number;
};

/** What the thread is started with. */
export type HeartbeatStart = {
  readonly config: WorkerConfig;
  readonly intervalMs: number;
  /** How long the worker may have pages open, or the output to be written, without any progress. */
  readonly stallMs: number;
  readonly logLevel: LogLevel;
  /** Of worked-page.ts. */
  readonly workedPage: SharedArrayBuffer;
};

/** Sent by the main thread every second; its absence is how a blocked main thread is noticed. */
export type WorkerStatus = Omit<Heartbeat, 'podName' | 'nodeName' | 'rssBytes' | 'stall'> & {
  /** Grows with every sign of progress. */
  readonly progress: number;
  /** Until the last place at a host that a page waits for has come; 0 when none does. */
  readonly waitMs: number;
  readonly open: readonly OpenPage[];
};

export type ToThread =
  | { readonly type: 'status'; readonly status: WorkerStatus }
  /** One last heartbeat, then the thread ends. */
  | { readonly type: 'end'; readonly status: WorkerStatus };

export type FromThread =
  | { readonly type: 'answer'; readonly answer: HeartbeatAnswer }
  /** A line that the thread has logged, for the log that is kept. */
  | { readonly type: 'line'; readonly line: string };
