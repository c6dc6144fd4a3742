/** The most pages that a run's spec may let one worker have open at once. */
export const MAX_CONCURRENCY = 256;
