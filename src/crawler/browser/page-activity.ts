// What a page is waiting for: requests of its scripts and workers, and documents of its frames.
import { createDevtools, type Events, type Session } from './devtools.ts';
import type { RequestPattern } from './resource-blocking.ts';

/** What scripts ask for, as Chromium calls it: content comes with it. */
const WAITED_FOR = ['XHR', 'Fetch', 'Script'] as const;
/** A stream is never loaded; that there is one is worth knowing. */
const STREAM = 'EventSource' as const;

/** For `Fetch.enable`, until the network domain is on. */
export const FIRST_REQUESTS: readonly RequestPattern[] = [...WAITED_FOR, STREAM].map((resourceType) => ({
  resourceType,
}));

export function isWaitedFor(resourceType: string): boolean {
  return resourceType === STREAM || (WAITED_FOR as readonly string[]).includes(resourceType);
}

export type PageActivity = {
  /** Whether the network domain is on: then requests need not be paused to be seen. */
  readonly isWatched: () => boolean;
  /**
   * Switches it on. To be waited for before the request goes on, whose beginning it does not tell any more.
   * @param requestId of the network domain
   */
  readonly watch: (requestId: string | undefined, url: string) => Promise<void>;
  readonly isLoading: () => boolean;
  /** Whether the page has a worker or a stream. */
  readonly hasSources: () => boolean;
  /** Addresses of what has not been answered in full; no more than a few. */
  readonly unanswered: () => readonly string[];
  /** A frame, which is not the main one, asks for its document. */
  readonly frameAsked: (frameId: string, url: string) => void;
  /** Before the page is sent to another document. */
  readonly reset: () => void;
  /** The document is shown: what the one before was waiting for has been broken off. */
  readonly committed: (loaderId: string) => void;
};

/**
 * The network domain tells when an answer has come; its events come for every request there is, so it is switched on with
 * the first one that a script makes. Workers are sessions of their own.
 */
export async function watchActivity(session: Session): Promise<PageActivity> {
  const open = new Map<string, { readonly url: string; readonly loaderId?: string }>();
  const frames = new Map<string, string>();
  const workers = createDevtools(session);
  let hasSources = false;
  let watching: Promise<unknown> | undefined;
  let isWatched = false;

  function follow(part: Session, name: string): void {
    const keyOf = (requestId: string) => `${name} ${requestId}`;
    const ended = ({ requestId }: { readonly requestId: string }) => open.delete(keyOf(requestId));
    part.on('Network.requestWillBeSent', ({ requestId, type = '', request, loaderId }) => {
      if (type === STREAM) hasSources = true;
      else if (isWaitedFor(type)) open.set(keyOf(requestId), { url: request.url, loaderId });
    });
    part.on('Network.webSocketCreated', () => {
      hasSources = true;
    });
    part.on('Network.loadingFinished', ended);
    part.on('Network.loadingFailed', ended);
  }

  follow(session, '');
  session.on('Target.attachedToTarget', ({ sessionId }: Events['Target.attachedToTarget']) => {
    hasSources = true;
    const worker = workers.adopt(sessionId);
    follow(worker, sessionId);
    const start = () => worker.send('Runtime.runIfWaitingForDebugger');
    // A worker that has ended needs nothing.
    worker
      .send('Network.enable', BUFFERLESS)
      .then(start, start)
      .catch(() => {});
  });
  const frameRests = ({ frameId }: { readonly frameId: string }) => frames.delete(frameId);
  session.on('Page.frameStoppedLoading', frameRests);
  session.on('Page.frameDetached', frameRests);
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: false });
  return {
    isWatched: () => isWatched,
    async watch(requestId, url) {
      if (requestId !== undefined) open.set(` ${requestId}`, { url });
      watching ??= session.send('Network.enable', BUFFERLESS);
      await watching;
      isWatched = true;
    },
    isLoading: () => open.size > 0 || frames.size > 0,
    hasSources: () => hasSources,
    unanswered: () => [...[...open.values()].map(({ url }) => url), ...frames.values()].slice(0, 20),
    frameAsked: (frameId, url) => void frames.set(frameId, url),
    reset() {
      open.clear();
      frames.clear();
      hasSources = false;
    },
    committed(shown) {
      for (const [key, { loaderId = shown }] of open) if (loaderId !== shown) open.delete(key);
    },
  };
}

const BUFFERLESS = { maxTotalBufferSize: 0, maxResourceBufferSize: 0 };
