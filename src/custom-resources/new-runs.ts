// The CrawlRuns that come out of a schedule or of another run: due slots, manual runs, backfills, retries. Pure.

import { createHash } from 'node:crypto';
import { controllerOf, controllerReference, type NewObject, type OwnerReference } from '../kube/kube-object.ts';
import { timestamp } from '../kube/time.ts';
import { type CrawlRunSpec, LOWEST_PRIORITY } from '../resources/crawl-run.ts';
import type { CrawlScheduleSpec } from '../resources/crawl-schedule.ts';
import { ANNOTATION, LABEL } from '../resources/group.ts';
import { runName } from '../resources/names.ts';
import { inheritedSources, type RetryPart } from './retries.ts';
import type { CrawlBackfill, CrawlRun, CrawlSchedule } from './types.ts';

/** What `kubectl apply` notes: the object as its own user gave it. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

type Trigger = CrawlRunSpec['trigger'];

/**
 * The owner of a run that a user makes: it does not block the schedule's deletion, which only those may ask for who may
 * change the schedule's finalizers (OwnerReferencesPermissionEnforcement).
 */
function ownedBy(schedule: CrawlSchedule): OwnerReference {
  return { ...controllerReference(schedule), blockOwnerDeletion: false };
}

function fromTemplate(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  name: string,
  trigger: Trigger,
  owner: OwnerReference,
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
      ownerReferences: [owner],
    },
    // As it was given: whoever reads it fills in the defaults, see docs/decisions/0021-lean-crawls.md.
    spec: { ...schedule.spec.runTemplate.spec, scheduleName: schedule.metadata.name, trigger },
  };
}

/** The run of a due slot; its name makes sure that there is never a second one. */
export function slotRun(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  slot: Date,
  type: 'Schedule' | 'CatchUp',
): NewObject<CrawlRun> {
  const trigger: Trigger = { type, only: 'All', scheduledTime: timestamp(slot) };
  return fromTemplate(schedule, spec, runName(schedule.metadata.name, slot), trigger, controllerReference(schedule));
}

/** A run at once, beside the schedule: it has no slot and does not move the schedule on. */
export function manualRun(schedule: CrawlSchedule, spec: CrawlScheduleSpec, now: Date): NewObject<CrawlRun> {
  return manualRunNamed(`${runName(schedule.metadata.name, now)}-manual`, schedule, spec);
}

/** The manual run that an annotation asks for: the same request gives the same run. */
export function requestedRun(schedule: CrawlSchedule, spec: CrawlScheduleSpec, request: string): NewObject<CrawlRun> {
  const { name, uid } = schedule.metadata;
  const hash = createHash('sha256').update(`${uid}/${request}`).digest('hex').slice(0, 8);
  return manualRunNamed(`${name}-${hash}-manual`, schedule, spec);
}

function manualRunNamed(name: string, schedule: CrawlSchedule, spec: CrawlScheduleSpec): NewObject<CrawlRun> {
  return fromTemplate(schedule, spec, name, { type: 'Manual', only: 'All' }, ownedBy(schedule));
}

type BackfillRef = { readonly metadata: Pick<CrawlBackfill['metadata'], 'name' | 'uid'> };

/** The name of a backfill's run for a slot: another backfill never makes that run. */
export function backfillRunName(scheduleName: string, slot: Date, { metadata }: BackfillRef): string {
  const hash = createHash('sha256').update(metadata.uid).digest('hex').slice(0, 6);
  return `${runName(scheduleName, slot)}-backfill-${hash}`;
}

/** The run of a backfill for a slot of the past. In line and at hosts it comes after those of the schedule. */
export function backfillRun(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  slot: Date,
  backfill: BackfillRef,
): NewObject<CrawlRun> {
  const name = backfillRunName(schedule.metadata.name, slot, backfill);
  const trigger: Trigger = { type: 'Backfill', only: 'All', scheduledTime: timestamp(slot) };
  const run = fromTemplate(schedule, spec, name, trigger, ownedBy(schedule));
  const { name: backfillName, uid } = backfill.metadata;
  const labels = { ...run.metadata.labels, [LABEL.backfill]: backfillName, [LABEL.backfillUid]: uid };
  const priority = Math.max(LOWEST_PRIORITY, (schedule.spec.runTemplate.spec.priority ?? 0) - 1);
  return { metadata: { ...run.metadata, labels }, spec: { ...run.spec, priority } };
}

/**
 * The retry that spec.retryPolicy asks for; `number` counts from 1. Retries of one run have its name and their number, so that
 * none is made twice.
 */
export function automaticRetry(run: CrawlRun, only: Trigger['only'], number: number): NewObject<CrawlRun> {
  const { metadata, spec } = retryRun(run, { only }, number);
  const { name } = run.metadata;
  const first = run.spec.trigger?.attempt === undefined ? name : name.replace(/-auto-\d+$/, '');
  return {
    metadata: { ...metadata, name: `${first}-auto-${number}` },
    spec: { ...spec, trigger: { ...spec.trigger, attempt: number } },
  };
}

/** The same crawl again, all of it or a part. `attempt` counts from 1. */
export function retryRun(run: CrawlRun, { only, causes, sources }: RetryPart, attempt: number): NewObject<CrawlRun> {
  const { shutdown: _stopped, suspend: _paused, ...spec } = run.spec;
  const { metadata } = run;
  const owner = controllerOf(run);
  const {
    [LAST_APPLIED]: _applied,
    [ANNOTATION.pausedBy]: _pausedBy,
    [ANNOTATION.pauseNote]: _pauseNote,
    ...annotations
  } = metadata.annotations ?? {};
  const { scheduledTime } = run.spec.trigger ?? {};
  const confinedTo = sources ?? inheritedSources(run);
  return {
    metadata: {
      name: `${metadata.name}-retry-${attempt}`,
      namespace: metadata.namespace,
      ...(metadata.labels ? { labels: metadata.labels } : {}),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ...(owner ? { ownerReferences: [{ ...owner, blockOwnerDeletion: false }] } : {}),
    },
    spec: {
      ...spec,
      trigger: {
        type: 'Retry',
        retryOf: metadata.name,
        only,
        ...(causes === undefined ? {} : { causes }),
        ...(confinedTo === undefined ? {} : { sources: confinedTo }),
        ...(scheduledTime === undefined ? {} : { scheduledTime }),
      },
    },
  };
}
