// The worker's heartbeat, in a thread and on a connection of its own: it beats while the main thread parses, waits or
// hangs, and ends the process when that hangs for good.
import { parentPort, workerData } from 'node:worker_threads';
import type { Heartbeat, HeartbeatAnswer } from '../../gateway/protocol/worker-store.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { openGateway } from '../gateway/gateway-calls.ts';
import { createHeartbeatStore } from '../gateway/worker-store.ts';
import type { FromThread, HeartbeatStart, OpenPage, ToThread, WorkerStatus } from './heartbeat-messages.ts';
import { hungOutcomes, hungPages, stallMessage } from './hung-pages.ts';
import { lastWord } from './kept-log.ts';
import { logBindings } from './log-bindings.ts';
import { writeTerminationMessage } from './termination.ts';
import { createWatchdog } from './watchdog.ts';
import { readWorkedPage } from './worked-page.ts';

const TICK_MS = 1_000;
/** How long the end of a worker that hangs may wait for that. */
const LAST_WORD_MS = 5_000;

if (parentPort === null) throw new Error('heartbeat-thread runs as a worker thread');
const port = parentPort;
const { config, intervalMs, stallMs, logLevel, workedPage } = workerData as HeartbeatStart;
let lastLine = '';
const log = createLogger('crawler', logLevel, logBindings(config), {
  write(line) {
    lastLine = line;
    port.postMessage({ type: 'line', line } satisfies FromThread);
  },
});
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
  waitMs: 0,
  open: [],
};
let beating: Promise<void> | undefined;
/** There is news that the heartbeat under way does not carry. */
let hasMoreNews = false;

function heartbeatOf({ progress: _, waitMs: _waitMs, open: _open, ...rest }: WorkerStatus): Heartbeat {
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
    if (hasMoreNews) beatSoon();
    hasMoreNews = false;
  });
}

function watch(): void {
  const stall = watchdog.tick();
  if (stall === undefined) return;
  const hung = hungPages(status.open, readWorkedPage(workedPage), stall);
  const reason = stallMessage(stall, hung);
  log.fatal({ reason }, 'worker hangs');
  writeTerminationMessage('Stalled', reason);
  clearInterval(ticks);
  // Nothing less ends a process whose main thread does not come back.
  const kill = () => process.kill(process.pid, 'SIGKILL');
  setTimeout(kill, LAST_WORD_MS);
  void sendLastWords(reason, hung).then(kill);
}

/** The main thread does not come back: from here the pages count a try, and it is said why the worker ends. */
async function sendLastWords(stall: string, hung: readonly OpenPage[]): Promise<void> {
  const { workerId } = config;
  const signal = AbortSignal.timeout(LAST_WORD_MS);
  const currentUrl = hung[0]?.url;
  const last = { ...heartbeatOf(status), ...(currentUrl === undefined ? {} : { currentUrl }), stall };
  const outcomes = hungOutcomes(hung);
  await Promise.allSettled([
    store.beat(last, signal),
    outcomes.length > 0 && calls.call('commit', { workerId, outcomes, links: null, server: null }, signal),
    lastWord(lastLine).then((part) => calls.call('write-log', { workerId, part }, signal)),
  ]);
}

async function end(last: WorkerStatus): Promise<void> {
  clearInterval(beats);
  clearInterval(ticks);
  hasMoreNews = false;
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
  if (!isNews) return;
  hasMoreNews = beating !== undefined;
  beatSoon();
});
beatSoon();
