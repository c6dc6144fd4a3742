// The main thread's side of the heartbeat: it starts the thread, sends it the worker's state every second, and passes
// on the answers of the gateway.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import type { FromThread, HeartbeatStart, ToThread, WorkerStatus } from './heartbeat-messages.ts';
import type { WorkerActivity } from './worker.ts';

const STATUS_MS = 1_000;
/** How long the last heartbeat may take; a write is given up after 10 s. */
const END_MS = 12_000;

export type HeartbeatClient = {
  readonly activity: WorkerActivity;
  readonly setState: (state: Heartbeat['state']) => void;
  /** How many pages may be open at once now. */
  readonly setConcurrency: (pages: number) => void;
  /** Writes one last heartbeat with the state and ends the thread. */
  readonly end: (state: Heartbeat['state']) => Promise<void>;
};

export function startHeartbeat(
  start: HeartbeatStart,
  on: {
    readonly answer: (answer: HeartbeatAnswer) => void;
    /** The thread has logged it. */
    readonly line: (line: string) => void;
    /** The thread has died: without heartbeats the worker would lose its leases unseen. */
    readonly died: (error: Error) => void;
  },
): HeartbeatClient {
  const thread = new Worker(new URL('./heartbeat-thread.ts', import.meta.url), { workerData: start });
  const pages = new Set<string>();
  let state: Heartbeat['state'] = 'Initialising';
  let concurrency = 0;
  let progress = 0;
  let errors = 0;
  let activeAt = performance.now();
  let ending = false;

  function statusNow(): WorkerStatus {
    const [currentUrl] = pages;
    const idleMs = Math.round(performance.now() - activeAt);
    const status = { state, pagesInFlight: pages.size, concurrency, idleMs, errors, progress };
    return currentUrl === undefined ? status : { ...status, currentUrl };
  }

  function send(type: ToThread['type']): void {
    thread.postMessage({ type, status: statusNow() } satisfies ToThread);
  }

  function progressed(): void {
    progress++;
    activeAt = performance.now();
  }

  const timer = setInterval(() => send('status'), STATUS_MS);
  // `node --watch` sends messages of its own this way: which files the thread has loaded.
  thread.on('message', (message: FromThread | { readonly type?: undefined }) => {
    if (message.type === 'answer') on.answer(message.answer);
    else if (message.type === 'line') on.line(message.line);
  });
  thread.on('error', on.died);
  thread.on('exit', (code) => {
    if (!ending) on.died(new Error(`the heartbeat thread has ended with code ${code}`));
  });

  return {
    activity: {
      progress: progressed,
      pageBegan(url) {
        pages.add(url);
        progressed();
      },
      pageEnded(url) {
        pages.delete(url);
        progressed();
      },
      exception() {
        errors++;
      },
    },
    setState(next) {
      state = next;
      send('status');
    },
    setConcurrency(pages) {
      concurrency = pages;
    },
    async end(last) {
      clearInterval(timer);
      ending = true;
      state = last;
      const exited = once(thread, 'exit');
      send('end');
      await Promise.race([exited, sleep(END_MS)]);
      await thread.terminate();
    },
  };
}
