// What webhooks are told of schedules, by their statuses: that failures have suspended one, that one is late.
import type { CrawlSchedule } from '../custom-resources/types.ts';
import { findCondition } from '../kube/conditions.ts';
import type { NotificationStore, ScheduleEvent } from '../store/notification-store.ts';

/** The events that a schedule's status calls for. The occasion is the transition, so that each is one event. */
export function eventsOf({ metadata, status }: CrawlSchedule): ScheduleEvent[] {
  return (['Suspended', 'Late'] as const).flatMap((event) => {
    const condition = findCondition(status?.conditions, event);
    // What spec.suspend says is the wish of a person, who knows.
    if (condition?.status !== 'True' || condition.reason === 'Suspended') return [];
    const { lastTransitionTime: since, reason, message } = condition;
    const { namespace, name: schedule, uid: scheduleUid } = metadata;
    return [{ scheduleUid, event, occasion: since, payload: { namespace, schedule, reason, message, since } }];
  });
}

/**
 * Writes the events of all schedules into the outbox, again and again as long as their statuses call for them: the outbox
 * holds each once. What this process has written is not written again.
 */
export function createScheduleEvents(store: Pick<NotificationStore, 'noteOfSchedule'>) {
  let written = new Set<string>();
  return async function note(schedules: readonly CrawlSchedule[], signal: AbortSignal): Promise<void> {
    const events = new Map(schedules.flatMap(eventsOf).map((event) => [keyOf(event), event]));
    for (const [key, event] of events) {
      if (written.has(key)) continue;
      await store.noteOfSchedule(event, signal);
      written.add(key);
    }
    written = new Set([...written].filter((key) => events.has(key)));
  };
}

function keyOf({ scheduleUid, event, occasion }: ScheduleEvent): string {
  return `${scheduleUid} ${event} ${occasion}`;
}
