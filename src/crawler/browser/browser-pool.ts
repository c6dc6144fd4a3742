// Tabs to crawl with: re-used, because opening one costs more than loading a document, and replaced, because Chromium
// keeps what a tab has used until it is closed. All tabs are one visitor. A browser is replaced after many documents, when
// memory is short, when it crashed or when it hangs; the next one has the cookies of the one before.
import type { Logger } from '../../telemetry/logger.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { TlsTrust } from '../network/tls-trust.ts';
import {
  type BrowserCookie,
  type CookieToSet,
  cookieChanges,
  cookieToSet,
  createCarriedCookies,
} from './browser-cookies.ts';
import { type CertificateStore, createCertificateStore } from './certificate-store.ts';
import { type Chromium, type ChromiumTab, launchChromium } from './chromium.ts';
import type { Session } from './devtools.ts';
import type { BlockedResource } from './resource-blocking.ts';

/**
 * Documents until a tab's garbage is collected: those that were left are garbage, and Chromium is in no hurry to see to
 * it. On pages of 7 KB a renderer took 43 MB in place of 78.
 */
const DOCUMENTS_PER_COLLECTION = 10;
/** Documents until the whole browser is replaced. */
const DOCUMENTS_PER_BROWSER = 2_000;
/** How long a tab may take to close, or a browser to tell its cookies, before the browser is given up. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long the next browser waits for the tabs of the one that it replaces, so that there is one visitor at a time. */
const HAND_OVER_MS = 2_000;

export type PooledPage = {
  readonly session: Session;
  readonly mainFrameId: string;
  /**
   * Gives the visitor cookies that it has from the start, once for each origin: what the site sets later replaces them.
   * Resolves when the tab has them.
   */
  readonly introduce: (origin: string, cookies: readonly CookieToSet[]) => Promise<void>;
};

export type BrowserPool = {
  readonly acquire: () => Promise<PooledPage>;
  /** @param isSound false when the page hangs, crashed, or is in a state that nobody knows */
  readonly release: (page: PooledPage, isSound: boolean) => void;
  /** The next page has a new browser; the old one is closed when its pages are given back, or killed at once. */
  readonly recycle: (how: 'Gently' | 'ByForce') => void;
  readonly close: () => Promise<void>;
};

type Instance = {
  readonly chromium: Chromium;
  /** By origin: resolves when its tabs have the cookies that the visitor has from the start. */
  readonly introduced: Map<string, Promise<void>>;
  /** Its cookies when they were last looked at. */
  cookies: readonly BrowserCookie[];
  documents: number;
  openTabs: number;
  isRetired: boolean;
  /** Resolves when it is retired and its last tab was given back. */
  readonly emptied: PromiseWithResolvers<void>;
};
type Entry = PooledPage & { readonly instance: Instance; readonly tab: ChromiumTab; documents: number };

