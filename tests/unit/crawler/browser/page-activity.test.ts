// What a page waits for, as the sessions of the page and of its workers tell it.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '#src/crawler/browser/devtools.ts';
import { type PageActivity, watchActivity } from '#src/crawler/browser/page-activity.ts';

type Message = { readonly method: string; readonly params: Record<string, unknown> };

/** A page's session: workers are reached by messages to it, of which each is answered at once. */
function startPage() {
  const listeners = new Map<string, ((params: never) => void)[]>();
  const say = (method: string, params: object) => {
    for (const listener of listeners.get(method) ?? []) listener(params as never);
  };
  const sayTo = (sessionId: string, message: object) =>
    say('Target.receivedMessageFromTarget', { sessionId, message: JSON.stringify(message) });
  const started: string[] = [];
  const session = {
    async send(method: string, params?: { readonly sessionId: string; readonly message: string }) {
      if (method !== 'Target.sendMessageToTarget' || params === undefined) return {};
      const command = JSON.parse(params.message) as Message & { readonly id: number };
      if (command.method === 'Runtime.runIfWaitingForDebugger') started.push(params.sessionId);
      queueMicrotask(() => sayTo(params.sessionId, { id: command.id, result: {} }));
      return {};
    },
    on(name: string, listener: (params: never) => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener]);
    },
  } as unknown as Session;
  return {
    session,
    say,
    started,
    sayOf: (worker: string, method: string, params: object) => sayTo(worker, { method, params }),
  };
}

const asks = (requestId: string, type: string, url = `http://a.example/${requestId}`) =>
  ['Network.requestWillBeSent', { requestId, type, request: { url }, loaderId: 'loader' }] as const;
const answers = (requestId: string, type: string, url: string) =>
  ['Network.responseReceived', { requestId, type, response: { url }, loaderId: 'loader' }] as const;
const ends = (requestId: string) => ['Network.loadingFinished', { requestId }] as const;
const fails = (requestId: string, type = 'Other') => ['Network.loadingFailed', { requestId, type }] as const;

describe('what a page waits for', () => {
  let page: ReturnType<typeof startPage>;
  let activity: PageActivity;

  beforeEach(async () => {
    page = startPage();
    activity = await watchActivity(page.session);
  });

  async function attachWorker(sessionId: string): Promise<void> {
    page.say('Target.attachedToTarget', { sessionId });
    await vi.waitFor(() => expect(page.started).toContain(sessionId), 10_000);
  }

  it.each(['XHR', 'Fetch', 'Script'])('is the end of a request: %s', (type) => {
    page.say(...asks('1.1', type));
    expect([activity.isLoading(), activity.unanswered()]).toEqual([true, ['http://a.example/1.1']]);
    page.say(...ends('1.1'));
    expect([activity.isLoading(), activity.hasSources()]).toEqual([false, false]);
  });

  it.each(['Image', 'Stylesheet', 'EventSource', 'WebSocket'])('is no request of another kind: %s', (type) => {
    page.say(...asks('1.1', type));
    expect(activity.isLoading()).toBe(false);
  });

  it('is the script of a worker until the worker says that it has come', async () => {
    page.say(...asks('0E485B2D9C609DF5', 'Script'));
    expect(activity.isLoading()).toBe(true);
    await attachWorker('worker');
    page.sayOf('worker', ...ends('0E485B2D9C609DF5'));
    expect([activity.isLoading(), activity.hasSources()]).toEqual([false, true]);
  });

  it('is the script of a worker not for long when nobody says so', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    page.say(...asks('0E485B2D9C609DF5', 'Script'));
    expect(activity.isLoading()).toBe(true);
    vi.advanceTimersByTime(600);
    expect([activity.isLoading(), activity.unanswered(), activity.hasSources()]).toEqual([false, [], true]);
    vi.useRealTimers();
  });

  it('is what a worker asks for, until it ends', async () => {
    await attachWorker('worker');
    page.sayOf('worker', ...asks('2.1', 'Fetch'));
    expect(activity.isLoading()).toBe(true);
    page.say('Target.detachedFromTarget', { sessionId: 'worker' });
    expect(activity.isLoading()).toBe(false);
  });

  it('is what was asked for before it was watched, until it is answered in full', async () => {
    await activity.watch('Fetch', 'http://a.example/first');
    expect(activity.isLoading()).toBe(true);
    page.say(...answers('1.1', 'Fetch', 'http://a.example/first'));
    expect(activity.isLoading()).toBe(true);
    page.say(...ends('1.1'));
    expect(activity.isLoading()).toBe(false);
  });

  it('is that no longer when it is answered before anything can be told of it', () => {
    void activity.watch('XHR', 'http://a.example/synchronous');
    expect([activity.isLoading(), activity.isWatched()]).toEqual([true, false]);
    activity.answered('http://a.example/synchronous');
    expect(activity.isLoading()).toBe(false);
  });

  it('is that still when the rest is told', async () => {
    await activity.watch('Fetch', 'http://a.example/first');
    activity.answered('http://a.example/first');
    expect(activity.isLoading()).toBe(true);
  });

  it('is where that is redirected to', async () => {
    await activity.watch('Fetch', 'http://a.example/first');
    const [name, request] = asks('1.1', 'Fetch', 'http://a.example/second');
    page.say(name, { ...request, redirectResponse: { url: 'http://a.example/first' } });
    page.say(...ends('1.1'));
    expect(activity.isLoading()).toBe(false);
  });

  it('is nothing that has failed, of those as many as have', async () => {
    await activity.watch('Fetch', 'http://a.example/one');
    await activity.watch('Fetch', 'http://a.example/two');
    page.say(...fails('1.1'));
    expect(activity.unanswered()).toEqual(['http://a.example/two']);
    page.say(...fails('1.2', 'Image'));
    expect(activity.isLoading()).toBe(true);
    page.say(...fails('1.3'));
    expect(activity.isLoading()).toBe(false);
  });

  it('is no stream, which is worth knowing', async () => {
    await activity.watch('EventSource', 'http://a.example/events');
    expect([activity.isLoading(), activity.hasSources()]).toEqual([false, true]);
    activity.reset();
    expect(activity.hasSources()).toBe(false);
    page.say('Network.webSocketCreated', {});
    expect(activity.hasSources()).toBe(true);
  });

  it('is the document of a frame', () => {
    activity.frameAsked('frame', 'http://a.example/frame');
    expect(activity.isLoading()).toBe(true);
    page.say('Page.frameStoppedLoading', { frameId: 'frame' });
    expect(activity.isLoading()).toBe(false);
  });

  it('is nothing of the document before', () => {
    page.say(...asks('1.1', 'Fetch'));
    activity.committed('another');
    expect(activity.isLoading()).toBe(false);
  });
});
