// Heartbeats of many workers in few statements. What arrives within a quarter of a second is written together; whatever cannot
// be written so is written alone, so that no worker is held up by another one, nor fails with it.
import type { RunKey } from '../store/worker-calls.ts';
import type { CallArguments } from './protocol/calls.ts';

/** From the start of one statement to that of the next. */
const WRITE_EVERY_MS = 250;
const MOST_AT_ONCE = 500;

export type BeatingRun = { readonly key: RunKey };
export type BeatRequest = CallArguments<'write-heartbeat'>;
export type Beat<Run extends BeatingRun> = { readonly run: Run; readonly request: BeatRequest };

export type HeartbeatsOptions<Run extends BeatingRun> = {
  /** Answers in their order, as JSON; null for those that have to be written alone. */
  readonly writeTogether: (beats: readonly Beat<Run>[]) => Promise<readonly (string | null)[]>;
  readonly writeAlone: (beat: Beat<Run>) => Promise<string>;
};

export type Heartbeats<Run extends BeatingRun> = {
  /** JSON of the answer. */
  write(run: Run, request: BeatRequest): Promise<string>;
};

type WaitingBeat<Run extends BeatingRun> = Beat<Run> & { readonly answer: (answer: Promise<string>) => void };

export function createHeartbeats<Run extends BeatingRun>(options: HeartbeatsOptions<Run>): Heartbeats<Run> {
  let waiting: WaitingBeat<Run>[] = [];
  let lastAt = Number.NEGATIVE_INFINITY;

  function writeSoon(): void {
    setTimeout(writeWaiting, Math.max(0, lastAt + WRITE_EVERY_MS - performance.now()));
  }

  function writeWaiting(): void {
    const beats = waiting.slice(0, MOST_AT_ONCE);
    waiting = waiting.slice(MOST_AT_ONCE);
    lastAt = performance.now();
    if (waiting.length > 0) writeSoon();
    const answers = beats.length === 1 ? Promise.resolve([]) : options.writeTogether(beats);
    // What keeps them from being written together, each of them meets by itself.
    const settled = answers.catch((): (string | null)[] => []);
    for (const [index, beat] of beats.entries()) {
      beat.answer(settled.then((known) => known[index] ?? options.writeAlone(beat)));
    }
  }

  return {
    write(run, request) {
      const { promise, resolve } = Promise.withResolvers<string>();
      waiting.push({ run, request, answer: resolve });
      if (waiting.length === 1) writeSoon();
      return promise;
    },
  };
}
