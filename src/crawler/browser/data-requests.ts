// The data that the scripts of a page ask for, so that it is read when that has come and is shown.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './devtools.ts';

/** How long a loaded page may go on fetching data before it is read as it is. */
const SETTLE_MS = 5_000;
/** What a page gets to show the data that it has fetched. */
const SHOW_MS = 50;
/** What a page gets for the rest of an answer whose end is not seen, and to show it. */
const REST_OF_ANSWER_MS = 500;

/** As Chromium calls what `XMLHttpRequest` and `fetch` ask for. */
const DATA_TYPES = ['XHR', 'Fetch'] as const;

/** For `Fetch.enable`. */
export const DATA_PATTERNS = DATA_TYPES.map((resourceType) => ({ resourceType }));

export function isData(resourceType: string): boolean {
  return (DATA_TYPES as readonly string[]).includes(resourceType);
}

export type DataRequests = {
  /** To be waited for before the request goes on. Whether `answered` has to be told of its answer. */
  readonly asked: () => Promise<boolean>;
  readonly answered: () => void;
  /** Whether scripts wait for an answer, or have had no time yet to show the last one. */
  readonly areUnderWay: () => boolean;
  readonly reset: () => void;
};

/**
 * Requests of the page's scripts that have not been answered in full. The network domain tells their end; its events
 * come for every request there is, so it is switched on with the first one that a script makes. Of those that were made
 * before, only the beginning of the answer is seen: they get time for the rest.
 */
export function trackDataRequests(session: Session): DataRequests {
  const open = new Set<string>();
  let unseen = 0;
  let settledAt = Number.NEGATIVE_INFINITY;
  let watching: 'no' | 'soon' | 'yes' = 'no';

  function ended({ requestId }: { readonly requestId: string }): void {
    if (open.delete(requestId)) settledAt = performance.now() + SHOW_MS;
  }
  session.on('Network.requestWillBeSent', ({ requestId, type }) => {
    if (type !== undefined && isData(type)) open.add(requestId);
  });
  session.on('Network.loadingFinished', ended);
  session.on('Network.loadingFailed', ended);
  return {
    async asked() {
      if (watching === 'yes') return false;
      unseen++;
      if (watching === 'no') {
        watching = 'soon';
        await session.send('Network.enable', { maxTotalBufferSize: 0, maxResourceBufferSize: 0 });
        watching = 'yes';
      }
      return true;
    },
    answered() {
      unseen = Math.max(0, unseen - 1);
      settledAt = performance.now() + REST_OF_ANSWER_MS;
    },
    areUnderWay: () => unseen > 0 || open.size > 0 || performance.now() < settledAt,
    reset() {
      open.clear();
      unseen = 0;
      settledAt = Number.NEGATIVE_INFINITY;
    },
  };
}

/** A page that still fetches data when it has loaded is given time to get and show it. False when it did not need any. */
export async function settle(data: DataRequests): Promise<boolean> {
  const until = performance.now() + SETTLE_MS;
  if (!data.areUnderWay()) return false;
  while (data.areUnderWay() && performance.now() < until) await sleep(SHOW_MS);
  return true;
}
