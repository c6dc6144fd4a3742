// The CrawlRuns that come out of a schedule or of another run: due slots, manual runs, backfills, retries. Pure.

import { controllerOf, controllerReference, type NewObject } from '../kube/kube-object.ts';
import { timestamp } from '../kube/time.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { CrawlScheduleSpec } from '../resources/crawl-schedule.ts';
import { LABEL } from '../resources/group.ts';
import { runName } from '../resources/names.ts';
import type { CrawlRun, CrawlSchedule } from './types.ts';

type Trigger = CrawlRunSpec['trigger'];

function fromTemplate(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  name: string,
  trigger: Trigger,
): NewObject<CrawlRun> {
  const { metadata } = spec.runTemplate;
  return {
    metadata: {
      name,
      namespace: schedule.metadata.namespace,
      labels: {
        ...metadata.labels,
        [LABEL.schedule]: schedule.metadata.name,
        [LABEL.scheduleUid]: schedule.metadata.uid,
      },
      annotations: metadata.annotations,
      ownerReferences: [controllerReference(schedule)],
    },
    // As it was given: whoever reads it fills in the defaults, see docs/decisions/0021-lean-crawls.md.
    spec: { ...schedule.spec.runTemplate.spec, scheduleName: schedule.metadata.name, trigger },
  };
}

/** The run of a due slot; its name makes sure that there is never a second one. */
export function scheduledRun(schedule: CrawlSchedule, spec: CrawlScheduleSpec, slot: Date): NewObject<CrawlRun> {
  const trigger: Trigger = { type: 'Schedule', only: 'All', scheduledTime: timestamp(slot) };
  return fromTemplate(schedule, spec, runName(schedule.metadata.name, slot), trigger);
}

/** A run at once, beside the schedule: it has no slot and does not move the schedule on. */
export function manualRun(schedule: CrawlSchedule, spec: CrawlScheduleSpec, now: Date): NewObject<CrawlRun> {
  const name = `${runName(schedule.metadata.name, now)}-manual`;
  return fromTemplate(schedule, spec, name, { type: 'Manual', only: 'All' });
}

/** The run for a slot of the past; the suffix keeps it apart from the one that the schedule may have made itself. */
export function backfillRun(schedule: CrawlSchedule, spec: CrawlScheduleSpec, slot: Date): NewObject<CrawlRun> {
  const name = `${runName(schedule.metadata.name, slot)}-backfill`;
  return fromTemplate(schedule, spec, name, { type: 'Backfill', only: 'All', scheduledTime: timestamp(slot) });
}

/** The same crawl again: all of it, or the dead letters of the run alone. `attempt` counts from 1. */
export function retryRun(run: CrawlRun, only: Trigger['only'], attempt: number): NewObject<CrawlRun> {
  const { shutdown: _stopped, ...spec } = run.spec;
  const { metadata } = run;
  const owner = controllerOf(run);
  const { scheduledTime } = run.spec.trigger ?? {};
  return {
    metadata: {
      name: `${metadata.name}-retry-${attempt}`,
      namespace: metadata.namespace,
      ...(metadata.labels ? { labels: metadata.labels } : {}),
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    spec: {
      ...spec,
      trigger: {
        type: 'Retry',
        retryOf: metadata.name,
        only,
        ...(scheduledTime === undefined ? {} : { scheduledTime }),
      },
    },
  };
}