export function createBrowserPool(options: {
  readonly executablePath: string;
  readonly proxy: GuardProxy;
  readonly userAgent: string;
  readonly blocked: readonly BlockedResource[];
  readonly sandbox: boolean;
  readonly trust: TlsTrust;
  /** Documents until a tab is replaced. */
  readonly recycleAfterPages: number;
  readonly log: Logger;
}): BrowserPool {
  const { log, proxy, trust } = options;
  const idle: Entry[] = [];
  const instances = new Set<Instance>();
  const entries = new WeakMap<PooledPage, Entry>();
  const visitor = createCarriedCookies();
  /** By origin: cookies that the visitor has from the start. */
  const introductions = new Map<string, readonly CookieToSet[]>();
  /** Of browsers that were replaced: no page begins before the others have what theirs were given. */
  const savings = new Set<Promise<unknown>>();
  let certificates: Promise<CertificateStore> | undefined;
  let launching: Promise<Instance> | undefined;
  let current: Instance | undefined;

  async function launch(): Promise<Instance> {
    await handOver();
    if (trust.certificates.length > 0) certificates ??= createCertificateStore(trust.certificates);
    const home = (await certificates)?.home;
    const chromium = await launchChromium({
      ...options,
      proxyPort: proxy.port,
      verifiesCertificates: trust.verify,
      ...(home === undefined ? {} : { home }),
    });
    const cookies = visitor.all();
    // In this order: what sites have set since then replaces what the visitor had at first.
    const set = chromium.setCookies([...[...introductions.values()].flat(), ...cookies.map(cookieToSet)]);
    const instance: Instance = {
      ...{ chromium, cookies, documents: 0, openTabs: 0, isRetired: false },
      introduced: new Map([...introductions.keys()].map((origin) => [origin, set])),
      emptied: Promise.withResolvers<void>(),
    };
    instances.add(instance);
    void chromium.gone.then(() => {
      if (!instance.isRetired) log.warn('browser has gone');
      retire(instance);
      void tabIsGone(instance, true);
    });
    await set;
    log.info({ version: chromium.version }, 'browser started');
    return instance;
  }

  /** Waits for the tabs of retired browsers, but not long, and takes the cookies of those that are still at work. */
  async function handOver(): Promise<void> {
    await inTime(Promise.all([...instances].map(({ emptied }) => emptied.promise)), HAND_OVER_MS);
    await Promise.all([...instances].map((instance) => inTime(saveCookies(instance), CLOSE_TIMEOUT_MS)));
  }

  /** Takes what the browser's cookies have become, for the next browser, and for the present one when that is another. */
  async function saveCookies(instance: Instance): Promise<void> {
    const before = instance.cookies;
    const now = await instance.chromium.cookies();
    instance.cookies = now;
    visitor.take(before, now);
    const changes = cookieChanges(before, now);
    const others = [...instances].filter((other) => other !== instance && !other.isRetired);
    await Promise.all(others.map(({ chromium }) => chromium.setCookies(changes)));
  }

  /** One start at a time, however many pages are wanted. */
  async function instanceInUse(): Promise<Instance> {
    if (current !== undefined) return current;
    launching ??= launch().finally(() => {
      launching = undefined;
    });
    const instance = await launching;
    if (!instance.isRetired) current = instance;
    return instance;
  }

  /** No new pages; it is closed when the last one is given back. */
  function retire(instance: Instance): void {
    instance.isRetired = true;
    if (current === instance) current = undefined;
    if (instance.openTabs === 0) instance.emptied.resolve();
    for (const entry of idle.filter((one) => one.instance === instance)) {
      idle.splice(idle.indexOf(entry), 1);
      // Never rejects: what cannot be closed is killed.
      void discard(entry);
    }
  }

  async function open(): Promise<Entry> {
    const instance = await instanceInUse();
    instance.openTabs++;
    try {
      const tab = await instance.chromium.openTab();
      const { session, targetId: mainFrameId } = tab;
      const introduce = (origin: string, cookies: readonly CookieToSet[]) => introduceTo(instance, origin, cookies);
      const entry: Entry = { session, mainFrameId, introduce, instance, tab, documents: 0 };
      entries.set(entry, entry);
      return entry;
    } catch (error) {
      // A browser that cannot open a tab is of no more use.
      retire(instance);
      await tabIsGone(instance, false);
      throw error;
    }
  }

  function introduceTo(instance: Instance, origin: string, cookies: readonly CookieToSet[]): Promise<void> {
    introductions.set(origin, cookies);
    const set = instance.introduced.get(origin) ?? instance.chromium.setCookies(cookies);
    instance.introduced.set(origin, set);
    return set;
  }

  /** Closes the tab, after its browser's cookies were kept: should the browser crash later, they are not lost. */
  async function discard({ instance, tab }: Entry): Promise<void> {
    const saving = inTime(saveCookies(instance), CLOSE_TIMEOUT_MS);
    savings.add(saving);
    const saved = await saving;
    savings.delete(saving);
    const isClosed = saved && (await inTime(tab.close(), CLOSE_TIMEOUT_MS));
    if (!isClosed) retire(instance);
    await tabIsGone(instance, !isClosed);
  }

  async function tabIsGone(instance: Instance, hangs: boolean): Promise<void> {
    instance.openTabs = hangs ? 0 : Math.max(0, instance.openTabs - 1);
    if (!instance.isRetired || instance.openTabs > 0) return;
    instance.emptied.resolve();
    if (instances.delete(instance)) await instance.chromium.close();
  }

  function takeIdle(): Entry | undefined {
    for (let entry = idle.pop(); entry !== undefined; entry = idle.pop()) {
      if (!entry.session.isClosed()) return entry;
      void discard(entry);
    }
    return undefined;
  }

  return {
    async acquire() {
      while (savings.size > 0) await Promise.all(savings);
      const entry = takeIdle() ?? (await open());
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
      // In the background: the next page need not wait for the tab to close.
      else void discard(entry);
    },
    recycle(how) {
      if (current !== undefined) retire(current);
      if (how === 'ByForce') for (const { chromium } of instances) chromium.kill();
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
      const store = await certificates?.catch(() => undefined);
      await store?.close();
    },
  };
}

/** While the next document is on its way. */
function collectGarbage(session: Session): void {
  // A page that has gone is noticed by whoever uses it next.
  session.send('HeapProfiler.collectGarbage', {}).catch(() => {});
}

/** False when the work fails, or takes longer. */
async function inTime(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  const done = work.then(
    () => true,
    () => false,
  );
  const isDone = await Promise.race([done, late]);
  clearTimeout(timer);
  return isDone;
}
