// Bodies of requests, bounded each and all together.
import type { IncomingMessage } from 'node:http';

export class BodyError extends Error {
  override readonly name = 'BodyError';
  /** 413 for one that is too large, 503 when too much is being read already, 400 for what is no JSON. */
  readonly status: 400 | 413 | 503;

  constructor(status: 400 | 413 | 503, message: string) {
    super(message);
    this.status = status;
  }
}

export type BodyReader = {
  /** Reads JSON of at most so many bytes; rejects with a BodyError. */
  readJson(request: IncomingMessage, maxBytes: number): Promise<unknown>;
};

/** @param mostBytes of all bodies that are being read and answered at once */
export function createBodyReader(mostBytes: number): BodyReader {
  let held = 0;

  async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
    const tooLarge = () => new BodyError(413, `the body is larger than ${maxBytes} bytes`);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        held += chunk.length;
        if (size > maxBytes) throw tooLarge();
        if (held > mostBytes) throw new BodyError(503, 'the gateway reads too much at once');
        chunks.push(chunk);
      }
    } finally {
      held -= size;
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  return {
    async readJson(request, maxBytes) {
      const text = await readText(request, maxBytes);
      try {
        return JSON.parse(text);
      } catch {
        throw new BodyError(400, 'the body is no JSON');
      }
    },
  };
}
