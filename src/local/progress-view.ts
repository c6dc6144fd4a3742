// How a local crawl gets on: a bar for each source on a terminal, plain lines now and then elsewhere.
import { createLogUpdate } from 'log-update';
import type { RunSnapshot, SourceSnapshot } from '../store/operator-store.ts';

export type ProgressView = {
  readonly show: (snapshot: RunSnapshot) => void;
  /** A line that stays. */
  readonly say: (line: string) => void;
  /** Leaves the last state on the screen. */
  readonly end: () => void;
};

const BAR_WIDTH = 24;
/** Between two plain lines. */
const PLAIN_EVERY_MS = 5_000;
/** Pages a second are those of so long. */
const RATE_OVER_MS = 5_000;
/** More sources are summed up in the last line. */
const MOST_BARS = 20;

/** A source as far as its line shows it. */
export type ShownSource = {
  readonly name: string;
  readonly progress: Pick<SourceSnapshot['progress'], 'total' | 'succeeded' | 'failed' | 'skipped' | 'items'>;
};

type Sample = { readonly at: number; readonly done: number };

/** Pages a second over the last seconds, from samples of pages done. */
export function rateOf(samples: readonly Sample[], now: number): number {
  const recent = samples.filter(({ at }) => now - at <= RATE_OVER_MS);
  const [first, last] = [recent[0], recent.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) return 0;
  return ((last.done - first.done) * 1_000) / (last.at - first.at);
}

/** `shop [█████░░░]  42% 21/50 pages, 3.1/s, 63 items, 1 failed` */
export function barLine({ name, progress }: ShownSource, rate: number, nameWidth: number): string {
  const { total, failed } = progress;
  const share = total === 0 ? 0 : doneOf(progress) / total;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${name.padEnd(nameWidth)} [${bar}] ${percent} ${countsOf(progress, rate)}${failed > 0 ? `, ${failed} failed` : ''}`;
}

/** `shop: 21 of 50 pages, 3.1/s, 63 items`, one after the other. */
export function plainLine(sources: readonly ShownSource[], rates: readonly number[]): string {
  return sources.map(({ name, progress }, index) => `${name}: ${countsOf(progress, rates[index] ?? 0)}`).join('; ');
}

function countsOf(progress: ShownSource['progress'], rate: number): string {
  return `${doneOf(progress)}/${progress.total} pages, ${rate.toFixed(1)}/s, ${progress.items} items`;
}

function doneOf({ succeeded, failed, skipped }: ShownSource['progress']): number {
  return succeeded + failed + skipped;
}

export function createProgressView(stream: NodeJS.WriteStream, isQuiet: boolean): ProgressView {
  const samples = new Map<string, Sample[]>();
  const update = stream.isTTY && !isQuiet ? createLogUpdate(stream) : undefined;
  let nextPlainAt = performance.now() + PLAIN_EVERY_MS;

  function measure({ name, progress }: SourceSnapshot, now: number): number {
    const kept = [...(samples.get(name) ?? []), { at: now, done: doneOf(progress) }];
    samples.set(
      name,
      kept.filter(({ at }) => now - at <= RATE_OVER_MS),
    );
    return rateOf(kept, now);
  }

  return {
    show(snapshot) {
      if (isQuiet) return;
      const now = performance.now();
      const sources = snapshot.sources.filter(({ active }) => active);
      const rates = sources.map((source) => measure(source, now));
      if (update !== undefined) {
        const width = Math.max(...sources.map(({ name }) => name.length));
        const bars = sources.slice(0, MOST_BARS).map((source, index) => barLine(source, rates[index] ?? 0, width));
        const rest = sources.length > MOST_BARS ? [`and ${sources.length - MOST_BARS} more sources`] : [];
        update([...bars, ...rest].join('\n'));
      } else if (now >= nextPlainAt) {
        nextPlainAt = now + PLAIN_EVERY_MS;
        stream.write(`${plainLine(sources, rates)}\n`);
      }
    },
    say(line) {
      if (isQuiet) return;
      update?.clear();
      stream.write(`${line}\n`);
    },
    end: () => update?.done(),
  };
}
