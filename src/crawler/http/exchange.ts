// One request and its answer through an undici dispatcher, the body in one piece. undici's own `request` makes a stream of each
// body; for a page of a few kilobytes that takes as long as all the rest of the exchange.
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it was sent, codings included. */
  readonly body: Buffer;
  /** There was more of it than was wanted: the connection was given up. */
  readonly isCut: boolean;
};

/**
 * How many bytes of the body are wanted, told by its head; undefined when the connection is not worth reading any. What it throws
 * ends the exchange.
 */
export type MostBytes = (status: number, headers: IncomingHttpHeaders) => number | undefined;

/** Rejects with the error of the dispatcher, or with the signal's reason. */
export async function exchange(
  dispatcher: Pick<Dispatcher, 'dispatch'>,
  request: Dispatcher.DispatchOptions,
  mostBytes: MostBytes,
  signal: AbortSignal,
): Promise<Reply> {
  signal.throwIfAborted();
  const collector = new ReplyCollector(mostBytes);
  const giveUp = () => collector.giveUp(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    dispatcher.dispatch(request, collector);
    return await collector.reply;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

class ReplyCollector implements Dispatcher.DispatchHandler {
  readonly #mostBytes: MostBytes;
  readonly #result = Promise.withResolvers<Reply>();
  /** Absent until a connection is there. */
  #controller: Dispatcher.DispatchController | undefined;
  #givenUp: Error | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #chunks: Buffer[] = [];
  #size = 0;
  #most = 0;

  constructor(mostBytes: MostBytes) {
    this.#mostBytes = mostBytes;
  }

  get reply(): Promise<Reply> {
    return this.#result.promise;
  }

  giveUp(reason: unknown): void {
    this.#givenUp = reason instanceof Error ? reason : new Error('given up', { cause: reason });
    this.#result.reject(reason);
    this.#controller?.abort(this.#givenUp);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#givenUp !== undefined) controller.abort(this.#givenUp);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational: the answer follows.
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    try {
      const most = this.#mostBytes(status, headers);
      if (most === undefined) this.#cut();
      else this.#most = most;
    } catch (error) {
      this.giveUp(error);
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#givenUp !== undefined) return;
    this.#chunks.push(chunk.subarray(0, this.#most - this.#size));
    this.#size += chunk.length;
    if (this.#size > this.#most) this.#cut();
  }

  onResponseEnd(): void {
    this.#resolve(false);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#result.reject(error);
  }

  #cut(): void {
    this.#resolve(true);
    this.giveUp(new Error('the rest of the body is not wanted'));
  }

  #resolve(isCut: boolean): void {
    const [first] = this.#chunks;
    this.#result.resolve({
      status: this.#status,
      headers: this.#headers,
      body: this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks),
      isCut,
    });
  }
}
