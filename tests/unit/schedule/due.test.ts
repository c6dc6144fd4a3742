import { describe, expect, test } from 'vitest';
import { type CronSchedule, parseCron } from '#src/schedule/cron.ts';
import { dueSlot, MISSED_COUNT_LIMIT } from '#src/schedule/due.ts';

function cron(expression: string, timeZone = 'Etc/UTC'): CronSchedule {
  const parsed = parseCron(expression, timeZone);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.schedule;
}

const at = (text: string) => new Date(text);

describe('dueSlot', () => {
  test('nothing is due before the first slot after the cursor', () => {
    const due = dueSlot({
      schedule: cron('0 * * * *'),
      cursor: at('2026-01-01T10:00:00Z'),
      now: at('2026-01-01T10:59:59Z'),
    });
    expect(due).toEqual({ missed: 0, next: at('2026-01-01T11:00:00Z') });
  });

  test('a slot is due at its very second', () => {
    const due = dueSlot({
      schedule: cron('0 * * * *'),
      cursor: at('2026-01-01T10:00:00Z'),
      now: at('2026-01-01T11:00:00Z'),
    });
    expect(due).toEqual({ slot: at('2026-01-01T11:00:00Z'), missed: 0, next: at('2026-01-01T12:00:00Z') });
  });

  test('a slot is dealt with once the cursor has reached it', () => {
    const slot = at('2026-01-01T11:00:00Z');
    expect(
      dueSlot({ schedule: cron('0 * * * *'), cursor: slot, now: at('2026-01-01T11:30:00Z') }).slot,
    ).toBeUndefined();
  });

  test('after an outage only the latest slot is due and the others are counted', () => {
    const due = dueSlot({
      schedule: cron('0 * * * *'),
      cursor: at('2026-01-01T00:00:00Z'),
      now: at('2026-01-01T05:30:00Z'),
    });
    expect(due).toMatchObject({ slot: at('2026-01-01T05:00:00Z'), missed: 4 });
  });

  test('counting missed slots is bounded', () => {
    const due = dueSlot({
      schedule: cron('* * * * *'),
      cursor: at('2026-01-01T00:00:00Z'),
      now: at('2026-06-01T00:00:00Z'),
    });
    expect(due.missed).toBe(MISSED_COUNT_LIMIT);
  });

  test('a slot past its starting deadline is not started', () => {
    const input = { schedule: cron('0 * * * *'), cursor: at('2026-01-01T00:00:00Z'), now: at('2026-01-01T01:00:31Z') };
    expect(dueSlot({ ...input, startingDeadlineSeconds: 30 })).toMatchObject({ tooLate: at('2026-01-01T01:00:00Z') });
    expect(dueSlot({ ...input, startingDeadlineSeconds: 31 })).toMatchObject({ slot: at('2026-01-01T01:00:00Z') });
  });
});

describe('parseCron', () => {
  test('spring forward: a time in the gap is due once, at the end of the gap', () => {
    const schedule = cron('30 2 * * *', 'America/New_York');
    const first = schedule.next(at('2026-03-08T05:00:00Z'));
    expect(first).toEqual(at('2026-03-08T07:00:00Z'));
    expect(schedule.next(at('2026-03-08T07:00:00Z'))).toEqual(at('2026-03-09T06:30:00Z'));
  });

  test('fall back: a time that exists twice is due the first time only', () => {
    const schedule = cron('30 1 * * *', 'America/New_York');
    expect(schedule.next(at('2026-11-01T00:00:00Z'))).toEqual(at('2026-11-01T05:30:00Z'));
    expect(schedule.next(at('2026-11-01T05:30:00Z'))).toEqual(at('2026-11-02T06:30:00Z'));
  });

  test.each([
    ['61 * * * *', 'Etc/UTC', 'InvalidSchedule', /spec\.schedule: "61 \* \* \* \*".*minute/],
    ['* * * *', 'Etc/UTC', 'InvalidSchedule', /five fields/],
    ['0 0 31 2 *', 'Etc/UTC', 'InvalidSchedule', /never due/],
    ['* * * * *', 'Mars/Base', 'UnknownTimeZone', /spec\.timeZone: "Mars\/Base"/],
  ])('%s in %s is refused as %s', (expression, zone, reason, message) => {
    const parsed = parseCron(expression, zone);
    expect(parsed).toMatchObject({ ok: false, error: { reason, message: expect.stringMatching(message) } });
  });
});
