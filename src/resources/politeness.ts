// What a spec's politeness means to a host.
import type { CrawlRunSpec } from './crawl-run.ts';
import { durationMs } from './duration.ts';

const DAY_MS = 86_400_000;

/** Least time in ms between two documents of one host: the slower of the rate and the delay. */
export function hostSpacingMs({ requestsPerSecond, delay }: CrawlRunSpec['politeness']): number {
  return Math.max(1_000 / requestsPerSecond, Math.min(durationMs(delay), DAY_MS));
}
