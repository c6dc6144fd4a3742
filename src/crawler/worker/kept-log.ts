// What a worker logs is also sent to the gateway, in compressed parts, so that it can be read when the pod is gone. The crawl never
// waits for it: lines that cannot be sent soon enough are dropped and counted.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type CallRequest, MAX_LOG_BYTES, type WorkerCalls } from '../../gateway/protocol/calls.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { LineSink } from '../../telemetry/logger.ts';
import { pause } from '../pause.ts';

type Part = CallRequest<'write-log'>['part'];

export type KeptLog = LineSink & {
  /** Sends from now on. Until then lines gather. */
  begin(calls: Pick<WorkerCalls, 'call'>, workerId: string): void;
  /** Parts of so many workers come at about the pace of those of a few. */
  shareWith(workers: number): void;
  /** Sends what is left, for three seconds at most. Never rejects. */
  end(): Promise<void>;
};

/** What waits to be sent, in characters; beyond it the oldest lines go. */
const MOST_WAITING = 1_000_000;
/** Lines of one part, in characters: enough to compress well. */
const PART_CHARACTERS = 250_000;
/** A longer line is cut. */
const MAX_LINE = 16_000;
const PARTS_AT_ONCE = 4;
const INTERVAL_MS = 3_000;
const INTERVAL_MS_PER_WORKER = 500;
const MAX_INTERVAL_MS = 60_000;
const CALL_TIMEOUT_MS = 10_000;
const LAST_CALL_MS = 3_000;
/** After these there is nobody to send to any more: a gateway of before, or the run's token is revoked. */
const FINAL: readonly string[] = ['SchemaMismatch', 'TokenRefused', 'RunFinished'];

/** The part of a worker that cannot send any other afterwards. */
const LAST_SEQ = 1_000_000_000;

const compress = promisify(gzip);

/** A part with one line, as the last word of a worker whose main thread does not come back. */
export async function lastWord(line: string, now = Date.now()): Promise<Part> {
  const data = await compress(line);
  return { seq: LAST_SEQ, firstAt: now, lastAt: now, lines: 1, lost: 0, data: data.toString('base64') };
}

export function createKeptLog({
  now = Date.now,
  leastIntervalMs = INTERVAL_MS,
}: {
  readonly now?: () => number;
  readonly leastIntervalMs?: number;
} = {}): KeptLog {
  const waiting: { readonly line: string; readonly at: number }[] = [];
  let characters = 0;
  let lost = 0;
  let seq = 0;
  /** Made and not answered yet: it is sent again as it was, since it may have been stored. */
  let pending: Part | undefined;
  let isOver = false;
  let intervalMs = leastIntervalMs;
  const ending = new AbortController();
  let sending: Promise<void> | undefined;
  let send: ((part: Part, signal: AbortSignal) => Promise<unknown>) | undefined;

  function dropOldest(): void {
    const oldest = waiting.shift();
    characters -= oldest?.line.length ?? 0;
    lost += 1;
  }

  function hasMore(): boolean {
    return send !== undefined && !isOver && (pending !== undefined || waiting.length > 0);
  }

  function giveUp(): void {
    isOver = true;
    waiting.length = 0;
    pending = undefined;
  }

  /** The next part, of as many lines as fit when they are compressed. */
  async function takePart(): Promise<Part> {
    let size = 0;
    let taken = 0;
    for (const { line } of waiting) {
      if (taken > 0 && size + line.length > PART_CHARACTERS) break;
      size += line.length;
      taken += 1;
    }
    const lines = waiting.splice(0, taken);
    characters -= size;
    for (let end = lines.length; ; end = Math.ceil(end / 2)) {
      const part = lines.slice(0, end);
      const data = await compress(part.map(({ line }) => line).join(''));
      if (data.length > MAX_LOG_BYTES && end > 1) continue;
      const rest = lines.slice(end);
      waiting.unshift(...rest);
      characters += rest.reduce((sum, { line }) => sum + line.length, 0);
      seq += 1;
      const [first, last] = [part[0]?.at ?? now(), part.at(-1)?.at ?? now()];
      const before = lost;
      lost = 0;
      return {
        ...{ seq, firstAt: first, lastAt: last, lines: part.length, lost: Math.min(before, 1e9) },
        data: data.toString('base64'),
      };
    }
  }

  /** Sends what waits, until something goes wrong. What is written faster than that is dropped. */
  async function flush(mostParts: number, signal: AbortSignal): Promise<void> {
    for (let parts = 0; parts < mostParts && hasMore(); parts++) {
      try {
        pending ??= await takePart();
        await send?.(pending, AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]));
        pending = undefined;
      } catch (error) {
        if (!(error instanceof StoreError)) return;
        if (FINAL.includes(error.reason)) giveUp();
        // It would be refused again, and all that come after it would wait.
        if (error.reason === 'Refused') {
          lost += (pending?.lines ?? 0) + (pending?.lost ?? 0);
          pending = undefined;
        }
        return;
      }
    }
  }

  async function keepSending(): Promise<void> {
    const { signal } = ending;
    while (!signal.aborted && !isOver) {
      await pause(intervalMs, signal).catch(() => {});
      if (!signal.aborted) await flush(PARTS_AT_ONCE, signal);
    }
  }

  return {
    write(text) {
      if (isOver) return;
      const line = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…\n` : text;
      waiting.push({ line, at: now() });
      characters += line.length;
      while (characters > MOST_WAITING) dropOldest();
    },
    begin(calls, workerId) {
      send = (part, signal) => calls.call('write-log', { workerId, part }, signal);
      sending = keepSending();
    },
    shareWith(workers) {
      intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(leastIntervalMs, workers * INTERVAL_MS_PER_WORKER));
    },
    async end() {
      ending.abort(new Error('the worker ends'));
      await sending;
      await flush(Number.POSITIVE_INFINITY, AbortSignal.timeout(LAST_CALL_MS));
      giveUp();
    },
  };
}
