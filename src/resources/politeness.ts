// What a spec's politeness means to a host.
import type { CrawlRunSpec } from './crawl-run.ts';
import { durationMs } from './duration.ts';

/**
 * A run's weight where several share a host: 1 for priority 0, more with each step, but never so much that others stand
 * still (from 1/21 to 21).
 */
export function shareWeight(priority: number): number {
  const steps = 1 + Math.log2(1 + Math.abs(priority));
  return priority < 0 ? 1 / steps : steps;
}

const DAY_MS = 86_400_000;

/** Least time in ms between two documents of one host: the slower of the rate and the delay. */
export function hostSpacingMs({ requestsPerSecond, delay }: CrawlRunSpec['politeness']): number {
  return Math.max(1_000 / requestsPerSecond, Math.min(durationMs(delay), DAY_MS));
}
