// What a page is waiting for: requests of its scripts and workers, and documents of its frames.
import { createDevtools, type Session } from './devtools.ts';
import type { RequestPattern } from './resource-blocking.ts';

/** What scripts ask for, as Chromium calls it: content comes with it. */
const WAITED_FOR = ['XHR', 'Fetch', 'Script'] as const;
/** A stream is never loaded; that there is one is worth knowing. */
const STREAM = 'EventSource' as const;

/** For `Fetch.enable`, until the network domain is on. */
export const FIRST_REQUESTS: readonly RequestPattern[] = [...WAITED_FOR, STREAM].map((resourceType) => ({
  resourceType,
}));

/**
 * What the script of a worker is called when it is paused. Nothing else tells of it in time: the page's network domain does not know
 * when it comes, and the worker is there only after it.
 */
export const WORKER_SCRIPT = 'Other';

export function isWaitedFor(resourceType: string): boolean {
  return resourceType === STREAM || (WAITED_FOR as readonly string[]).includes(resourceType);
}

export type PageActivity = {
  /** Whether the network domain is on: then requests need not be paused to be seen. */
  readonly isWatched: () => boolean;
  /**
   * Switches it on for a request that is paused, whose beginning it does not tell any more. Resolves when it is on; a page
   * that waits for the request in its script (a synchronous XHR) lets it be on only when that is answered.
   * @param type of the request, as Chromium calls it
   */
  readonly watch: (type: string, url: string) => Promise<void>;
  /**
   * One is paused although the domain is on, which does not tell of it if it began before.
   * @param type of the request, as Chromium calls it
   * @param networkId what the domain calls it if it tells of it
   */
  readonly pausedLate: (type: string, networkId: string | undefined, url: string) => void;
  /** Such a request is paused again, with its answer or its failure. */
  readonly answered: (url: string) => void;
  /** The script of a worker is paused on its way. */
  readonly workerAsked: (requestId: string, url: string) => void;
  /** It is paused with its answer or its failure. */
  readonly workerAnswered: (requestId: string, hasFailed: boolean) => void;
  readonly isLoading: () => boolean;
  /** Whether the page has a worker or a stream. */
  readonly hasSources: () => boolean;
  /** Addresses of what has not been answered in full; no more than a few. */
  readonly unanswered: () => readonly string[];
  /** Addresses of documents of frames that have not been answered. */
  readonly unansweredFrames: () => readonly string[];
  /** A frame, which is not the main one, asks for its document. */
  readonly frameAsked: (frameId: string, url: string) => void;
  readonly frameAnswered: (frameId: string, url: string) => void;
  /** Before the page is sent to another document. */
  readonly reset: () => void;
  /** The document is shown: what the one before was waiting for has been broken off. */
  readonly committed: (loaderId: string) => void;
};

type OpenRequest = {
  readonly url: string;
  readonly loaderId?: string;
  /** The session of the worker that made it. */
  readonly worker?: string | undefined;
  /** When it is waited for no longer: it may have ended without anybody telling. By `performance.now`. */
  readonly forgottenAt?: number;
};

/** How long a worker may take to start once its script has come: nothing tells that of a shared one, or of one that was ended. */
const WORKER_START_MS = 500;

/**
 * The network domain tells when an answer has come; its events come for every request there is, so it is switched on with
 * the first one that a script makes. Workers are sessions of their own.
 */
