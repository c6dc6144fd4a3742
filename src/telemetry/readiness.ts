// The state of what a process depends on, asked no more often than it is worth.

/** `true`, or why the dependency cannot be used. */
export type Readiness = true | string;
export type ReadinessCheck = () => Promise<Readiness>;

/**
 * The check's last answer, as long as that is fresh: probes come every few seconds, and an answer that costs several
 * requests need not.
 * @param freshMs how long an answer is good, in milliseconds; a bad one is good for a fifth of it
 * @param now a monotonic clock, in milliseconds
 */
export function remembered(check: ReadinessCheck, freshMs: number, now = () => performance.now()): ReadinessCheck {
  let last: { readonly answer: Promise<Readiness>; readonly until: number } | undefined;
  return () => {
    if (last !== undefined && now() < last.until) return last.answer;
    const answer = check();
    const asked = { answer, until: Number.POSITIVE_INFINITY };
    last = asked;
    const keepFor = (ms: number) => {
      if (last === asked) last = { answer, until: now() + ms };
    };
    answer.then(
      (state) => keepFor(state === true ? freshMs : freshMs / 5),
      () => keepFor(0),
    );
    return answer;
  };
}
