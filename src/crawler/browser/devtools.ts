// DevTools sessions of pages that Playwright does not attach to: its one channel to the browser carries the messages of
// them all (`Target.sendMessageToTarget`), so that nothing is switched on in a page but what its visit takes.
import type { CDPSession } from 'playwright';
import type { Protocol } from 'playwright/types/protocol';

export type Commands = Protocol.CommandParameters;
export type Events = Protocol.Events;

/** A command that Chromium refused, or could not answer because the page or the browser is gone. */
export class DevtoolsError extends Error {
  override readonly name = 'DevtoolsError';
}

/** A channel to one page. */
export type Session = {
  /** Rejects with a DevtoolsError. */
  readonly send: <Method extends keyof Commands>(
    method: Method,
    params?: Commands[Method],
  ) => Promise<Protocol.CommandReturnValues[Method]>;
  readonly on: <Name extends keyof Events>(event: Name, listener: (params: Events[Name]) => void) => void;
  /** Whether the page or the browser is gone. */
  readonly isClosed: () => boolean;
  /** Resolves with the reason when that has come to pass. */
  readonly closed: Promise<string>;
};

export type Devtools = {
  /** @param targetId of a page in a browser context that Playwright has not made */
  readonly attach: (targetId: string) => Promise<Session>;
  /** The session of a target that was attached by itself. */
  readonly adopt: (sessionId: string) => Session;
  /** To be called when the browser has gone: ends what waits for an answer. */
  readonly disconnect: () => void;
};

/** As they travel in a message to or from a target. */
type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
};
type Channel = Session & {
  readonly receive: (message: Message) => void;
  readonly close: (why: string) => void;
};

/** What carries the messages of its targets: the browser those of its pages, a page those of its workers. */
type Carrier = {
  on(
    event: 'Target.receivedMessageFromTarget',
    listener: (event: Events['Target.receivedMessageFromTarget']) => void,
  ): unknown;
  on(event: 'Target.detachedFromTarget', listener: (event: Events['Target.detachedFromTarget']) => void): unknown;
  send(method: 'Target.attachToTarget', parameters: Commands['Target.attachToTarget']): Promise<{ sessionId: string }>;
  send(method: 'Target.sendMessageToTarget', parameters: Commands['Target.sendMessageToTarget']): Promise<unknown>;
};

/** @param carrier a session with the browser itself, or with a page */
export function createDevtools(carrier: Pick<CDPSession, 'send' | 'on'> | Session): Devtools {
  const browser = carrier as Carrier;
  const channels = new Map<string, Channel>();

  function close(sessionId: string, why: string): void {
    channels.get(sessionId)?.close(why);
    channels.delete(sessionId);
  }

  function adopt(sessionId: string): Session {
    const channel = createChannel((message) => browser.send('Target.sendMessageToTarget', { sessionId, message }));
    channels.set(sessionId, channel);
    return channel;
  }

  browser.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    channels.get(sessionId)?.receive(JSON.parse(message) as Message);
  });
  browser.on('Target.detachedFromTarget', ({ sessionId }) => close(sessionId, 'the page has gone'));
  return {
    async attach(targetId) {
      const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: false });
      return adopt(sessionId);
    },
    adopt,
    disconnect() {
      for (const sessionId of [...channels.keys()]) close(sessionId, 'the browser has gone');
    },
  };
}

type Listener = (params: never) => void;
type Pending = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void };

/** @param post rejects when there is nobody to take the message */
function createChannel(post: (message: string) => Promise<unknown>): Channel {
  const listeners = new Map<string, Listener[]>();
  const pending = new Map<number, Pending>();
  let lastId = 0;
  const { promise: closed, resolve: sayClosed } = Promise.withResolvers<string>();
  let closedBecause: string | undefined;

  function answer({ id = 0, result, error }: Message): void {
    const waiting = pending.get(id);
    pending.delete(id);
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(new Error(error.message));
  }

  return {
    isClosed: () => closedBecause !== undefined,
    closed,
    send(method, params) {
      if (closedBecause !== undefined) return Promise.reject(new DevtoolsError(`${method}: ${closedBecause}`));
      const id = ++lastId;
      const { promise, resolve, reject } = Promise.withResolvers<never>();
      const refuse = (error: Error) => reject(new DevtoolsError(`${method}: ${error.message}`));
      pending.set(id, { resolve, reject: refuse });
      post(JSON.stringify({ id, method, params })).catch((error: Error) => {
        pending.delete(id);
        refuse(error);
      });
      return promise;
    },
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener as Listener]);
    },
    receive(message) {
      if (message.id !== undefined) answer(message);
      else for (const listener of listeners.get(message.method ?? '') ?? []) listener(message.params as never);
    },
    close(why) {
      closedBecause = why;
      sayClosed(why);
      for (const { reject } of pending.values()) reject(new Error(why));
      pending.clear();
    },
  };
}
