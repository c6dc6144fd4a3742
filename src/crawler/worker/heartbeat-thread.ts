// The worker's heartbeat, in a thread and on a connection of its own: it beats while the main thread parses, waits or
// hangs, and ends the process when that hangs for good.
import { parentPort, workerData } from 'node:worker_threads';
import type { Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { openGateway } from '../gateway/gateway-calls.ts';
import { createHeartbeatStore } from '../gateway/worker-store.ts';
import type { FromThread, HeartbeatStart, ToThread, WorkerStatus } from './heartbeat-messages.ts';
import { lastWord } from './kept-log.ts';
import { writeTerminationMessage } from './termination.ts';
import { createWatchdog } from './watchdog.ts';

const TICK_MS = 1_000;
/** How long the end of a worker that hangs may wait for that. */
const LAST_WORD_MS = 2_000;

if (parentPort === null) throw new Error('heartbeat-thread runs as a worker thread');
const port = parentPort;
const { config, intervalMs, stallMs, logLevel } = workerData as HeartbeatStart;
let lastLine = '';
const log = createLogger(
  'crawler',
  logLevel,
  { run: config.runId, worker: config.workerId },
  {
    write(line) {
      lastLine = line;
      port.postMessage({ type: 'line', line } satisfies FromThread);
    },
  },
);
const calls = openGateway(config.gateway);
const store = createHeartbeatStore({ calls, workerId: config.workerId });
const watchdog = createWatchdog({ tickMs: TICK_MS, stallMs });
const ended = new AbortController();

let status: WorkerStatus = {
  state: 'Initialising',
  pagesInFlight: 0,
  concurrency: 0,
  idleMs: 0,
  errors: 0,
  progress: 0,
};
let beating: Promise<void> | undefined;

function heartbeatOf({ progress: _, ...rest }: WorkerStatus): Heartbeat {
  return { ...rest, podName: config.podName, nodeName: config.nodeName, rssBytes: process.memoryUsage.rss() };
}

async function beat(): Promise<void> {
  try {
    const answer: HeartbeatAnswer = await store.beat(heartbeatOf(status), ended.signal);
    port.postMessage({ type: 'answer', answer } satisfies FromThread);
  } catch (error) {
    // The next one may get through; the crawl goes on as long as its leases last.
    if (!ended.signal.aborted) log.warn({ error: String(error) }, 'heartbeat was not written');
  }
}

/** One at a time: a slow gateway gets no queue of heartbeats. */
function beatSoon(): void {
  beating ??= beat().finally(() => {
    beating = undefined;
  });
}

function watch(): void {
  const reason = watchdog.tick();
  if (reason === undefined) return;
  log.fatal({ reason }, 'worker hangs');
  writeTerminationMessage('Stalled', reason);
  clearInterval(ticks);
  // Nothing less ends a process whose main thread does not come back.
  const kill = () => process.kill(process.pid, 'SIGKILL');
  setTimeout(kill, LAST_WORD_MS);
  void sendLastWord().then(kill, kill);
}

/** The main thread sends nothing of its log any more: why the worker ends is sent from here. */
async function sendLastWord(): Promise<void> {
  const part = await lastWord(lastLine);
  await calls.call('write-log', { workerId: config.workerId, part }, AbortSignal.timeout(LAST_WORD_MS));
}

async function end(last: WorkerStatus): Promise<void> {
  clearInterval(beats);
  clearInterval(ticks);
  await beating;
  status = last;
  await beat();
  ended.abort();
  await store.close();
  port.close();
}

const beats = setInterval(beatSoon, intervalMs);
const ticks = setInterval(watch, TICK_MS);
port.on('message', (message: ToThread) => {
  if (message.type === 'end') {
    void end(message.status);
    return;
  }
  // A new state is news that should not wait for the next beat.
  const isNews = message.status.state !== status.state;
  status = message.status;
  watchdog.report(status);
  if (isNews) beatSoon();
});
beatSoon();
