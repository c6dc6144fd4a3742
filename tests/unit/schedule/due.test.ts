import { describe, expect, test } from 'vitest';
import { parseCron } from '#src/schedule/cron.ts';
import { type DueInput, dueSlots, MISSED_COUNT_LIMIT } from '#src/schedule/due.ts';
import { intervalTimetable, type Timetable } from '#src/schedule/timetable.ts';

function cron(expression: string): Timetable {
  const parsed = parseCron(expression, 'Etc/UTC', 'seed');
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.timetable;
}

const at = (text: string) => new Date(`2026-01-01T${text}Z`);
const latest = { policy: 'Latest', maxRuns: 1 } as const;

function due(change: Partial<DueInput>) {
  return dueSlots({
    timetable: cron('0 * * * *'),
    cursor: at('00:00:00'),
    now: at('00:00:00'),
    catchUp: latest,
    ...change,
  });
}

test('nothing is due before the first slot after the cursor', () => {
  expect(due({ now: at('00:59:59') })).toEqual({ slots: [], missed: 0 });
});

test('a slot is due at its very second, and dealt with once the cursor has reached it', () => {
  expect(due({ now: at('01:00:00') })).toEqual({ slots: [at('01:00:00')], missed: 0 });
  expect(due({ now: at('01:30:00'), cursor: at('01:00:00') }).slots).toEqual([]);
});

describe('after an outage', () => {
  const now = at('05:30:00');

  test('Latest makes up for the latest slot and counts the others', () => {
    expect(due({ now })).toEqual({ slots: [at('05:00:00')], missed: 4 });
  });

  test('All makes up for the newest maxRuns, oldest first', () => {
    const catchUp = { policy: 'All', maxRuns: 3 } as const;
    expect(due({ now, catchUp })).toEqual({ slots: [at('03:00:00'), at('04:00:00'), at('05:00:00')], missed: 2 });
    expect(due({ now, catchUp: { policy: 'All', maxRuns: 99 } })).toMatchObject({ slots: { length: 5 }, missed: 0 });
  });

  test('All leaves out what is past its starting deadline', () => {
    const input = { now, catchUp: { policy: 'All', maxRuns: 99 }, startingDeadlineSeconds: 5_400 } as const;
    expect(due(input)).toEqual({ slots: [at('04:00:00'), at('05:00:00')], missed: 3 });
  });

  test('None makes up for nothing', () => {
    const catchUp = { policy: 'None', maxRuns: 1 } as const;
    expect(due({ now, catchUp })).toEqual({ slots: [], missed: 4, tooLate: { slot: at('05:00:00'), rule: 'catchUp' } });
    expect(due({ now: at('05:01:00'), catchUp }).slots).toEqual([at('05:00:00')]);
  });

  test('counting is bounded, however long it was and however often the schedule is due', () => {
    const twoDays = new Date(at('00:00:00').getTime() + 48 * 3_600_000);
    const result = due({ timetable: cron('* * * * * *'), now: twoDays, catchUp: { policy: 'All', maxRuns: 5 } });
    expect(result.slots).toHaveLength(5);
    expect(result.missed).toBe(MISSED_COUNT_LIMIT);
  });
});

test('a slot past its starting deadline is not started', () => {
  const now = at('01:00:31');
  expect(due({ now, startingDeadlineSeconds: 30 })).toMatchObject({
    slots: [],
    tooLate: { slot: at('01:00:00'), rule: 'startingDeadlineSeconds' },
  });
  expect(due({ now, startingDeadlineSeconds: 31 }).slots).toEqual([at('01:00:00')]);
});

describe('intervalTimetable', () => {
  const timetable = intervalTimetable(90_000, at('00:00:00'));

  test('the anchor itself is no slot', () => {
    expect(timetable.latest(at('00:01:29'))).toBeUndefined();
    expect(timetable.next(at('00:00:00'))).toEqual(at('00:01:30'));
  });

  test('slots come at every multiple', () => {
    expect(timetable.latest(at('00:03:00'))).toEqual(at('00:03:00'));
    expect(timetable.latest(at('00:04:29'))).toEqual(at('00:03:00'));
    expect(timetable.next(at('00:03:00'))).toEqual(at('00:04:30'));
  });
});
