// Percentiles of what was measured.

/** Of milliseconds, with one decimal; 0 of none. Sorts them. */
export function percentile(values: number[], share = 0.99): number {
  values.sort((a, b) => a - b);
  return Math.round((values[Math.floor(values.length * share)] ?? 0) * 10) / 10;
}
