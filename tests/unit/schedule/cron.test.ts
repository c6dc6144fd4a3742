import { describe, expect, test } from 'vitest';
import { parseCron, parseCronCached } from '#src/schedule/cron.ts';
import type { Timetable } from '#src/schedule/timetable.ts';

function cron(expression: string, timeZone = 'Etc/UTC', seed = 'seed'): Timetable {
  const parsed = parseCron(expression, timeZone, seed);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.timetable;
}

const at = (text: string) => new Date(text);

/** The first slots after an instant. */
function slots(timetable: Timetable, after: string, count: number): string[] {
  const found: string[] = [];
  let slot = timetable.next(at(after));
  while (slot && found.length < count) {
    found.push(slot.toISOString().replace('.000Z', 'Z'));
    slot = timetable.next(slot);
  }
  return found;
}

describe('forms', () => {
  test.each([
    ['*/20 * * * *', ['2026-05-05T05:20:00Z', '2026-05-05T05:40:00Z']],
    ['30 0 12 * * *', ['2026-05-05T12:00:30Z', '2026-05-06T12:00:30Z']],
    ['@weekly', ['2026-05-10T00:00:00Z', '2026-05-17T00:00:00Z']],
    ['0 9 * * MON-FRI', ['2026-05-05T09:00:00Z', '2026-05-06T09:00:00Z']],
    ['0 0 L * *', ['2026-05-31T00:00:00Z', '2026-06-30T00:00:00Z']],
    ['0 0 * * 1#2', ['2026-05-11T00:00:00Z', '2026-06-08T00:00:00Z']],
    ['0 0 15W * *', ['2026-05-15T00:00:00Z', '2026-06-15T00:00:00Z']],
    ['0 0 29 2 *', ['2028-02-29T00:00:00Z', '2032-02-29T00:00:00Z']],
    ['10/20 * * * *', ['2026-05-05T05:10:00Z', '2026-05-05T05:30:00Z']],
    ['0 0 */1 * MON', ['2026-05-11T00:00:00Z', '2026-05-18T00:00:00Z']],
  ])('%s', (expression, expected) => {
    expect(slots(cron(expression), '2026-05-05T05:00:00Z', 2)).toEqual(expected);
  });

  test.each([
    ['61 * * * *', 'Etc/UTC', 'InvalidSchedule', /spec\.schedule: "61 \* \* \* \*".*minute/],
    ['* * * *', 'Etc/UTC', 'InvalidSchedule', /has 4 fields/],
    ['* * * * * * *', 'Etc/UTC', 'InvalidSchedule', /has 7 fields/],
    ['2026-12-12T00:00:00', 'Etc/UTC', 'InvalidSchedule', /has 1 fields/],
    ['@reboot', 'Etc/UTC', 'InvalidSchedule', /not a known macro; there are @yearly/],
    ['H(50-70) * * * *', 'Etc/UTC', 'InvalidSchedule', /the minute is "H\(50-70\)", and takes 0 to 59/],
    ['', 'Etc/UTC', 'InvalidSchedule', /is empty; write a cron expression such as 0 6/],
    ['a b c d e', 'Etc/UTC', 'InvalidSchedule', /the minute is "a", and takes 0 to 59/],
    ['61 0 6 * * *', 'Etc/UTC', 'InvalidSchedule', /the second is "61", and takes 0 to 59/],
    ['0 24 * * *', 'Etc/UTC', 'InvalidSchedule', /the hour is "24", and takes 0 to 23/],
    ['0 6 32 * *', 'Etc/UTC', 'InvalidSchedule', /the day of month is "32", and takes 1 to 31/],
    ['0 6 0 * *', 'Etc/UTC', 'InvalidSchedule', /the day of month is "0", and takes 1 to 31/],
    ['0 6 * 13 *', 'Etc/UTC', 'InvalidSchedule', /the month is "13", and takes 1 to 12, JAN to DEC/],
    ['0 6 * * MONDAY', 'Etc/UTC', 'InvalidSchedule', /the day of week is "MONDAY", and takes 0 to 7, SUN to SAT/],
    ['*/0 * * * *', 'Etc/UTC', 'InvalidSchedule', /the minute is "\*\/0"/],
    ['0 22-6 * * *', 'Etc/UTC', 'InvalidSchedule', /write 22-23,0-6 in place of 22-6/],
    ['0 6 * * FRI-MON', 'Etc/UTC', 'InvalidSchedule', /write FRI-SAT,SUN-MON in place of FRI-MON/],
    ['0 0 31 2 *', 'Etc/UTC', 'InvalidSchedule', /is never due/],
    ['* * * * *', 'Mars/Base', 'UnknownTimeZone', /spec\.timeZone: "Mars\/Base"/],
    ['* * * * *', '+02:00', 'UnknownTimeZone', /spec\.timeZone: "\+02:00" is not the name of an IANA time zone/],
    ['* * * * *', '-0330', 'UnknownTimeZone', /spec\.timeZone: "-0330"/],
    ['@every 5m', 'Etc/UTC', 'InvalidSchedule', /write spec\.interval: 5m in place of spec\.schedule/],
    ['@EVERY', 'Etc/UTC', 'InvalidSchedule', /write spec\.interval: 5m in place/],
    [
      'TZ=Europe/Paris 0 6 * * *',
      'Etc/UTC',
      'InvalidSchedule',
      /spec\.timeZone: Europe\/Paris and spec\.schedule: '0 6 \* \* \*'/,
    ],
    [
      'CRON_TZ=Asia/Tokyo @daily',
      'Etc/UTC',
      'InvalidSchedule',
      /spec\.timeZone: Asia\/Tokyo and spec\.schedule: '@daily'/,
    ],
  ])('%s in %s is refused as %s', (expression, zone, reason, message) => {
    const parsed = parseCron(expression, zone, 'seed');
    expect(parsed).toMatchObject({ ok: false, error: { reason, message: expect.stringMatching(message) } });
  });
});

