// How a worker is stopped: first politely, then for good. SIGTERM and SIGINT, the heartbeat's answer and the end of the
// run all come together here.
import { LOG_EVENTS } from '../../telemetry/log-events.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { WorkerSignals } from './work-end.ts';

/** Time for pages under way, in milliseconds; terminationGracePeriodSeconds (150) leaves room for the rest. */
const FINISH_MS = 90_000;
/** Time for the last commit when pages have been given up. */
const COMMIT_MS = 20_000;

export type Shutdown = {
  readonly signals: WorkerSignals;
  /** Stops politely; the first reason stays. */
  readonly stop: (reason: string) => void;
  /** Gives pages under way up, too. */
  readonly abandon: (reason: string) => void;
  readonly reason: () => string | undefined;
  /** Takes the signal handlers and timers away. */
  readonly dispose: () => void;
};

export function installShutdown(log: Logger): Shutdown {
  const stopping = new AbortController();
  const abort = new AbortController();
  const quit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let reason: string | undefined;

  function later(ms: number, action: () => void): void {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  }

  function stop(why: string): void {
    reason ??= why;
    if (stopping.signal.aborted) return;
    stopping.abort(new Error(why));
    later(FINISH_MS, () => abandon('pages under way took too long'));
  }

  function abandon(why: string): void {
    stop(why);
    if (abort.signal.aborted) return;
    abort.abort(new Error(why));
    later(COMMIT_MS, () => quit.abort(new Error('the last commit took too long')));
  }

  /** The first signal stops, the second gives up what is under way, the third the last commit. */
  function onSignal(signal: NodeJS.Signals): void {
    log.info({ signal }, LOG_EVENTS.shutdownSignal.message);
    if (abort.signal.aborted) quit.abort(new Error(signal));
    else if (stopping.signal.aborted) abandon(signal);
    else stop(signal);
  }

  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    signals: { stopping: stopping.signal, abort: abort.signal, quit: quit.signal },
    stop,
    abandon,
    reason: () => reason,
    dispose() {
      clearTimeout(timer);
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}
