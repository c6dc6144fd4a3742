// How fast pages are done, and when all of them will be, with how far that can be trusted. Pure functions.

/** Pages of a run or a source, at one time. */
export type Sample = { readonly at: number; readonly done: number; readonly known: number };

export type Outlook = {
  /** Pages a second over the samples. */
  readonly rate: number;
  /** Seconds until all that is known is done; undefined while nothing moves. */
  readonly secondsLeft?: number;
  /** Low: pages are found as fast as they are done, or few are done. Medium: the pace changes, or some are found. */
  readonly confidence?: 'low' | 'medium' | 'high';
};

/** Pages are a guess as long as fewer were done. */
const FEW_PAGES = 20;
/** By so much the pace of both halves of the time may differ. */
const STEADY = 0.25;

/** @param samples the oldest first, with times in milliseconds */
export function outlookOf(samples: readonly Sample[]): Outlook {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return { rate: 0 };
  const rate = ratio(first, last);
  const left = last.known - last.done;
  if (left <= 0) return { rate, secondsLeft: 0, confidence: 'high' };
  if (rate <= 0) return { rate: 0 };
  return { rate, secondsLeft: Math.ceil(left / rate), confidence: confidenceOf(samples, first, last) };
}

function confidenceOf(samples: readonly Sample[], first: Sample, last: Sample): 'low' | 'medium' | 'high' {
  const done = last.done - first.done;
  const found = last.known - first.known;
  if (done < FEW_PAGES || found >= done) return 'low';
  const middle = samples[Math.floor(samples.length / 2)] ?? last;
  const [earlier, later] = [ratio(first, middle), ratio(middle, last)];
  const isSteady = Math.abs(earlier - later) <= STEADY * Math.max(earlier, later);
  return isSteady && found <= done / 10 ? 'high' : 'medium';
}

/** Pages done a second between both. */
function ratio(first: Sample, last: Sample): number {
  return last.at <= first.at ? 0 : ((last.done - first.done) * 1_000) / (last.at - first.at);
}

/** `about 4m20s left (medium confidence)`, or why that cannot be said. */
export function outlookInWords({ secondsLeft, confidence }: Outlook): string {
  if (secondsLeft === undefined) return 'nothing moves';
  if (secondsLeft === 0) return 'all that is known is done';
  return `about ${clock(secondsLeft)} left (${confidence} confidence)`;
}

function clock(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  if (hours > 0) return `${hours}h${minutes}m`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
