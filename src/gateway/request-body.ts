// Bodies of requests, bounded each, by run and all together.
import type { IncomingMessage } from 'node:http';
import { MOST_OF_A_BODY, memoryOfBody } from './protocol/body-memory.ts';

/** 413 for one that is too large, 503 when there is no room, 400 and 415 for what is no JSON. */
type BodyStatus = 400 | 413 | 415 | 503;

export class BodyError extends Error {
  override readonly name = 'BodyError';
  readonly status: BodyStatus;

  constructor(status: BodyStatus, message: string) {
    super(message);
    this.status = status;
  }
}

export type BodyReader = {
  /**
   * Reads JSON of at most so many bytes and uses it; it has its room until the use has ended. Rejects with a BodyError, or
   * as `use` does.
   */
  withJson<Result>(
    request: IncomingMessage,
    runId: string,
    maxBytes: number,
    use: (body: unknown) => Promise<Result>,
  ): Promise<Result>;
};

/**
 * A run may hold as much as is free (dynamic thresholds, Choudhury and Hahne 1998): half of all when it is alone, and however
 * many runs take what they can get, there is some left for one more.
 *
 * @param most memory of all bodies that are being read and used at once, in bytes
 */
export function createBodyReader(most: number): BodyReader {
  const heldByRun = new Map<string, number>();
  let held = 0;

  function hold(runId: string, memory: number): void {
    const ofRun = (heldByRun.get(runId) ?? 0) + memory;
    if (ofRun === 0) heldByRun.delete(runId);
    else heldByRun.set(runId, ofRun);
    held += memory;
  }

  const hasTooMuch = (runId: string) => (heldByRun.get(runId) ?? 0) > most - held;

  return {
    async withJson(request, runId, maxBytes, use) {
      const { headers } = request;
      const tooLarge = () => new BodyError(413, `the body is larger than ${maxBytes} bytes`);
      if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new BodyError(415, 'the body is encoded');
      if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
      const chunks: Buffer[] = [];
      let size = 0;
      let memory = 0;
      try {
        for await (const chunk of request as AsyncIterable<Buffer>) {
          const added = memoryOfBody(chunk);
          size += chunk.length;
          memory += added;
          hold(runId, added);
          if (size > maxBytes) throw tooLarge();
          if (memory > most * MOST_OF_A_BODY)
            throw new BodyError(413, 'the body has more values than any gateway has room for');
          if (hasTooMuch(runId)) throw new BodyError(503, 'the gateway has too many bodies in hand');
          chunks.push(chunk);
        }
        return await use(parsed(Buffer.concat(chunks).toString('utf8')));
      } finally {
        hold(runId, -memory);
      }
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BodyError(400, 'the body is no JSON');
  }
}
