// Durations as Kubernetes users write them: "30s", "5m", "1h30m", "500ms".

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** RE2 and JavaScript alike; the API server refuses what does not match. */
export const DURATION_PATTERN = /^([0-9]{1,6}(ms|s|m|h))+$/;

/** The duration as it is written, in the largest units that are whole: 5400000 is "1h30m". */
export function formatDuration(ms: number): string {
  const parts: string[] = [];
  let left = Math.round(ms);
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const amount = Math.floor(left / UNIT_MS[unit]);
    if (amount > 0) parts.push(`${amount}${unit}`);
    left -= amount * UNIT_MS[unit];
  }
  return parts.join('') || '0s';
}

/** Milliseconds of a duration; throws a RangeError that quotes the text when it is not one. */
export function durationMs(text: string): number {
  if (!DURATION_PATTERN.test(text)) {
    throw new RangeError(`"${text}" is not a duration: write a number with ms, s, m or h, such as 30s or 1h30m`);
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h)/g)) {
    total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return total;
}
