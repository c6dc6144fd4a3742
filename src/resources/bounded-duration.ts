// A field that holds a duration, with its bounds: the API server refuses what is outside of them.
import { z } from 'zod';
import { DURATION_PATTERN, durationMs } from './duration.ts';
import { withRules } from './validation.ts';

/** Longest text of a duration. */
const LONGEST = 32;

/**
 * A duration of at least `least` and at most `greatest`. One that an earlier version of the schema let in is read as the
 * nearer bound: no reader has to think of an interval of nothing.
 */
export function boundedDuration(least: string, greatest: string) {
  const [leastMs, greatestMs] = [durationMs(least), durationMs(greatest)];
  const within = (text: string) => {
    const ms = durationMs(text);
    return ms < leastMs ? least : ms > greatestMs ? greatest : text;
  };
  const text = z.string().max(LONGEST).regex(DURATION_PATTERN, { abort: true }).overwrite(within);
  return withRules(text, [
    {
      rule: `duration(self) >= duration('${least}') && duration(self) <= duration('${greatest}')`,
      message: `must be between ${least} and ${greatest}`,
      reason: 'FieldValueInvalid',
    },
  ]);
}
