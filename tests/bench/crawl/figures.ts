// From what each contender did in each round to the figures that are compared with the goals.
import type { Ride } from './rides.ts';

/** By corpus, by contender: one ride a round. */
export type Rides = ReadonlyMap<string, ReadonlyMap<string, readonly Ride[]>>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? Number.NaN, sorted[Math.floor(middle)] ?? Number.NaN];
  return (low + high) / 2;
}

/** Pages a second of one contender over those of another: medians, and the corpus where that is lowest. */
export function lowestRatio(rides: Rides, name: string, other: string): { ratio: number; corpus: string } {
  const ratios = [...rides].map(([corpus, byName]) => ({
    corpus,
    ratio: speedOf(byName.get(name)) / speedOf(byName.get(other)),
  }));
  return ratios.reduce(
    (lowest, one) => (one.ratio < lowest.ratio ? one : lowest),
    ratios[0] ?? { ratio: Number.NaN, corpus: '' },
  );
}

export function speedOf(rides: readonly Ride[] = []): number {
  return median(rides.map((ride) => ride.pagesPerSecond));
}

/** Peak memory in MB by corpus: the median of the rounds. */
export function memoryOf(rides: Rides, name: string): number[] {
  return [...rides.values()].map((byName) => median((byName.get(name) ?? []).map((ride) => ride.peakMb)));
}
