// Why a worker stops, from polite to sudden: the process says so, every source refuses, the run is finished, or the store
// makes going on impossible.
import { StoreError } from '../../gateway/protocol/store-error.ts';

/** The stop reason of a worker that found out that no source lets itself be crawled. */
export const ALL_SOURCES_BLOCKED = 'Blocked';

export type WorkerSignals = {
  /** No page is begun any more; those under way are finished. */
  readonly stopping: AbortSignal;
  /** Pages under way are given up and released. */
  readonly abort: AbortSignal;
  /** The end of waiting for the database. */
  readonly quit: AbortSignal;
};

export class WorkEnd {
  /** As the process's own signals, and aborted as well by what is reported here. */
  readonly stopping: AbortSignal;
  readonly abort: AbortSignal;
  readonly #broken = new AbortController();
  readonly #finished = new AbortController();
  readonly #stopped = new AbortController();
  #reason: string | undefined;

  constructor(signals: WorkerSignals) {
    this.abort = AbortSignal.any([signals.abort, this.#broken.signal, this.#finished.signal]);
    this.stopping = AbortSignal.any([signals.stopping, this.#stopped.signal, this.abort]);
  }

  /** Why the worker stopped before the run was finished, unless the process's signals say so. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** No page is begun any more: claims that wait for their places are released. */
  stop(reason: string): void {
    this.#reason ??= reason;
    this.#stopped.abort(new Error(reason));
  }

  /** The run is finished: results of the pages under way have nowhere to go. */
  finish(): void {
    this.#finished.abort(new Error('the run is finished'));
  }

  /** The store refuses for good, which makes going on impossible unless the run is just finished. */
  storeFailed(error: unknown): void {
    if (error instanceof StoreError && error.reason === 'RunFinished') this.finish();
    else this.#broken.abort(error);
  }

  /** Throws the error that made going on impossible, if one did. */
  throwIfBroken(): void {
    this.#broken.signal.throwIfAborted();
  }
}
