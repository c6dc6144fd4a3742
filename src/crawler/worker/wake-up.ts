// Lets a loop sleep until something happened that it should look at, or some time is over.

export type WakeUp = {
  /** Ends the current sleep, or the next one at once when nobody sleeps. */
  readonly wake: () => void;
  /** Resolves after `wake`, after `ms` milliseconds, or when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export function createWakeUp(): WakeUp {
  let isAwake = false;
  let end: (() => void) | undefined;

  return {
    wake() {
      isAwake = true;
      end?.();
    },
    async sleep(ms, signal) {
      if (!isAwake && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        end = () => resolve();
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end);
        await promise;
        signal.removeEventListener('abort', end);
        clearTimeout(timer);
        end = undefined;
      }
      isAwake = false;
    },
  };
}
