// A token bucket: so many at once after a quiet time, so many a second for long.
import { delay } from './delay.ts';

export interface TokenBucketOptions {
  perSecond: number;
  burst: number;
}

export interface TokenBucket {
  /** Resolves when it is the caller's turn; callers are served in order. Rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<void>;
  /** Takes a token if there is one. */
  tryTake(): boolean;
  /** Whether the bucket has not been used for so long that a new one would be no different. */
  isFull(): boolean;
}

export function createTokenBucket({ perSecond, burst }: TokenBucketOptions): TokenBucket {
  // Below zero: tokens promised to callers that wait.
  let tokens = burst;
  let countedAt = performance.now();

  const count = () => {
    const now = performance.now();
    tokens = Math.min(burst, tokens + ((now - countedAt) / 1000) * perSecond);
    countedAt = now;
    return tokens;
  };

  return {
    async take(signal) {
      signal.throwIfAborted();
      count();
      tokens -= 1;
      if (tokens >= 0) return;
      try {
        await delay((-tokens / perSecond) * 1000, signal);
      } catch (reason) {
        tokens += 1;
        throw reason;
      }
    },
    tryTake() {
      if (count() < 1) return false;
      tokens -= 1;
      return true;
    },
    isFull: () => count() >= burst,
  };
}
