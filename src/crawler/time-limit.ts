// A signal for one piece of work that may take so long and no longer.

export type TimeLimit = Disposable & { readonly signal: AbortSignal };

/**
 * The signal is aborted with `outer`, and after `ms` milliseconds with a TimeoutError. To be disposed of when the work is done.
 * `AbortSignal.any` and `AbortSignal.timeout` leave that to the garbage collector, which is too much for each request of a crawl.
 */
export function timeLimit(ms: number, outer: AbortSignal): TimeLimit {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort(outer.reason);
  const timer = setTimeout(() => controller.abort(new DOMException(`not within ${ms} ms`, 'TimeoutError')), ms);
  if (outer.aborted) abort();
  else outer.addEventListener('abort', abort, { once: true });
  return {
    signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer.removeEventListener('abort', abort);
    },
  };
}
