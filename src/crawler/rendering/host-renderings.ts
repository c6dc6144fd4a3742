// What a worker knows of its hosts' pages in render mode Auto: read from the store once in a while, added to with each
// comparison.
import QuickLRU from 'quick-lru';
import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import {
  afterCheck,
  afterPage,
  type HostKnowledge,
  inheritedKnowledge,
  needsBrowser,
  UNKNOWN_HOST,
} from './render-choice.ts';

/** How long what other workers learn may be missed. */
const KEEP_MS = 10 * 60_000;
const MAX_HOSTS = 10_000;

export type HostRenderings = {
  /** What is known of the host, its page now counted. */
  readonly nextPage: (host: string, signal: AbortSignal) => Promise<HostKnowledge>;
  /** Adds what one page showed. */
  readonly learn: (host: string, neededBrowser: boolean, signal: AbortSignal) => Promise<void>;
};

type Entry = { knowledge: HostKnowledge; readonly readAt: number };

export function createHostRenderings(
  store: Pick<WorkerStore, 'readHostRendering' | 'learnHostRendering'>,
  log: Logger,
): HostRenderings {
  const entries = new QuickLRU<string, Entry>({ maxSize: MAX_HOSTS });

  async function read(host: string, signal: AbortSignal): Promise<Entry> {
    const known = await store.readHostRendering(host, signal);
    // Another page of the host may have been quicker.
    const earlier = fresh(host);
    if (earlier !== undefined) return earlier;
    const old = entries.get(host)?.knowledge;
    const inherited = known === undefined ? UNKNOWN_HOST : inheritedKnowledge(known);
    const knowledge = old === undefined ? inherited : { ...old, browserNeed: inherited.browserNeed };
    const entry = { knowledge, readAt: performance.now() };
    entries.set(host, entry);
    return entry;
  }

  function fresh(host: string): Entry | undefined {
    const entry = entries.get(host);
    return entry !== undefined && performance.now() - entry.readAt < KEEP_MS ? entry : undefined;
  }

  return {
    async nextPage(host, signal) {
      const entry = fresh(host) ?? (await read(host, signal));
      const { knowledge } = entry;
      entry.knowledge = afterPage(knowledge);
      return knowledge;
    },
    async learn(host, neededBrowser, signal) {
      const browserNeed = await store.learnHostRendering(host, neededBrowser, signal);
      const entry = fresh(host) ?? (await read(host, signal));
      const before = entry.knowledge;
      entry.knowledge = afterCheck(before, browserNeed, neededBrowser);
      if (needsBrowser(before) === needsBrowser(entry.knowledge)) return;
      const message = needsBrowser(before) ? 'host no longer needs the browser' : 'host needs the browser';
      log.info({ host, browserNeed }, message);
    },
  };
}
