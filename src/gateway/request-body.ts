// Bodies of requests, bounded each, by run and all together.
import type { IncomingMessage } from 'node:http';
import { leastMemoryOfBody, MOST_OF_A_BODY, memoryOfBody } from './protocol/body-memory.ts';

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

  function check(runId: string, memory: number): void {
    if (memory > most * MOST_OF_A_BODY)
      throw new BodyError(413, 'the body has more values than any gateway has room for');
    const hasTooMuch = (heldByRun.get(runId) ?? 0) > most - held;
    if (hasTooMuch) throw new BodyError(503, 'the gateway has too many bodies in hand');
  }

  return {
    async withJson(request, runId, maxBytes, use) {
      const { headers } = request;
      const tooLarge = () => new BodyError(413, `the body is larger than ${maxBytes} bytes`);
      if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new BodyError(415, 'the body is encoded');
      const announced = Number(headers['content-length'] ?? 0);
      if (announced > maxBytes) throw tooLarge();
      const chunks: Buffer[] = [];
      let size = 0;
      let counted = 0;
      // Before its first byte: of many that come at once, those that there is no room for are not read for nothing.
      let memory = leastMemoryOfBody(announced);
      hold(runId, memory);
      try {
        check(runId, memory);
        for await (const chunk of request as AsyncIterable<Buffer>) {
          size += chunk.length;
          counted += memoryOfBody(chunk);
          if (counted > memory) {
            hold(runId, counted - memory);
            memory = counted;
          }
          if (size > maxBytes) throw tooLarge();
          check(runId, memory);
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
