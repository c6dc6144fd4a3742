// Times as the API server writes them: whole seconds in most fields, six fractional digits in Leases and Events.

/** metav1.Time, such as `2026-11-22T09:30:00Z`. With a fraction, every comparison with the stored value would differ. */
export function timestamp(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime, such as `2026-11-22T09:30:00.123000Z`: the API server wants exactly six fractional digits. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
