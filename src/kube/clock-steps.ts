// How far the wall clock of this machine was set back or forward while the process was running.

/** Smaller steps are how a clock is kept right. */
const LEAST_STEP_MS = 1_000;

/**
 * Asked again and again: milliseconds by which the wall clock was set since the last step that was told, negative when it was
 * set back; 0 when it went on as time does. A clock that drifts is told when it has come to a step.
 */
export function createClockSteps(): () => number {
  const drift = () => Date.now() - performance.now();
  let known = drift();
  return () => {
    const step = drift() - known;
    if (Math.abs(step) < LEAST_STEP_MS) return 0;
    known += step;
    return step;
  };
}
