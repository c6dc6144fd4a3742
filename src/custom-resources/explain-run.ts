// Why a run is as it is, from what the cluster shows of it: findings, the most important first. Pure functions.

import type { ClusterEvent, Pod } from '../kube/builtin-types.ts';
import { findCondition } from '../kube/conditions.ts';
import { RUN_REASONS, type RunReason } from '../resources/conditions.ts';
import { durationMs } from '../resources/duration.ts';
import { RUN_REASON_GUIDE } from '../resources/run-states.ts';
import type { CrawlRun, CrawlSchedule } from './types.ts';
import { isFinished, phaseOf } from './types.ts';

/** What was read of the cluster; what may not be read is named in `unread`, and the rest is explained all the same. */
export type RunEvidence = {
  readonly run: CrawlRun;
  readonly schedule?: CrawlSchedule;
  readonly pods: readonly Pod[];
  /** Warnings about the run, its Job and its pods, the newest last. */
  readonly events: readonly ClusterEvent[];
  readonly unread: readonly string[];
};

export type Finding = {
  /** Where it was seen, such as `condition Progressing` or `workers`. */
  readonly evidence: string;
  /** From the fixed list, where there is one. */
  readonly reason?: string;
  readonly message: string;
  /** What a person does about it. */
  readonly advice?: string;
};

export type Explanation = {
  readonly run: string;
  readonly namespace: string;
  readonly phase: string;
  /** Since when it is as it is. */
  readonly since?: string;
  readonly findings: readonly Finding[];
  readonly unread: readonly string[];
};

/** A worker says every so often that it is alive; one that has missed as many of its heartbeats is silent. */
const MISSED_HEARTBEATS = 3;
const DEFAULT_HEARTBEAT_MS = 30_000;
/** An operator looks at a new run within seconds. */
const NOTICED_MS = 30_000;

export function explainRun(seen: RunEvidence, now: Date): Explanation {
  const { run, unread } = seen;
  const { name, namespace } = run.metadata;
  const shown = shownCondition(run);
  const findings = [
    ...stateFindings(run, now),
    ...(isFinished(run) ? [] : [...workerFindings(seen), ...heartbeatFindings(run, now), ...hostFindings(run)]),
    ...stallFindings(run),
    ...imageFindings(run),
    ...(isFinished(run) ? lostFindings(run) : deadlineFindings(run, now)),
    ...scheduleFindings(seen),
    ...eventFindings(seen),
  ];
  const since = shown?.lastTransitionTime ?? run.metadata.creationTimestamp;
  return {
    run: name,
    namespace: namespace ?? 'default',
    phase: phaseOf(run),
    ...(since === undefined ? {} : { since }),
    findings: withoutRepeats(findings),
    unread,
  };
}

function shownCondition({ status }: CrawlRun) {
  return findCondition(status?.conditions, 'Finished') ?? findCondition(status?.conditions, 'Progressing');
}

/** What the operator itself says, with the advice of the table of reasons. */
function stateFindings(run: CrawlRun, now: Date): Finding[] {
  const shown = shownCondition(run);
  if (shown === undefined) {
    const age = now.getTime() - Date.parse(run.metadata.creationTimestamp ?? now.toISOString());
    if (age < NOTICED_MS) return [{ evidence: 'status', message: 'the operator has not looked at the run yet' }];
    return [
      {
        evidence: 'status',
        message: `the operator has not looked at the run for ${Math.round(age / 1_000)} s`,
        advice: 'Look at the pods and the log of the operator, and whether it watches this namespace.',
      },
    ];
  }
  const state = { evidence: `condition ${shown.type}`, ...guided(shown.reason, shown.message) };
  const outdated = (run.status?.observedGeneration ?? 0) < (run.metadata.generation ?? 0);
  if (!outdated) return [state];
  const message =
    'the spec was edited and the operator has not acted on that yet: what follows is about the spec before';
  return [{ evidence: 'status.observedGeneration', message }, state];
}

function guided(reason: string, message: string): Omit<Finding, 'evidence'> {
  const { advice } = isRunReason(reason) ? RUN_REASON_GUIDE[reason] : {};
  return { reason, message, ...(advice === undefined ? {} : { advice }) };
}

function isRunReason(text: string): text is RunReason {
  return (RUN_REASONS as readonly string[]).includes(text);
}

/** Pods whose container waits or has no node: the operator's own words may be some seconds old. */
function workerFindings({ pods }: RunEvidence): Finding[] {
  return pods.flatMap(({ metadata, status }) => {
    const evidence = `pod ${metadata.name}`;
    const scheduled = findCondition(status?.conditions, 'PodScheduled');
    if (scheduled?.status === 'False') {
      return { evidence, ...guided('Unschedulable', scheduled.message ?? 'no node takes it') };
    }
    const waiting = status?.containerStatuses?.map(({ state }) => state?.waiting).find((one) => one !== undefined);
    if (waiting?.reason === undefined || waiting.reason === 'ContainerCreating') return [];
    return { evidence, reason: waiting.reason, message: waiting.message ?? 'its container waits' };
  });
}

function heartbeatFindings(run: CrawlRun, now: Date): Finding[] {
  const { spec, status } = run;
  if (status?.lastHeartbeatTime === undefined || standsStill(run)) return [];
  const silentMs = now.getTime() - Date.parse(status.lastHeartbeatTime);
  const interval = spec.heartbeat?.interval;
  const intervalMs = interval === undefined ? DEFAULT_HEARTBEAT_MS : durationMs(interval);
  if (silentMs < MISSED_HEARTBEATS * intervalMs) return [];
  const message = `no worker has given a heartbeat for ${Math.round(silentMs / 1_000)} s`;
  const advice =
    'Read the logs of the pods, and check the gateway and PostgreSQL: nothing is lost, and pages of lost workers go to others.';
  return [{ evidence: 'status.lastHeartbeatTime', message, advice }];
}

