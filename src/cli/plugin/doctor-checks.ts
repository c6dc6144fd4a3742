// What `kubectl trawler doctor` makes of what it has seen: each check with what to do. Pure functions.

import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import type { Lease, Pod } from '../../kube/builtin-types.ts';
import { findCondition } from '../../kube/conditions.ts';

export type CheckState = 'ok' | 'warning' | 'failure';

export type Check = {
  readonly name: string;
  readonly state: CheckState;
  readonly message: string;
  /** What a person does about it. */
  readonly advice?: string;
};

const ok = (name: string, message: string): Check => ({ name, state: 'ok', message });

/** Leads as long as it renews its Lease. */
export function operatorCheck(lease: Lease | undefined, namespace: string, now: Date): Check {
  const name = 'operator';
  const logs = `kubectl -n ${namespace} logs -l app.kubernetes.io/component=operator`;
  const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = lease?.spec ?? {};
  if (!holderIdentity || !renewTime) {
    return {
      ...{ name, state: 'failure', message: `no operator leads in namespace ${namespace}` },
      advice: `install Trawler, or name its namespace with --system-namespace; then look at its log: ${logs}`,
    };
  }
  const silentSeconds = Math.round((now.getTime() - Date.parse(String(renewTime))) / 1_000);
  const [pod = ''] = holderIdentity.split('_');
  if (silentSeconds <= 2 * leaseDurationSeconds) return ok(name, `${pod} leads`);
  const message = `${pod} leads no more: its Lease was renewed ${silentSeconds} seconds ago`;
  return { name, state: 'failure', message, advice: `look at its log: ${logs}` };
}

/** Each component that has pods; one without a ready pod fails, one with some that are not is a warning. */
export function podChecks(pods: readonly Pod[], namespace: string): Check[] {
  const byComponent = Map.groupBy(pods, ({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] ?? 'other');
  return [...byComponent].map(([component, own]) => {
    const ready = own.filter(({ status }) => findCondition(status?.conditions ?? [], 'Ready')?.status === 'True');
    const name = `pods of the ${component}`;
    const message = `${ready.length} of ${own.length} ready`;
    if (ready.length === own.length) return ok(name, message);
    const advice = `kubectl -n ${namespace} describe pods -l app.kubernetes.io/component=${component}`;
    return { name, state: ready.length === 0 ? 'failure' : 'warning', message, advice };
  });
}

/** One check of all: those that are not ready, with their reasons. */
export function schedulesCheck(schedules: readonly CrawlSchedule[]): Check {
  const name = 'schedules';
  const broken = schedules.flatMap(({ metadata, status }) => {
    const ready = findCondition(status?.conditions ?? [], 'Ready');
    return ready?.status === 'False' ? [`${metadata.name} (${ready.reason}: ${ready.message})`] : [];
  });
  if (broken.length === 0) return ok(name, `${schedules.length}, none of them broken`);
  const message = `${broken.length} of ${schedules.length} are not ready: ${listed(broken)}`;
  return {
    name,
    state: 'warning',
    message,
    advice: 'mend what the messages name; kubectl describe crawlschedule NAME',
  };
}

/** One check of all: those that stall. */
export function runsCheck(runs: readonly CrawlRun[]): Check {
  const name = 'runs';
  const stalled = runs.flatMap(({ metadata, status }) =>
    findCondition(status?.conditions ?? [], 'Stalled')?.status === 'True' ? [metadata.name] : [],
  );
  if (stalled.length === 0) return ok(name, `${runs.length}, none of them stalled`);
  const message = `${stalled.length} of ${runs.length} stalled: ${listed(stalled)}`;
  return { name, state: 'warning', message, advice: `kubectl trawler explain ${stalled[0]}` };
}

/** Crawls need no server. */
export function serverCheck(trouble: Error | undefined): Check {
  const name = "Trawler's server";
  if (trouble === undefined) return ok(name, 'ready');
  return { name, state: 'warning', message: 'is not there, or not ready', advice: trouble.message };
}

/** What could not be looked at. */
export function unreadCheck(name: string, error: unknown): Check {
  const message = error instanceof Error ? error.message : String(error);
  return { name, state: 'failure', message, advice: 'ask for the right that is named, or mend what is' };
}

/** A line each, what to do below it, and a last line that programs may read. */
export function doctorLines(checks: readonly Check[]): string[] {
  const lines = checks.flatMap(({ name, state, message, advice }) => [
    `${state.padEnd(7)}  ${name}: ${message}`,
    ...(advice === undefined ? [] : [`         ${advice}`]),
  ]);
  const count = (state: CheckState) => checks.filter((check) => check.state === state).length;
  return [...lines, `doctor: ${checks.length} checks, ${count('warning')} warnings, ${count('failure')} failures`];
}

function listed(names: readonly string[]): string {
  const more = names.length - 5;
  return names.slice(0, 5).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
