import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { exchange, type MostBytes } from '#src/crawler/http/exchange.ts';

const never = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function serve(answer: RequestListener): Promise<{ server: Server; ask: ReturnType<typeof asking> }> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ connections: 1 });
  closing.push(
    () => agent.destroy(),
    async () => server.close(),
  );
  return { server, ask: asking(agent, `http://127.0.0.1:${(server.address() as AddressInfo).port}`) };
}

function asking(agent: Agent, origin: string) {
  return (mostBytes: MostBytes, signal = never) =>
    exchange(agent, { origin, path: '/', method: 'GET' }, mostBytes, signal);
}

describe('an answer', () => {
  it('is its status, its headers and the whole body, in however many parts it came', async () => {
    const { ask } = await serve(async (_, response) => {
      response.writeHead(404, { 'x-thing': ['one', 'two'] });
      for (const part of ['a', 'b', 'c']) await new Promise<void>((sent) => void response.write(part, () => sent()));
      response.end();
    });
    const { status, headers, body, isCut } = await ask(() => 10);
    expect({ status, thing: headers['x-thing'], body: body.toString(), isCut }).toEqual({
      status: 404,
      thing: ['one', 'two'],
      body: 'abc',
      isCut: false,
    });
  });

  it('is the one after what is only informational', async () => {
    const { ask } = await serve((_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.end('page');
    });
    const seen: number[] = [];
    const reply = await ask((status) => seen.push(status) * 10);
    expect({ seen, body: reply.body.toString() }).toEqual({ seen: [200], body: 'page' });
  });

  it('that breaks off is none', async () => {
    const { ask } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 10 });
      response.write('abc', () => response.destroy());
    });
    await expect(ask(() => 10)).rejects.toThrow(/other side closed|terminated/);
  });
});

describe('a body', () => {
  it.each([
    [3, 'abc', false],
    [2, 'ab', true],
    [0, '', true],
  ])('of three bytes, of which %i are wanted, is %s', async (most, text, isCut) => {
    const { ask } = await serve((_, response) => response.end('abc'));
    const reply = await ask(() => most);
    expect({ text: reply.body.toString(), isCut: reply.isCut }).toEqual({ text, isCut });
  });

  it('that is not wanted at all is not waited for', async () => {
    const { ask } = await serve((_, response) => void response.writeHead(200).flushHeaders());
    expect(await ask(() => undefined)).toMatchObject({ status: 200, body: Buffer.alloc(0), isCut: true });
  });

  it('is not read when its head is refused', async () => {
    const { ask } = await serve((_, response) => void response.writeHead(200).flushHeaders());
    const refusal = new Error('refused');
    const refuse = () => {
      throw refusal;
    };
    await expect(ask(refuse)).rejects.toBe(refusal);
  });
});

describe('a signal', () => {
  const reason = new Error('enough');

  it.each<[string, RequestListener]>([
    ['before the answer', () => {}],
    ['within the body', (_, response) => void response.writeHead(200, { 'content-length': 2 }).write('a')],
  ])('ends the exchange and its connection %s', async (_, answer) => {
    const given = new AbortController();
    const { server, ask } = await serve(answer);
    const asked = once(server, 'request');
    const reply = ask(() => 10, given.signal);
    const [request] = await asked;
    // A connection that is given up may end with an error.
    const closed = new Promise((resolve) => request.socket.once('close', resolve));
    given.abort(reason);
    await expect(reply).rejects.toBe(reason);
    await closed;
  });

  it('ends one that waits for the only connection, which is not asked for it later', async () => {
    let requests = 0;
    const answers: (() => void)[] = [];
    const { server, ask } = await serve((_, response) => {
      requests++;
      answers.push(() => response.end('page'));
    });
    const asked = once(server, 'request');
    const first = ask(() => 10);
    await asked;
    const given = new AbortController();
    const second = ask(() => 10, given.signal);
    given.abort(reason);
    await expect(second).rejects.toBe(reason);
    answers[0]?.();
    expect((await first).body.toString()).toBe('page');
    const third = ask(() => 10);
    await once(server, 'request');
    answers[1]?.();
    await third;
    expect(requests).toBe(2);
  });

  it('that was aborted before lets nothing be asked', async () => {
    const { ask } = await serve(() => {
      throw new Error('asked');
    });
    await expect(ask(() => 10, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
