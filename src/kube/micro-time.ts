// metav1.MicroTime, the time format of Leases and Events: the API server wants exactly six fractional digits.

/** For example `2026-11-22T09:30:00.123000Z`. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
