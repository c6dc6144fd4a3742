// What the pods of a run have logged, while they are there and when they are gone, in the order of its times.
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { LOG_LEVELS, type LogLevel } from '../telemetry/logger.ts';
import type { LogPart, LogReads } from './log-store.ts';

export type LogsOptions = {
  readonly namespace: string;
  readonly follow?: boolean;
  /** The last lines alone. */
  readonly tail?: number;
  /** Lines of the last so many milliseconds. */
  readonly since?: number;
  /** Lines of at least this level; those that tell none are always there. */
  readonly level?: LogLevel;
};

type Line = { readonly text: string; readonly at: number };

/** Parts of one question to the database: 2 MB, compressed. */
const PAGE = 50;
/** A part says how long it is unpacked, and whoever wrote it may lie. */
const MAX_UNPACKED = 8 * 1_024 * 1_024;
const POLL_MS = 1_000;
/** A worker sends its last part within seconds after the end. */
const LAST_PARTS_MS = 5_000;
/** Workers of a large run send a part a minute: one that begins before may end after it. */
const PART_LASTS_MS = 120_000;

const unpack = promisify(gunzip);

/** @throws Error for a run that nothing is known of */
export async function* logs(
  store: LogReads,
  run: string,
  { namespace, follow, tail, since, level }: LogsOptions,
  signal: AbortSignal,
  pollMs = POLL_MS,
): AsyncGenerator<string> {
  const runId = await store.runOf(namespace, run, signal);
  if (runId === undefined)
    throw new Error(`there is no run "${run}" in namespace ${namespace}, and nothing is kept of one`);
  const from = since === undefined ? undefined : new Date(Date.now() - since);
  const wanted = ({ text, at }: Line) => (from === undefined || at >= from.getTime()) && isAtLeast(text, level);
  const { lastId, droppedLines } = await store.progress(runId, signal);
  const until = BigInt(lastId);
  if (droppedLines > 0) yield note(`${droppedLines} lines were too much to be kept, after the first ones`);
  const recent = from === undefined ? {} : { since: from };
  if (tail === undefined) yield* allLines(store, runId, recent, until, wanted, signal);
  else yield* lastLines(store, runId, recent, until, tail, wanted, signal);
  if (follow) yield* newLines(store, runId, lastId, wanted, signal, pollMs);
}

/** Lines wait until no part can have an earlier one. */
async function* allLines(
  store: LogReads,
  runId: string,
  recent: { readonly since?: Date },
  until: bigint,
  wanted: (line: Line) => boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let waiting: Line[] = [];
  for await (const part of partsOf(store, runId, 'ByTime', recent, until, signal)) {
    const begins = part.firstAt.getTime();
    const [before, rest] = [waiting.filter(({ at }) => at < begins), waiting.filter(({ at }) => at >= begins)];
    yield* inOrder(before);
    waiting = [...rest, ...(await linesOf(part)).filter(wanted)];
  }
  yield* inOrder(waiting);
}

async function* lastLines(
  store: LogReads,
  runId: string,
  recent: { readonly since?: Date },
  until: bigint,
  tail: number,
  wanted: (line: Line) => boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let last: Line[] = [];
  for await (const part of partsOf(store, runId, 'ByTimeDown', recent, until, signal)) {
    const [oldest] = last;
    if (last.length >= tail && oldest && part.firstAt.getTime() < oldest.at - PART_LASTS_MS) break;
    last = sorted([...(await linesOf(part)).filter(wanted), ...last]).slice(-tail);
  }
  yield* inOrder(last);
}

async function* newLines(
  store: LogReads,
  runId: string,
  lastId: string,
  wanted: (line: Line) => boolean,
  signal: AbortSignal,
  pollMs: number,
): AsyncGenerator<string> {
  let logId = lastId;
  let finishedAt: number | undefined;
  for (;;) {
    const { isFinished } = await store.progress(runId, signal);
    const after = { logId, firstAt: new Date(0) };
    const parts = await store.parts(runId, { order: 'Stored', after, limit: PAGE }, signal);
    const lines = await Promise.all(parts.map(linesOf));
    yield* inOrder(lines.flat().filter(wanted));
    logId = parts.at(-1)?.logId ?? logId;
    if (parts.length > 0) finishedAt = undefined;
    else if (isFinished) {
      finishedAt ??= performance.now();
      if (performance.now() - finishedAt >= Math.min(LAST_PARTS_MS, 5 * pollMs)) return;
    }
    if (parts.length < PAGE) await sleep(pollMs, undefined, { signal });
  }
}

/** Those that were there at the beginning: what comes later belongs to who follows. */
async function* partsOf(
  store: LogReads,
  runId: string,
  order: 'ByTime' | 'ByTimeDown',
  recent: { readonly since?: Date },
  until: bigint,
  signal: AbortSignal,
): AsyncGenerator<LogPart> {
  for (let after: LogPart | undefined; ; ) {
    const page = await store.parts(runId, { order, ...recent, ...(after ? { after } : {}), limit: PAGE }, signal);
    for (const part of page) if (BigInt(part.logId) <= until) yield part;
    if (page.length < PAGE) return;
    after = page.at(-1);
  }
}

async function linesOf({ data, workerId, firstAt, lost }: LogPart): Promise<Line[]> {
  const at = firstAt.getTime();
  const missing =
    lost > 0 ? [{ text: note(`${lost} lines of worker ${workerId} were not kept: the gateway was slow`), at }] : [];
  let text: string;
  try {
    text = (await unpack(data, { maxOutputLength: MAX_UNPACKED })).toString('utf8');
  } catch {
    return [...missing, { text: note(`a part of worker ${workerId} cannot be read`), at }];
  }
  let latest = at;
  const lines = text.split('\n').filter(Boolean);
  return [
    ...missing,
    ...lines.map((line) => {
      latest = timeOf(line) ?? latest;
      return { text: printable(line), at: latest };
    }),
  ];
}

const TIME = /"time":"([^"]{1,40})"/;
const LEVEL = /"level":"([a-z]{1,10})"/;

function timeOf(line: string): number | undefined {
  const time = Date.parse(TIME.exec(line)?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}

function isAtLeast(line: string, level: LogLevel | undefined): boolean {
  if (level === undefined) return true;
  const found = (LOG_LEVELS as readonly string[]).indexOf(LEVEL.exec(line)?.[1] ?? '');
  return found === -1 || found >= LOG_LEVELS.indexOf(level);
}

/** A pod that was taken over may write what a terminal takes for commands. */
function printable(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return line.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** A line of the reader's own, in the form of the others. */
function note(message: string): string {
  return JSON.stringify({ level: 'warn', service: 'logs', msg: message });
}

function sorted(lines: readonly Line[]): Line[] {
  return lines.toSorted((a, b) => a.at - b.at);
}

function* inOrder(lines: readonly Line[]): Generator<string> {
  for (const { text } of sorted(lines)) yield text;
}
