// The main thread's side of the heartbeat: it starts the thread, sends it the worker's state every second, and passes
// on the answers of the gateway.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Claim, Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import type { PageStage } from '../page-stage.ts';
import type { FromThread, HeartbeatStart, OpenPage, ToThread, WorkerStatus } from './heartbeat-messages.ts';
import { sharedPage, writeWorkedPage } from './worked-page.ts';
import type { WorkerActivity } from './worker.ts';

const STATUS_MS = 1_000;
/** How long the last heartbeat may take; a write is given up after 10 s. */
const END_MS = 12_000;

export type HeartbeatClient = {
  readonly activity: WorkerActivity;
  /** A page waits so many milliseconds for its place at a host. */
  readonly waits: (ms: number) => void;
  readonly setState: (state: Heartbeat['state']) => void;
  /** How many pages may be open at once now. */
  readonly setConcurrency: (pages: number) => void;
  /** Writes one last heartbeat with the state and ends the thread. */
  readonly end: (state: Heartbeat['state']) => Promise<void>;
};

export function startHeartbeat(
  start: Omit<HeartbeatStart, 'workedPage'>,
  on: {
    readonly answer: (answer: HeartbeatAnswer) => void;
    /** The thread has logged it. */
    readonly line: (line: string) => void;
    /** The thread has died: without heartbeats the worker would lose its leases unseen. */
    readonly died: (error: Error) => void;
  },
): HeartbeatClient {
  const memory = sharedPage();
  const workerData = { ...start, workedPage: memory } satisfies HeartbeatStart;
  const thread = new Worker(new URL('./heartbeat-thread.ts', import.meta.url), { workerData });
  const worked = writeWorkedPage(memory);
  const pages = new Map<string, OpenPage>();
  let state: Heartbeat['state'] = 'Initialising';
  let concurrency = 0;
  let progress = 0;
  let errors = 0;
  let activeAt = performance.now();
  let waitsUntil = activeAt;
  let ending = false;

  function statusNow(): WorkerStatus {
    const open = [...pages.values()];
    const now = performance.now();
    const waitMs = Math.max(0, waitsUntil - now);
    const status = { state, pagesInFlight: open.length, concurrency, errors, progress, waitMs, open };
    const currentUrl = open[0]?.url;
    return { ...status, idleMs: Math.round(now - activeAt), ...(currentUrl === undefined ? {} : { currentUrl }) };
  }

  function send(type: 'status' | 'end'): void {
    thread.postMessage({ type, status: statusNow() } satisfies ToThread);
  }

  function entered({ requestId, leaseToken, url, attempt }: Claim, stage: PageStage): void {
    const page = { requestId, leaseToken, url, attempt, stage, since: Date.now() };
    pages.set(requestId, page);
    worked.entered(page);
    progressed();
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
      pageBegan: (claim) => entered(claim, 'Admission'),
      pageEntered: entered,
      pageEnded({ requestId }) {
        pages.delete(requestId);
        worked.ended(requestId);
        progressed();
      },
      exception() {
        errors++;
      },
    },
    waits(ms) {
      waitsUntil = Math.max(waitsUntil, performance.now() + ms);
    },
    setState(next) {
      // The last heartbeat says how it ended: what is learnt after that is no news.
      if (ending) return;
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
