// Who may ask, and how much: the run of a bearer token, looked up at most every five seconds, and the requests that its
// spec leaves it.
import QuickLRU from 'quick-lru';
import type { RunKey, RunOfToken } from '../store/worker-calls.ts';
import type { Place } from './fair-line.ts';
import { StoreError } from './protocol/store-error.ts';

/** A token that was revoked is refused after so long at the latest. */
const GOOD_FOR_MS = 5_000;
/** Runs, and tokens that are none, that are remembered. */
const MOST_TOKENS = 20_000;
const BURST_SECONDS = 2;

export type Admission = {
  /** Rejects with `TokenRefused`, or with what keeps the database from answering. The address is the caller's. */
  readonly runOf: (key: RunKey, address: string) => Promise<RunOfToken>;
  /** The token was good then, by the clock of `now`: it need not be looked up before five seconds later. */
  readonly confirm: (key: RunKey, at: number) => void;
  /** The token is not good any more. */
  readonly forget: (key: RunKey) => void;
  /** Takes one request of those that the run has; false when it has none left. */
  readonly takeRequest: (run: RunOfToken) => boolean;
};

/** Whose token it is, nobody knows before: whoever tries many waits for himself, and for nobody else. */
const strangers = (address: string): Place => ({ namespace: '', runId: address });

type Known = {
  readonly run: Promise<RunOfToken>;
  at: number;
  /** Where it waits to be looked up again, once it was good: not behind those who share its address, as they do behind a proxy. */
  place: Place | undefined;
  isGood: boolean;
};
type Bucket = { left: number; filledAt: number };

export function createAdmission(
  lookUp: (key: RunKey, place: Place) => Promise<RunOfToken>,
  requestsPerWorker: number,
  now: () => number = () => performance.now(),
): Admission {
  const runs = new QuickLRU<RunKey, Known>({ maxSize: MOST_TOKENS });
  const buckets = new QuickLRU<string, Bucket>({ maxSize: MOST_TOKENS });

  return {
    runOf(key, address) {
      const known = runs.get(key);
      if (known !== undefined && now() - known.at < GOOD_FOR_MS) return known.run;
      const run = lookUp(key, known?.place ?? strangers(address));
      const entry: Known = { run, at: now(), place: known?.place, isGood: false };
      runs.set(key, entry);
      // Only an answer is remembered: a database that is away may be back at the next request.
      run.then(
        ({ namespace, runId }) => {
          entry.place = { namespace, runId };
          entry.isGood = true;
        },
        (error: unknown) => {
          const isAnswer = error instanceof StoreError && error.reason === 'TokenRefused';
          if (isAnswer) entry.place = undefined;
          else entry.at = Number.NEGATIVE_INFINITY;
        },
      );
      return run;
    },
    confirm(key, at) {
      const known = runs.peek(key);
      if (known?.isGood) known.at = Math.max(known.at, at);
    },
    forget: (key) => void runs.delete(key),
    takeRequest({ runId, workers }) {
      const [rate, time] = [requestsPerWorker * workers, now()];
      const bucket = buckets.get(runId) ?? { left: rate * BURST_SECONDS, filledAt: time };
      buckets.set(runId, bucket);
      bucket.left = Math.min(rate * BURST_SECONDS, bucket.left + ((time - bucket.filledAt) / 1_000) * rate);
      bucket.filledAt = time;
      if (bucket.left < 1) return false;
      bucket.left--;
      return true;
    },
  };
}