export async function watchActivity(session: Session): Promise<PageActivity> {
  const open = new Map<string, OpenRequest>();
  /** Addresses of requests that were made before the domain was on: it names them when they are answered. */
  const first = new Set<string>();
  const frames = new Map<string, { readonly url: string; readonly isAnswered: boolean }>();
  /** Addresses of requests of which the domain may not have told when they began, by its ids. */
  const late = new Map<string, string>();
  const workerScripts = new Map<string, OpenRequest>();
  let hasSources = false;
  let watching: Promise<unknown> | undefined;
  let isWatched = false;

  /** @param worker the session of a worker; absent for that of the page */
  function follow(part: Session, worker?: string): Promise<unknown> {
    part.on('Network.requestWillBeSent', ({ requestId, type = '', request, loaderId, redirectResponse }) => {
      if (redirectResponse !== undefined) first.delete(redirectResponse.url);
      late.delete(requestId);
      if (type === STREAM) hasSources = true;
      else if (isWaitedFor(type)) asked(requestId, { url: request.url, loaderId, worker });
    });
    part.on('Network.webSocketCreated', () => {
      hasSources = true;
    });
    part.on('Network.responseReceived', ({ requestId, type, response, loaderId }) => {
      const isMissed = late.delete(requestId) || first.delete(response.url);
      if (isMissed && isWaitedFor(type)) asked(requestId, { url: response.url, loaderId, worker });
    });
    part.on('Network.loadingFinished', ({ requestId }) => open.delete(requestId));
    part.on('Network.loadingFailed', ({ requestId, type }) => {
      if (open.delete(requestId) || late.delete(requestId)) return;
      // One that was made before the domain was on, and was not answered at all, has neither an address nor a type.
      const [url] = type === 'Other' || isWaitedFor(type) ? first : [];
      if (url !== undefined) first.delete(url);
    });
    const workers = createDevtools(part);
    part.on('Target.attachedToTarget', ({ sessionId }) => {
      hasSources = true;
      startWorker(workers.adopt(sessionId), sessionId);
    });
    part.on('Target.detachedFromTarget', ({ sessionId }) => {
      for (const [requestId, request] of open) if (request.worker === sessionId) open.delete(requestId);
    });
    return part.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: false });
  }

  function startWorker(worker: Session, sessionId: string): void {
    const start = () => worker.send('Runtime.runIfWaitingForDebugger');
    // A worker that has ended needs nothing.
    Promise.all([follow(worker, sessionId), worker.send('Network.enable', BUFFERLESS)])
      .then(start, start)
      .catch(() => {});
  }

  /** The page tells that a worker's script is asked for, and the worker, if it is not a shared one, that it has come. */
  function asked(requestId: string, request: OpenRequest): void {
    if (/^\d+\.\d+$/.test(requestId)) {
      open.set(requestId, request);
      return;
    }
    hasSources = true;
    open.set(requestId, { ...request, forgottenAt: performance.now() + WORKER_START_MS });
  }

  function unansweredFrames(): string[] {
    return [...frames.values()].filter(({ isAnswered }) => !isAnswered).map(({ url }) => url);
  }

  function openNow(): OpenRequest[] {
    const now = performance.now();
    return [...open.values(), ...workerScripts.values()].filter(
      ({ forgottenAt = Number.POSITIVE_INFINITY }) => forgottenAt > now,
    );
  }

  const frameRests = ({ frameId }: { readonly frameId: string }) => frames.delete(frameId);
  session.on('Page.frameStoppedLoading', frameRests);
  session.on('Page.frameDetached', frameRests);
  await follow(session);
  return {
    isWatched: () => isWatched,
    async watch(type, url) {
      if (type === STREAM) hasSources = true;
      else first.add(url);
      watching ??= session.send('Network.enable', BUFFERLESS);
      await watching;
      isWatched = true;
    },
    pausedLate(type, networkId, url) {
      if (type === STREAM) hasSources = true;
      else if (networkId !== undefined && !open.has(networkId)) late.set(networkId, url);
    },
    workerAsked: (requestId, url) => void workerScripts.set(requestId, { url }),
    workerAnswered(requestId, hasFailed) {
      const script = workerScripts.get(requestId);
      workerScripts.delete(requestId);
      if (script === undefined || hasFailed) return;
      workerScripts.set(requestId, { ...script, forgottenAt: performance.now() + WORKER_START_MS });
    },
    answered(url) {
      // Once the domain is on, it tells the rest.
      if (!isWatched) first.delete(url);
    },
    isLoading: () => frames.size + first.size + late.size + openNow().length > 0,
    hasSources: () => hasSources,
    unanswered: () =>
      [...first, ...late.values(), ...openNow().map(({ url }) => url), ...unansweredFrames()].slice(0, 20),
    unansweredFrames,
    frameAsked: (frameId, url) => void frames.set(frameId, { url, isAnswered: false }),
    frameAnswered: (frameId, url) => void frames.set(frameId, { url, isAnswered: true }),
    reset() {
      open.clear();
      first.clear();
      late.clear();
      frames.clear();
      workerScripts.clear();
      hasSources = false;
    },
    committed(shown) {
      workerScripts.clear();
      for (const [key, { loaderId = shown }] of open) if (loaderId !== shown) open.delete(key);
    },
  };
}

const BUFFERLESS = { maxTotalBufferSize: 0, maxResourceBufferSize: 0 };
