// Pages to crawl with: re-used, because opening one costs more than loading a document, and replaced, because Chromium
// keeps what a page has used until its context is closed. A browser that crashed or hangs is replaced, too.
import type { Logger } from '../../telemetry/logger.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import { type BrowserCookie, createCarriedCookies } from './browser-cookies.ts';
import { type Chromium, type ChromiumPage, launchChromium } from './chromium.ts';
import type { Session } from './devtools.ts';
import type { BlockedResource } from './resource-blocking.ts';

/**
 * Documents until a page's garbage is collected: those that were left are garbage, and Chromium is in no hurry to see to
 * it. On pages of 7 KB a renderer took 43 MB in place of 78.
 */
const DOCUMENTS_PER_COLLECTION = 10;
/** Documents until the whole browser is replaced. */
const DOCUMENTS_PER_BROWSER = 2_000;
/** How long a context may take to close, or to tell its cookies, before its browser is given up. */
const CLOSE_TIMEOUT_MS = 5_000;

export type PooledPage = {
  readonly session: Session;
  readonly mainFrameId: string;
};

export type BrowserPool = {
  readonly acquire: () => Promise<PooledPage>;
  /** @param isSound false when the page hangs, crashed, or is in a state that nobody knows */
  readonly release: (page: PooledPage, isSound: boolean) => void;
  /** The next page has a new browser; the old one is closed when its pages are given back, or killed at once. */
  readonly recycle: (how: 'Gently' | 'ByForce') => void;
  readonly close: () => Promise<void>;
};

type Instance = { readonly chromium: Chromium; documents: number; openPages: number; isRetired: boolean };
type Entry = PooledPage & {
  readonly instance: Instance;
  readonly page: ChromiumPage;
  /** What its context began with. */
  readonly given: readonly BrowserCookie[];
  documents: number;
};

export function createBrowserPool(options: {
  readonly executablePath: string;
  readonly proxy: GuardProxy;
  readonly userAgent: string;
  readonly blocked: readonly BlockedResource[];
  readonly sandbox: boolean;
  /** Documents until a page and its context are replaced. */
  readonly recycleAfterPages: number;
  readonly log: Logger;
}): BrowserPool {
  const { log, proxy } = options;
  const idle: Entry[] = [];
  const instances = new Set<Instance>();
  const entries = new WeakMap<PooledPage, Entry>();
  const cookies = createCarriedCookies();
  /** Of contexts that are being closed: the next one begins with what they had. */
  const savings = new Set<Promise<boolean>>();
  let launching: Promise<Instance> | undefined;
  let current: Instance | undefined;

  async function launch(): Promise<Instance> {
    const chromium = await launchChromium({ ...options, proxyPort: proxy.port });
    const instance = { chromium, documents: 0, openPages: 0, isRetired: false };
    void chromium.gone.then(() => {
      if (!instance.isRetired) log.warn('browser has gone');
      retire(instance);
    });
    instances.add(instance);
    log.info({ version: chromium.version }, 'browser started');
    return instance;
  }

  /** One start at a time, however many pages are wanted. */
  async function instanceInUse(): Promise<Instance> {
    if (current !== undefined) return current;
    launching ??= launch().finally(() => {
      launching = undefined;
    });
    current = await launching;
    return current;
  }

  /** No new pages; it is closed when the last one is given back. */
  function retire(instance: Instance): void {
    instance.isRetired = true;
    if (current === instance) current = undefined;
  }

  async function open(): Promise<Entry> {
    const instance = await instanceInUse();
    instance.openPages++;
    try {
      return await openIn(instance);
    } catch (error) {
      instance.openPages--;
      // A browser that cannot open a page is of no more use.
      retire(instance);
      await closeIfUnused(instance);
      throw error;
    }
  }

  async function openIn(instance: Instance): Promise<Entry> {
    await Promise.all(savings);
    const given = cookies.all();
    const page = await instance.chromium.openPage(given);
    const entry = { session: page.session, mainFrameId: page.targetId, instance, page, given, documents: 0 };
    entries.set(entry, entry);
    return entry;
  }

  async function discard(entry: Entry): Promise<void> {
    const { instance, page } = entry;
    const closed = (await saveCookies(entry)) && (await succeedsInTime(page.close()));
    instance.openPages--;
    if (!closed) retire(instance);
    await closeIfUnused(instance, !closed);
  }

  /** False when the browser does not answer, or is gone. */
  async function saveCookies({ page, given }: Entry): Promise<boolean> {
    const saving = succeedsInTime(page.cookies().then((kept) => cookies.take(given, kept)));
    savings.add(saving);
    try {
      return await saving;
    } finally {
      savings.delete(saving);
    }
  }

  async function closeIfUnused(instance: Instance, hangs = false): Promise<void> {
    if (!instance.isRetired || (instance.openPages > 0 && !hangs)) return;
    instances.delete(instance);
    await instance.chromium.close();
  }

  async function takeIdle(): Promise<Entry | undefined> {
    for (let entry = idle.pop(); entry !== undefined; entry = idle.pop()) {
      if (!entry.instance.isRetired && !entry.session.isClosed()) return entry;
      await discard(entry);
    }
    return undefined;
  }

  return {
    async acquire() {
      const entry = (await takeIdle()) ?? (await open());
      entry.documents++;
      entry.instance.documents++;
      if (entry.instance.documents >= DOCUMENTS_PER_BROWSER) retire(entry.instance);
      return entry;
    },
    release(page, isSound) {
      const entry = entries.get(page);
      if (entry === undefined) return;
      const isSpent = entry.documents >= options.recycleAfterPages || entry.instance.isRetired;
      if (isSound && !isSpent) {
        if (entry.documents % DOCUMENTS_PER_COLLECTION === 0) collectGarbage(entry.session);
        idle.push(entry);
      }
      // In the background: the next page need not wait for it.
      else void discard(entry);
    },
    recycle(how) {
      if (current !== undefined) retire(current);
      if (how === 'ByForce') for (const { chromium } of instances) chromium.kill();
      // Never rejects: what cannot be closed is killed.
      for (const entry of idle.splice(0)) void discard(entry);
    },
    async close() {
      idle.length = 0;
      if (launching !== undefined) await launching.catch(() => {});
      await Promise.all(
        [...instances].map((instance) => {
          retire(instance);
          return instance.chromium.close();
        }),
      );
    },
  };
}

/** While the next document is on its way. */
function collectGarbage(session: Session): void {
  // A page that has gone is noticed by whoever uses it next.
  session.send('HeapProfiler.collectGarbage', {}).catch(() => {});
}

async function succeedsInTime(work: Promise<void>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), CLOSE_TIMEOUT_MS);
  const done = work.then(
    () => true,
    () => false,
  );
  const inTime = await Promise.race([done, late]);
  clearTimeout(timer);
  return inTime;
}