test('the latest slot is never one that is still to come, not even by a millisecond', () => {
  expect(cron('* * * * *').latest(at('2026-05-05T05:00:59.999Z'))).toEqual(at('2026-05-05T05:00:00Z'));
  expect(cron('* * * * *').latest(at('2026-05-05T05:01:00.000Z'))).toEqual(at('2026-05-05T05:01:00Z'));
});

describe('daylight saving', () => {
  test('spring forward: a time in the gap is due once, at the end of the gap', () => {
    expect(slots(cron('30 2 * * *', 'America/New_York'), '2026-03-08T05:00:00Z', 2)).toEqual([
      '2026-03-08T07:00:00Z',
      '2026-03-09T06:30:00Z',
    ]);
  });

  test('fall back: a time that exists twice is due the first time only', () => {
    expect(slots(cron('30 1 * * *', 'America/New_York'), '2026-11-01T00:00:00Z', 2)).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-02T06:30:00Z',
    ]);
  });

  test('hours in a list or a range are due once, whatever the minutes are', () => {
    expect(slots(cron('30 2,14 * * *', 'America/New_York'), '2026-03-08T05:00:00Z', 2)).toEqual([
      '2026-03-08T07:00:00Z',
      '2026-03-08T18:30:00Z',
    ]);
    expect(slots(cron('*/30 1-2 * * *', 'America/New_York'), '2026-11-01T05:00:00Z', 3)).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-01T07:00:00Z',
      '2026-11-01T07:30:00Z',
    ]);
  });

  test('with a wildcard or a step for the hour, slots follow the time that passes', () => {
    expect(slots(cron('30 * * * *', 'America/New_York'), '2026-11-01T05:00:00Z', 3)).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-01T06:30:00Z',
      '2026-11-01T07:30:00Z',
    ]);
  });

  test('a rare reading that comes back when clocks are put back is found in both directions', () => {
    const early = cron('10 1/23 1 11 *', 'America/New_York');
    const late = cron('50 1/23 1 11 *', 'America/New_York');
    expect(early.next(at('2026-11-01T05:50:00Z'))).toEqual(at('2026-11-01T06:10:00Z'));
    expect(late.latest(at('2026-11-01T06:05:00Z'))).toEqual(at('2026-11-01T05:50:00Z'));
  });

  test('a gap that ends at midnight makes up for the evening before', () => {
    expect(slots(cron('30 23 * * *', 'America/Nuuk'), '2026-03-28T12:00:00Z', 1)).toEqual(['2026-03-29T01:00:00Z']);
  });
});

describe('H', () => {
  test('draws the same time for one seed and others for other seeds, well spread', () => {
    const minutes = Array.from({ length: 1_000 }, (_, index) => {
      const first = cron('H H * * *', 'Etc/UTC', `uid-${index}`).next(at('2026-05-05T00:00:00Z'));
      return (first?.getUTCHours() ?? 0) * 60 + (first?.getUTCMinutes() ?? 0);
    });
    expect(cron('H H * * *', 'Etc/UTC', 'a').next(at('2026-05-05T00:00:00Z'))).toEqual(
      cron('H H * * *', 'Etc/UTC', 'a').next(at('2026-05-05T00:00:00Z')),
    );
    const perHour = Map.groupBy(minutes, (minute) => Math.floor(minute / 60));
    expect(perHour.size).toBe(24);
    expect(Math.max(...[...perHour.values()].map((group) => group.length))).toBeLessThan(80);
  });

  test('H/15 is due every 15 minutes from a drawn offset below 15', () => {
    const [first, second] = slots(cron('H/15 * * * *'), '2026-05-05T00:00:00Z', 2).map((slot) =>
      at(slot).getUTCMinutes(),
    );
    expect(first).toBeLessThan(15);
    expect(second).toBe((first ?? 0) + 15);
  });

  test('H(0-9) stays within its range, a hashed day is in every month, and THU is no H', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      expect(
        cron('H(0-9) * * * *', 'Etc/UTC', `${seed}`).next(at('2026-05-05T00:00:00Z'))?.getUTCMinutes(),
      ).toBeLessThan(10);
      expect(
        slots(cron('0 0 H * *', 'Etc/UTC', `${seed}`), '2026-01-01T00:00:01Z', 12).map((slot) => slot.slice(5, 7)),
      ).toContain('02');
    }
    expect(cron('0 0 * * THU').next(at('2026-05-05T00:00:00Z'))).toEqual(at('2026-05-07T00:00:00Z'));
  });
});

describe('parseCronCached', () => {
  const slotOf = (expression: string, seed: string) => {
    const parsed = parseCronCached(expression, 'Etc/UTC', seed);
    return parsed.ok ? parsed.timetable.next(at('2026-11-22T00:00:00Z')) : undefined;
  };

  test('the same expression has its slots found once, whoever asks', () => {
    expect(slotOf('30 3 * * *', 'a')).toBe(slotOf('30 3 * * *', 'b'));
  });

  test('one that draws has slots for each seed', () => {
    const slots = ['a', 'b', 'c'].map((seed) => slotOf('H H * * *', seed)?.toISOString());
    expect(new Set(slots).size).toBe(3);
  });
});
