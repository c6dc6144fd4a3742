// A process of many light workers for `npm run bench -- gateway`: each speaks the real protocol over connections of its own, and
// crawls nothing. A page takes a while, and gives one link, or none.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openGateway } from '../../../src/crawler/gateway/gateway-calls.ts';
import { createHeartbeatStore, createWorkerStore } from '../../../src/crawler/gateway/worker-store.ts';
import { MAX_WAIT_MS, type WorkerCalls } from '../../../src/gateway/protocol/calls.ts';
import { StoreError } from '../../../src/gateway/protocol/store-error.ts';
import type { Claim, Discovery, Heartbeat, WorkerStore } from '../../../src/gateway/protocol/worker-store.ts';
import { openDatabaseCalls } from '../../support/database-calls.ts';
import { processorSeconds } from '../process-usage.ts';

export type LightWorker = {
  readonly gatewayUrl: string;
  readonly token: string;
  readonly workerId: string;
  /** Which of the gateways it is, for the way that a wake-up takes. */
  readonly gateway: number;
};

export type LightWork = {
  readonly workers: readonly LightWorker[];
  /** Requests of one claim. */
  readonly slots: number;
  /** How long pages take, from and to, in milliseconds. */
  readonly pageMs: readonly [number, number];
  /** Whether each page has a link to one that nobody knows. */
  readonly hasLinks: boolean;
  readonly heartbeatMs: number;
  /** Instead of gateways: each worker asks PostgreSQL itself, over a connection of its own. */
  readonly database?: { readonly databaseUrl: string; readonly schema: string };
};

/** Times are milliseconds. */
export type LightReport = {
  readonly seconds: number;
  readonly calls: number;
  readonly pages: number;
  /** Of claims that brought something, without the time for which the gateway held them. */
  readonly claimMs: number[];
  /** From the commit that is sent to the claim of its link that is answered; by the gateway that both went through, or by two. */
  readonly wakeMs: number[];
  readonly wakeByOtherMs: number[];
  /** Each commit that was answered. */
  readonly commits: Commit[];
  /** What calls were refused with, by message. */
  readonly errors: Record<string, number>;
  readonly cpuS: number;
};

/** `pages`: those of this worker since it began. `at`: by sharedNow, when the answer came. */
export type Commit = { readonly workerId: string; readonly pages: number; readonly at: number };

export type LightWorkers = {
  /** Forgets what was measured so far. */
  measure(): void;
  /** What was measured, when all workers have ended. */
  end(): Promise<LightReport>;
};

/** Starts them in a process of their own. */
export function startLightWorkers(work: LightWork): LightWorkers {
  const child = fork(fileURLToPath(import.meta.url));
  child.send(work);
  return {
    measure: () => void child.send('measure'),
    async end() {
      child.send('end');
      const [report] = await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => Promise.reject(new Error('a process of light workers ended early'))),
      ]);
      return report as LightReport;
    },
  };
}

type Measures = Omit<LightReport, 'seconds' | 'cpuS'> & {
  calls: number;
  pages: number;
  since: number;
  cpuAtStart: number;
};

let measures: Measures;

async function startMeasuring(): Promise<void> {
  measures = {
    ...{ calls: 0, pages: 0, claimMs: [], wakeMs: [], wakeByOtherMs: [], commits: [], errors: {} },
    ...{ since: performance.now(), cpuAtStart: await processorSeconds(process.pid) },
  };
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  await startMeasuring();
  const ended = new AbortController();
  let working: Promise<unknown> | undefined;
  process.on('message', async (message: LightWork | 'measure' | 'end') => {
    if (message === 'measure') await startMeasuring();
    else if (message !== 'end')
      working = Promise.all(message.workers.map((worker) => live(worker, message, ended.signal)));
    else {
      const { since, cpuAtStart, ...measured } = measures;
      const seconds = (performance.now() - since) / 1_000;
      const report = { ...measured, seconds, cpuS: (await processorSeconds(process.pid)) - cpuAtStart };
      ended.abort();
      await working;
      process.send?.(report, () => process.disconnect());
    }
  });
}

