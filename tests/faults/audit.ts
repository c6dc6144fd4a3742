// What must hold in the API server's audit log, whatever happened: it knows what was really executed.

import type { CrawlRun } from '#src/custom-resources/types.ts';
import { isConditionTrue } from '#src/kube/conditions.ts';
import { controllerOf, objectKey } from '#src/kube/kube-object.ts';
import { type AuditEvent, auditEvents, succeeded } from '../support/audit-log.ts';

export interface Audit {
  /** `schedule uid/slot` that more than one create succeeded for. */
  doubleSlots: string[];
  /** Runs of schedules named `forbid` that were created while another of the same schedule was active. */
  overlaps: string[];
  /** How many creates of runs for slots succeeded. */
  slots: number;
}

/** Reads the log of a control plane that records the objects of crawlruns. */
export async function auditRuns(path: string): Promise<Audit> {
  const events: { event: AuditEvent; version: bigint }[] = [];
  for await (const event of auditEvents(path)) {
    if (event.objectRef?.resource !== 'crawlruns' || !succeeded(event)) continue;
    if (event.verb === 'get' || event.verb === 'list' || event.verb === 'watch') continue;
    events.push({ event, version: BigInt(written(event)?.metadata.resourceVersion ?? 0) });
  }
  const slots = new Map<string, number>();
  const overlaps: string[] = [];
  const active = new Map<string, Set<string>>();
  // Answers are logged in the order of their ends; versions tell the order in which they were executed.
  const inOrder = orderOf(events);
  for (const event of inOrder) {
    const run = written(event);
    if (event.verb === 'delete') {
      for (const names of active.values()) names.delete(objectKey({ name: '', ...event.objectRef }));
      continue;
    }
    const owner = run && controllerOf(run);
    if (run === undefined || owner === undefined) continue;
    const key = objectKey(run.metadata);
    const names = active.get(owner.uid) ?? new Set();
    active.set(owner.uid, names);
    if (event.verb === 'create') {
      const slot = `${owner.uid}/${run.spec.trigger?.scheduledTime}`;
      slots.set(slot, (slots.get(slot) ?? 0) + 1);
      if (owner.name.startsWith('forbid') && names.size > 0) overlaps.push(`${key} beside ${[...names].join(' ')}`);
      names.add(key);
    }
    if (isConditionTrue(run.status?.conditions, 'Finished')) names.delete(key);
  }
  const doubleSlots = [...slots].filter(([, count]) => count > 1).map(([slot]) => slot);
  return { doubleSlots, overlaps, slots: slots.size };
}

/** The run as it was after the write; a delete answers with a Status. */
function written({ responseObject }: AuditEvent): CrawlRun | undefined {
  const object = responseObject as CrawlRun | undefined;
  return object?.kind === 'CrawlRun' ? object : undefined;
}

/** By version; a delete, whose answer has none, stays behind the write that was logged before it. */
function orderOf(events: { event: AuditEvent; version: bigint }[]): AuditEvent[] {
  let last = 0n;
  const versioned = events.map(({ event, version }) => {
    if (version > last) last = version;
    return { event, version: version === 0n ? last : version };
  });
  return versioned
    .sort((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0))
    .map(({ event }) => event);
}
