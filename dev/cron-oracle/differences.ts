// Where Trawler and robfig/cron are meant to differ. Each difference has its reason in docs/schedules.md, by the same
// name; what fits none of them is a defect.
import { findTimeZone } from '../../src/schedule/time-zone.ts';
import { type Expression, readExpression, readingOf, wallClock } from './reference.ts';

/** Both answers to one question; seconds since the epoch, undefined for never. */
export type Answers = {
  readonly expression: string;
  readonly timeZone: string;
  readonly second: number;
  readonly ours: number | undefined;
  readonly theirs: number | undefined;
};

export const DIFFERENCES = ['gap', 'overlap', 'astray', 'five-years'] as const;
export type Difference = (typeof DIFFERENCES)[number];

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** Which of the intended differences explains the two answers; undefined when none does. */
export function explain(answers: Answers): Difference | undefined {
  const { expression, timeZone, second, ours, theirs } = answers;
  if (ours === undefined) return undefined;
  const cron = readExpression(withoutMacro(expression));
  const clock = (instant: number) => wallClock(timeZone, instant * 1_000);
  const isDue = (instant: number) => cron.matches(readingOf(clock(instant)));

  const theirYears = new Date(ours * 1_000).getUTCFullYear() - new Date(second * 1_000).getUTCFullYear();
  if (theirs === undefined) return theirYears >= 5 ? 'five-years' : undefined;

  if (ours < theirs && isEndOfGap(cron, clock, ours)) return 'gap';
  if (ours > theirs && cron.namesHours && isDue(theirs) && isShownAgain(clock, theirs)) return 'overlap';
  // robfig/cron is plainly wrong: its answer is no reading of the expression, or passes one over.
  const isTheirsWrong = ours > theirs ? !isDue(theirs) : isDue(ours);
  const latest = Math.max(ours, theirs);
  // Its search begins at the first of the month.
  return isTheirsWrong && isChangedBetween(timeZone, second - 31 * DAY, latest) ? 'astray' : undefined;
}

function isChangedBetween(timeZone: string, first: number, last: number): boolean {
  const zone = findTimeZone(timeZone);
  if (zone === undefined) return false;
  const { offset } = zone.periodAt(first * 1_000);
  for (let at = first * 1_000; at <= last * 1_000; at = zone.periodAt(at).end) {
    if (zone.periodAt(at).offset !== offset) return true;
  }
  return false;
}

/** A reading that the clock jumps over, and that the expression names, is due at this instant. */
function isEndOfGap(cron: Expression, clock: (instant: number) => number, instant: number): boolean {
  if (!cron.namesHours) return false;
  for (let reading = clock(instant - 1) + 1_000; reading < clock(instant); reading += 1_000) {
    if (cron.matches(readingOf(reading))) return true;
  }
  return false;
}

/** Clocks are put back by half an hour, one or two. */
function isShownAgain(clock: (instant: number) => number, instant: number): boolean {
  return [0.5, 1, 2].some((hours) => clock(instant - hours * HOUR) === clock(instant));
}

function withoutMacro(expression: string): string {
  const macros: Record<string, string> = {
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *',
    '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@hourly': '0 * * * *',
  };
  return macros[expression] ?? expression;
}
