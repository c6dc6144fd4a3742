// Messages of many pages over one channel: answers, events by page, and the end of a page or of the browser.
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createDevtools } from '#src/crawler/browser/devtools.ts';

type Sent = { readonly id: number; readonly method: string; readonly session: string };

/** The browser's side of the channel; targets are attached as sessions of the same name. */
function startChannel(refusal?: Error) {
  const events = new EventEmitter();
  const sent: Sent[] = [];
  const channel = {
    on: events.on.bind(events),
    async send(method: string, params: { targetId: string; sessionId: string; message: string }) {
      if (method === 'Target.attachToTarget') return { sessionId: params.targetId };
      if (refusal !== undefined) throw refusal;
      sent.push({ ...(JSON.parse(params.message) as Sent), session: params.sessionId });
      return {};
    },
  };
  const devtools = createDevtools(channel as never);
  const say = (sessionId: string, message: object) =>
    events.emit('Target.receivedMessageFromTarget', { sessionId, message: JSON.stringify(message) });
  return {
    devtools,
    sent,
    say,
    detach: (sessionId: string) => events.emit('Target.detachedFromTarget', { sessionId }),
  };
}

describe('the DevTools sessions of pages', () => {
  it('give each command its own answer, whatever their order', async () => {
    const { devtools, sent, say } = startChannel();
    const [one, other] = [await devtools.attach('one'), await devtools.attach('other')];
    const navigated = one.send('Page.navigate', { url: 'http://a.example/' });
    const evaluated = one.send('Runtime.evaluate', { expression: '1' });
    const enabled = other.send('Page.enable');
    const [first, second, third] = sent;
    expect(sent.map(({ method, session }) => [method, session])).toEqual([
      ['Page.navigate', 'one'],
      ['Runtime.evaluate', 'one'],
      ['Page.enable', 'other'],
    ]);
    say('other', { id: third?.id, result: {} });
    say('one', { id: second?.id, result: { result: { type: 'number', value: 1 } } });
    say('one', { id: first?.id, result: { errorText: 'net::ERR_FAILED' } });
    expect(await navigated).toEqual({ errorText: 'net::ERR_FAILED' });
    expect(await evaluated).toEqual({ result: { type: 'number', value: 1 } });
    expect(await enabled).toEqual({});
  });

  it('tell a page its own events alone', async () => {
    const { devtools, say } = startChannel();
    const seen: string[] = [];
    for (const name of ['one', 'other']) {
      (await devtools.attach(name)).on('Page.frameNavigated', ({ frame }) => seen.push(`${name} ${frame.url}`));
    }
    say('one', { method: 'Page.frameNavigated', params: { frame: { url: 'http://a.example/' } } });
    say('one', { method: 'Page.loadEventFired', params: {} });
    say('unknown', { method: 'Page.frameNavigated', params: { frame: { url: 'http://b.example/' } } });
    expect(seen).toEqual(['one http://a.example/']);
  });

  it('reject what the browser refuses, or does not take, naming the command', async () => {
    const { devtools, sent, say } = startChannel();
    const page = await devtools.attach('one');
    const refused = page.send('Page.enable');
    say('one', { id: sent[0]?.id, error: { message: 'not now' } });
    await expect(refused).rejects.toThrow('Page.enable: not now');
    const { devtools: deaf } = startChannel(new Error('no such session'));
    await expect((await deaf.attach('one')).send('Page.enable')).rejects.toThrow('Page.enable: no such session');
  });

  it('end what waits when their page, or the browser, has gone', async () => {
    const { devtools, detach } = startChannel();
    const [one, other] = [await devtools.attach('one'), await devtools.attach('other')];
    const [onOne, onOther] = [one.send('Page.enable'), other.send('Page.enable')];
    detach('one');
    await expect(onOne).rejects.toThrow('the page has gone');
    expect([one.isClosed(), other.isClosed()]).toEqual([true, false]);
    expect(await one.closed).toBe('the page has gone');
    devtools.disconnect();
    await expect(onOther).rejects.toThrow('the browser has gone');
    await expect(other.send('Page.enable')).rejects.toThrow('the browser has gone');
  });
});