/** Nobody is to work for it now, and `timeoutSeconds` do not run. */
function standsStill(run: CrawlRun): boolean {
  const reasons: readonly (string | undefined)[] = ['Paused', 'JobSuspended'] satisfies RunReason[];
  return reasons.includes(shownCondition(run)?.reason);
}

/** Hosts that slow the crawl down. */
function hostFindings({ status }: CrawlRun): Finding[] {
  const slow = status?.blockedHosts?.filter(({ slowdown = 1, viaProxy }) => slowdown > 1 || viaProxy) ?? [];
  return slow.map(({ host, slowdown = 1, viaProxy, evidence }) => {
    const how = viaProxy ? 'through the proxy' : `${slowdown} times more slowly`;
    return { evidence: 'status.blockedHosts', reason: 'HostsBlocked', message: `${host} is asked ${how}: ${evidence}` };
  });
}

/** Workers that hung, also those that were replaced: it may happen again. */
function stallFindings({ status }: CrawlRun): Finding[] {
  const stalled = findCondition(status?.conditions, 'Stalled');
  if (stalled === undefined) return [];
  return [{ evidence: 'condition Stalled', ...guided(stalled.reason, stalled.message) }];
}

/** A tag that was moved, or an edit: what a run finds may differ from the run before because of it. */
function imageFindings({ status }: CrawlRun): Finding[] {
  const { imageID, previousImageID } = status ?? {};
  if (previousImageID === undefined) return [];
  const message = `its image is ${imageID}, and the run of the schedule before it had ${previousImageID}`;
  return [{ evidence: 'status.previousImageID', message }];
}

/** The bounds that end it. */
function deadlineFindings(run: CrawlRun, now: Date): Finding[] {
  const { status } = run;
  if (status?.startDeadline !== undefined && status.startTime === undefined) {
    const left = secondsUntil(status.startDeadline, now);
    const message = `the run fails in ${left} s unless a worker gives a heartbeat (spec.startTimeoutSeconds)`;
    return [{ evidence: 'status.startDeadline', message }];
  }
  if (status?.stopDeadline === undefined) return [];
  const message = `the run is stopped in ${secondsUntil(status.stopDeadline, now)} s (spec.timeoutSeconds)`;
  return [{ evidence: 'status.stopDeadline', message }];
}

function secondsUntil(time: string, now: Date): number {
  return Math.max(0, Math.round((Date.parse(time) - now.getTime()) / 1_000));
}

/** What is not among the results of a run that has ended. */
function lostFindings({ status }: CrawlRun): Finding[] {
  const empty = findCondition(status?.conditions, 'EmptyResult');
  const output = findCondition(status?.conditions, 'OutputWritten');
  const findings: Finding[] = [];
  if (empty?.status === 'True') {
    findings.push({ evidence: 'condition EmptyResult', ...guided(empty.reason, empty.message) });
  }
  if (output?.status === 'False') {
    findings.push({ evidence: 'condition OutputWritten', ...guided(output.reason, output.message) });
  }
  const skipped = Object.entries(status?.skipped ?? {}).map(([reason, count]) => `${reason} ${count}`);
  if (skipped.length > 0) {
    findings.push({ evidence: 'status.skipped', message: `URLs that were left out: ${skipped.join(', ')}` });
  }
  return findings;
}

/** The schedule's part in a wait: its other runs, and whether it makes any. */
function scheduleFindings({ run, schedule }: RunEvidence): Finding[] {
  if (schedule === undefined || isFinished(run)) return [];
  const others = schedule.status?.active?.filter((name) => name !== run.metadata.name) ?? [];
  if (phaseOf(run) !== 'Queued' || others.length === 0) return [];
  const policy = schedule.spec.concurrencyPolicy ?? 'Forbid';
  const message = `its schedule ${schedule.metadata.name} has other runs that have not finished: ${others.join(', ')} (spec.concurrencyPolicy is ${policy})`;
  return [{ evidence: 'schedule', message }];
}

const SHOWN_EVENTS = 3;

function eventFindings({ events }: RunEvidence): Finding[] {
  return events.slice(-SHOWN_EVENTS).map(({ involvedObject, reason, message = '' }) => ({
    evidence: `Event of ${involvedObject.kind ?? 'object'} ${involvedObject.name ?? ''}`.trim(),
    ...(reason === undefined ? {} : { reason }),
    message,
  }));
}

/** Words that were seen in several places are said once, where they come first. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const said = new Set<string>();
  return findings.filter(({ message }) => {
    if (said.has(message)) return false;
    said.add(message);
    return true;
  });
}

/** For a terminal. */
export function explanationLines({ run, phase, since, findings, unread }: Explanation): string[] {
  return [
    `${run} is ${phase}${since === undefined ? '' : ` since ${since}`}`,
    ...findings.flatMap(({ evidence, reason, message, advice }) => [
      `- ${reason === undefined ? '' : `${reason}: `}${message} (${evidence})`,
      ...(advice === undefined ? [] : [`  what to do: ${advice}`]),
    ]),
    ...unread.map((what) => `- not looked at: ${what}`),
  ];
}
