import { expect, test } from 'vitest';
import { createScheduleEvents, eventsOf } from '#src/controllers/schedule-events.ts';
import type { CrawlSchedule } from '#src/custom-resources/types.ts';
import type { ScheduleEvent } from '#src/store/notification-store.ts';

const { signal } = new AbortController();

function schedule(
  type: string,
  status: 'True' | 'False',
  reason: string,
  since = '2026-01-01T00:00:00Z',
): CrawlSchedule {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'shop', namespace: 'default', uid: 'uid', resourceVersion: '1' },
    spec: { schedule: '0 * * * *', runTemplate: { spec: { sources: [] } } },
    status: { conditions: [{ type, status, reason, message: 'why', lastTransitionTime: since }] },
  };
}

test.each<[string, CrawlSchedule, string[]]>([
  ['failures have suspended it', schedule('Suspended', 'True', 'FailedTooOften'), ['Suspended']],
  ['a person has suspended it', schedule('Suspended', 'True', 'Suspended'), []],
  ['it goes on', schedule('Suspended', 'False', 'Scheduled'), []],
  ['it is late', schedule('Late', 'True', 'NoSuccessInTime'), ['Late']],
  ['it is in time', schedule('Late', 'False', 'SucceededInTime'), []],
  ['it is not ready', schedule('Ready', 'False', 'FailedTooOften'), []],
])('%s', (_what, object, events) => {
  expect(eventsOf(object).map(({ event }) => event)).toEqual(events);
});

test('an event is written once for each transition, and again when that failed', async () => {
  const written: string[] = [];
  let isAway = true;
  const note = createScheduleEvents({
    async noteOfSchedule({ event, occasion }: ScheduleEvent) {
      if (isAway) throw new Error('away');
      written.push(`${event} ${occasion}`);
    },
  });
  const late = (since: string) => [schedule('Late', 'True', 'NoSuccessInTime', since)];
  await expect(note(late('monday'), signal)).rejects.toThrow('away');
  isAway = false;
  for (const list of [late('monday'), late('monday'), [], late('friday')]) await note(list, signal);
  expect(written).toEqual(['Late monday', 'Late friday']);
});