/** The machine's clock of all of its processes, in milliseconds. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Beats and works until the signal is aborted. */
async function live(worker: LightWorker, work: LightWork, signal: AbortSignal): Promise<void> {
  const { workerId } = worker;
  const store = createWorkerStore({ workerId, waitMs: MAX_WAIT_MS, calls: measured(openCalls(worker, work)) });
  const heartbeats = createHeartbeatStore({ workerId, calls: measured(openCalls(worker, work)) });
  const beat = async () => {
    await delay(Math.random() * work.heartbeatMs, undefined, { signal });
    for (;;) {
      await heartbeats.beat(heartbeatOf(workerId), signal);
      await delay(work.heartbeatMs, undefined, { signal });
    }
  };
  let pages = 0;
  const crawl = async () => {
    for (;;) {
      const committed = await step(store, worker, work, signal);
      pages += committed;
      measures.pages += committed;
      if (committed > 0) measures.commits.push({ workerId, pages, at: sharedNow() });
    }
  };
  await Promise.all([untilAborted(beat, signal), untilAborted(crawl, signal)]);
  await Promise.all([store.close(), heartbeats.close()]);
}

function openCalls({ gatewayUrl: url, token }: LightWorker, { database }: LightWork): WorkerCalls {
  if (database === undefined) return openGateway({ url, token });
  return openDatabaseCalls({ ...database, token, applicationName: 'light-worker' });
}

/** Begins anew after what the gateway refuses. */
async function untilAborted(run: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await run();
    } catch (error) {
      if (signal.aborted) return;
      // A heartbeat gives up after ten seconds, and the next one may get through.
      const isLate = error instanceof Error && error.name === 'TimeoutError';
      if (!(error instanceof StoreError || isLate)) throw error;
      measures.errors[error.message] = (measures.errors[error.message] ?? 0) + 1;
      await delay(100);
    }
  }
}

/** Resolves with the pages that were committed. */
async function step(store: WorkerStore, worker: LightWorker, work: LightWork, signal: AbortSignal): Promise<number> {
  const result = await store.claim(work.slots, signal);
  if (result.state === 'Wait') {
    await delay(result.retryInMs, undefined, { signal });
    return 0;
  }
  if (result.state !== 'Claimed') throw new Error(`a run is ${result.state} that goes on for ever`);
  for (const claim of result.claims) noteWake(claim, worker);
  const [least, most] = work.pageMs;
  await delay(least + Math.random() * (most - least), undefined, { signal });
  const outcomes = result.claims.map((claim) => ({
    ...{ claim, type: 'done' as const, items: [{ payload: 'x'.repeat(440) }] },
    links: work.hasLinks ? [linkOf(claim, worker)] : [],
  }));
  return (await store.commit(outcomes, signal)).size;
}

/** Carries when it was found, and by which gateway it was told. */
function linkOf({ source, host, depth }: Claim, { gateway, workerId }: LightWorker): Discovery {
  const url = `http://${host}/${workerId}?at=${sharedNow()}&by=${gateway}`;
  return { source, host, url, depth: depth + 1 };
}

function noteWake({ url }: Claim, { gateway }: LightWorker): void {
  const { searchParams } = new URL(url);
  const at = searchParams.get('at');
  if (at === null) return;
  const wakes = searchParams.get('by') === String(gateway) ? measures.wakeMs : measures.wakeByOtherMs;
  wakes.push(sharedNow() - Number(at));
}

/** Counts calls, and how long claims take that bring something. */
function measured(calls: WorkerCalls): WorkerCalls {
  return {
    async call(name, request, signal) {
      const began = performance.now();
      measures.calls++;
      const answer = await calls.call(name, request, signal);
      if (typeof answer === 'object' && answer !== null && 'heldMs' in answer && typeof answer.heldMs === 'number') {
        measures.claimMs.push(performance.now() - began - answer.heldMs);
      }
      return answer;
    },
    close: () => calls.close(),
  };
}

function heartbeatOf(workerId: string): Heartbeat {
  return {
    ...{ state: 'Crawling', podName: `bench-${workerId}`, nodeName: 'bench', pagesInFlight: 0, concurrency: 2 },
    ...{ idleMs: Math.round(performance.now()), rssBytes: 100_000_000, errors: 0 },
  };
}
