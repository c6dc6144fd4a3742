// The life of a run and of a schedule as tables: what leads from phase to phase, and for every reason what it means and
// what a person does. Status messages carry the facts of one run; docs/states.md and `kubectl trawler explain` are made of this.
import type { RunConditionType, RunReason, ScheduleReason } from './conditions.ts';
import type { RunPhase } from './crawl-run.ts';

export type ReasonGuide = {
  /** Conditions that can have the reason. */
  readonly conditions: readonly RunConditionType[];
  readonly meaning: string;
  /** What a person does about it; absent when there is nothing to do. */
  readonly advice?: string;
};

/** A run that is ended for what kept it from starting carries that reason in these, besides the condition it appeared in. */
const AT_THE_END: readonly RunConditionType[] = ['Failed', 'Finished'];
const ACCEPTED: readonly RunConditionType[] = ['Accepted', 'Progressing', ...AT_THE_END];
const JOB_CREATED: readonly RunConditionType[] = ['JobCreated', 'Progressing', ...AT_THE_END];
const PROGRESSING: readonly RunConditionType[] = ['Progressing', ...AT_THE_END];
const COMPLETE: readonly RunConditionType[] = ['Complete', 'Finished'];
/** While a run is not accepted, what it waits for is shown in both. */
const IN_LINE: readonly RunConditionType[] = ['Accepted', 'Progressing'];

export const RUN_REASON_GUIDE: Readonly<Record<RunReason, ReasonGuide>> = {
  SpecInvalid: {
    conditions: ACCEPTED,
    meaning: 'The operator cannot read the spec.',
    advice: 'Create a new run with the named field corrected, or bring the operator and the CRDs to the same version.',
  },
  SpecTooLarge: {
    conditions: ACCEPTED,
    meaning: 'The spec leaves no room for a status.',
    advice: 'Move URLs to a ConfigMap (spec.sources[].urlsFrom) or to a sitemap.',
  },
  PodFieldForbidden: {
    conditions: ACCEPTED,
    meaning: 'The operator does not allow a field of spec.pod, or spec.image.',
    advice: "Leave the field out, or have it added to crawler.allowedPodFields in the operator's values.",
  },
  UnknownQueue: {
    conditions: ACCEPTED,
    meaning: 'There is no queue of that name.',
    advice:
      "Set spec.queue to one that the message names, or have it added to operator.queues in the operator's values.",
  },
  UnknownRun: {
    conditions: ACCEPTED,
    meaning: 'The run whose dead letters or failed sources are to be taken does not exist any more.',
    advice: 'Retry all of the crawl instead, by a new run of its schedule.',
  },
  NothingToRetry: {
    conditions: ACCEPTED,
    meaning: 'The run that is to be tried again has nothing of what the retry asks for.',
    advice: 'Read in the message what there is, and retry that, or all of the run: kubectl trawler retry NAME.',
  },
  DeadLettersGone: {
    conditions: AT_THE_END,
    meaning: 'PostgreSQL does not keep the dead letters that are to be taken.',
    advice: 'Retry all of the run: kubectl trawler retry NAME.',
  },
  SecretConflict: {
    conditions: ACCEPTED,
    meaning: "A Secret that does not belong to the run has the name of the run's Secret.",
    advice: 'Delete or rename that Secret.',
  },
  SecretRefused: {
    conditions: ACCEPTED,
    meaning: "The API server refuses the Secret with the run's credentials.",
    advice: 'Read the words of the API server in the message: a policy or a quota of the namespace has to change.',
  },
  GatewayNotReady: {
    conditions: ACCEPTED,
    meaning: 'The gateway has no certificate that workers could trust.',
    advice: "Look at the gateway's pods and at the operator's log.",
  },
  VolumeClaimMissing: {
    conditions: JOB_CREATED,
    meaning: 'The PersistentVolumeClaim of spec.output does not exist.',
    advice: 'Create the claim in the namespace of the run.',
  },
  VolumeClaimUnsuitable: {
    conditions: JOB_CREATED,
    meaning: 'The PersistentVolumeClaim cannot be written to by as many workers.',
    advice: 'Use a ReadWriteMany claim, or set spec.workers to 1.',
  },
  JobConflict: {
    conditions: JOB_CREATED,
    meaning: "A Job that does not belong to the run has the name of the run's Job.",
    advice: 'Delete or rename that Job.',
  },
  JobRefused: {
    conditions: JOB_CREATED,
    meaning: 'The API server refuses the Job.',
    advice: 'Correct the field of spec.pod that the message names, or have the policy changed that refuses it.',
  },
  JobDeleted: {
    conditions: AT_THE_END,
    meaning: 'The Job was deleted twice.',
    advice: 'Stop a run with spec.shutdown and not by deleting its Job; retry the run.',
  },
  ApiServerError: {
    conditions: ['Accepted', ...JOB_CREATED],
    meaning: 'The API server does not take a request of the operator now.',
    advice: 'Wait; if it lasts, look at the API server and at the admission webhooks that the message names.',
  },
  QuotaExceeded: {
    conditions: ['Accepted', ...JOB_CREATED],
    meaning: 'A ResourceQuota of the namespace is used up.',
    advice: 'Lower spec.workers or spec.pod.resources, delete what is not needed, or raise the quota.',
  },
  PodsRefused: {
    conditions: PROGRESSING,
    meaning: 'The cluster refuses the pods of the Job.',
    advice: 'Correct the field of spec.pod that the message names, or have the policy changed that refuses them.',
  },
  Unschedulable: {
    conditions: PROGRESSING,
    meaning: 'No node takes the pods.',
    advice: 'Lower spec.pod.resources.requests, correct nodeSelector, affinity or tolerations, or add nodes.',
  },
  VolumeNotMounted: {
    conditions: PROGRESSING,
    meaning: 'A volume of the pods cannot be mounted.',
    advice: 'Create or correct the Secret, ConfigMap or claim that the message names.',
  },
  SandboxFailed: {
    conditions: PROGRESSING,
    meaning: 'The node cannot give the pod a network.',
    advice: "Look at the network plugin and the container runtime of the node; this is not the run's fault.",
  },
  ImagePullFailed: {
    conditions: PROGRESSING,
    meaning: 'The node cannot pull the image of the crawler.',
    advice: 'Correct spec.image, or name a Secret for a private registry in spec.pod.imagePullSecrets.',
  },
  ContainerRefused: {
    conditions: PROGRESSING,
    meaning: 'The node does not start the container.',
    advice: 'Correct what the message names: spec.pod.env, the user of the image, or the seccomp profile.',
  },
  WorkerCrashed: {
    conditions: PROGRESSING,
    meaning: 'The last worker has ended by itself; the Job starts another one after a pause.',
    advice: 'Read the log of the pod that ended; if it ran out of memory, raise spec.pod.resources.limits.memory.',
  },
  NoHeartbeat: {
    conditions: AT_THE_END,
    meaning: 'No worker has given a heartbeat until the start deadline.',
    advice: 'Read the log of the pod, and check that pods of the namespace reach the gateway (network policies).',
  },
  WaitingForSlot: {
    conditions: IN_LINE,
    meaning: 'As many runs as are allowed are active; status.queue says the place in line.',
    advice:
      "Wait, give the run a higher spec.priority or another spec.queue, stop another run, or raise the operator's limits.",
  },
  WaitingForPrevious: {
    conditions: IN_LINE,
    meaning: 'An earlier run of the schedule has not finished, and the runs take turns.',
    advice: 'Wait for the earlier run, or stop it (spec.shutdown: Stop).',
  },
  SpecStored: { conditions: ['Accepted'], meaning: 'The resolved spec was stored in PostgreSQL.' },
  DatabaseUnavailable: {
    conditions: IN_LINE,
    meaning: 'PostgreSQL does not answer the operator. Workers keep their results and try again.',
    advice: 'Look at PostgreSQL and at the network between it and the operator; the run goes on by itself.',
  },
  JobCreated: { conditions: ['JobCreated'], meaning: 'The Job of the workers exists.' },
  JobRecreated: {
    conditions: ['JobCreated'],
    meaning: 'The Job was deleted, and was created again. This is done once.',
    advice: 'Do not delete Jobs of runs: a second time ends the run.',
  },
  WaitingForWorker: {
    conditions: ['JobCreated', 'Progressing'],
    meaning: 'No worker is alive, and nothing is known that keeps the next one from starting.',
    advice: 'Wait for the pods: kubectl get pods -l trawler.dev/run=NAME.',
  },
  Paused: {
    conditions: IN_LINE,
    meaning: 'The run is paused by spec.suspend; it keeps all that it has and knows.',
    advice: 'Set spec.suspend to false, or say kubectl trawler resume NAME.',
  },
  JobSuspended: {
    conditions: ['Progressing'],
    meaning: 'The Job waits for Kueue to admit it, or somebody else has suspended it; the message says which.',
    advice: 'Wait for Kueue, or set spec.suspend of the Job to false.',
  },
  NodeLost: {
    conditions: ['Progressing'],
    meaning: 'The node of a worker does not answer.',
    advice: 'Look at the node; its pages go to other workers.',
  },
  Crawling: { conditions: ['Progressing'], meaning: 'Workers are crawling.' },
  HostsBlocked: {
    conditions: ['Progressing'],
    meaning: 'A host refuses pages and is asked more slowly.',
    advice: 'Read status.blockedHosts; lower spec.politeness.requestsPerSecond, or use spec.proxy, in a new run.',
  },
  HostShared: {
    conditions: ['Progressing'],
    meaning: 'Several runs of the namespace ask the same host and share its pace.',
    advice: 'Wait, run them at other times, or weigh them with spec.priority in new runs.',
  },
  WorkerHangs: {
    conditions: ['Stalled'],
    meaning:
      'A worker came no further for spec.heartbeat.stallTimeout and has ended itself; another one takes its place.',
    advice:
      'Read which page, in which stage, in the message: leave it out by scope.exclude, mend the selector or the extractor that does not come to an end, or look at the volume of the output.',
  },
  WorkerSilent: {
    conditions: ['Stalled'],
    meaning: 'A worker whose pod runs gives no heartbeat any more; its pod is ended, and another one takes its place.',
    advice: 'Look at its node: the process was stopped or gets no processor time, or the pod cannot reach the gateway.',
  },
  WorkerReplaced: {
    conditions: ['Stalled'],
    meaning: 'Workers have hung, as the message says, and others have taken their places.',
    advice: 'Read what the last one hung on in the message: it may happen again.',
  },
  Stopping: { conditions: ['Progressing'], meaning: 'The run is stopping: pages in flight are finished first.' },
  WritingOutput: {
    conditions: ['Progressing', 'OutputWritten'],
    meaning: 'The crawl is over, and its output file is being written.',
  },
  CrawlNotOver: { conditions: ['OutputWritten'], meaning: 'The file is written when the crawl is over.' },
  OutputWritten: { conditions: ['OutputWritten'], meaning: 'The file is in the volume.' },
  OutputFailed: {
    conditions: ['OutputWritten', ...AT_THE_END],
    meaning: 'The items are in PostgreSQL, but not in a file.',
    advice: 'Make room on the volume or correct its rights, as the message says; read the items from PostgreSQL.',
  },
  NothingToWrite: { conditions: ['OutputWritten'], meaning: 'The run ended before anything was stored.' },
  ItemsStored: { conditions: ['EmptyResult'], meaning: 'Items are stored: the result is not empty.' },
  NoPageSucceeded: {
    conditions: ['EmptyResult'],
    meaning: 'No page succeeded.',
    advice: 'Read the causes in the message of the condition Finished.',
  },
  NoItems: {
    conditions: ['EmptyResult'],
    meaning: 'Pages succeeded, but no item was found on any of them.',
    advice: 'Check the selectors of spec.extract against the pages; status.itemsLeftOut counts what was left out.',
  },
  AsExpected: { conditions: ['UnexpectedResult'], meaning: 'The items are as spec.expect says.' },
  TooFewItems: {
    conditions: ['UnexpectedResult'],
    meaning: 'The run succeeded, at least in part, and gave fewer items than spec.expect.items.min.',
    advice: 'Look whether the site has changed: check spec.extract and the start URLs against its pages.',
  },
  TooManyItems: {
    conditions: ['UnexpectedResult'],
    meaning: 'The run succeeded, at least in part, and gave more items than spec.expect.items.max.',
    advice: 'Check the scope and spec.extract.itemSelector, or raise the bound.',
  },
  FieldsMissing: {
    conditions: ['UnexpectedResult'],
    meaning: 'The run succeeded, at least in part, and fewer of its items have a field than spec.expect.fields says.',
    advice:
      'Look at an item and its page: the site has changed, or the selector of the field in spec.extract fits a part of the pages only.',
  },
  Succeeded: { conditions: COMPLETE, meaning: 'Every page has succeeded or was skipped.' },
  SomeRequestsFailed: {
    conditions: COMPLETE,
    meaning: 'Some pages have failed after their retries.',
    advice: 'Read the causes in the message, and retry the dead letters: kubectl trawler retry NAME --dead.',
  },
  AllRequestsFailed: {
    conditions: AT_THE_END,
    meaning: 'Every page has failed after its retries.',
    advice: 'Read the causes in the message, mend them, and retry the run: kubectl trawler retry NAME.',
  },
  NothingCrawled: {
    conditions: AT_THE_END,
    meaning: 'Every URL was skipped, for example because of robots.txt.',
    advice: 'Read the reasons in status.skipped and correct the start URLs, the scope or the limits.',
  },
  Shutdown: {
    conditions: ['Accepted', ...COMPLETE],
    meaning: 'The run was stopped with spec.shutdown; its results are kept.',
  },
  TimedOut: {
    conditions: AT_THE_END,
    meaning: 'spec.timeoutSeconds have passed; what was crawled until then is kept.',
    advice: 'Raise spec.timeoutSeconds, spec.workers or spec.politeness.requestsPerSecond, or lower spec.limits.',
  },
  WorkersFailed: {
    conditions: AT_THE_END,
    meaning: 'The workers ended by themselves more often than spec.backoffLimit allows, or the Job has failed.',
    advice: 'Read how the last one ended in the message; often spec.pod.resources.limits.memory is too low.',
  },
  DataLost: {
    conditions: ['OutputWritten', 'EmptyResult', ...AT_THE_END],
    meaning: 'PostgreSQL has lost the run or what it stored last.',
    advice: 'Look at the backups and the failover of PostgreSQL, and run the crawl again.',
  },
  Blocked: {
    conditions: AT_THE_END,
    meaning: 'The hosts refuse the crawl.',
    advice: 'Read status.blockedHosts; crawl more slowly, from other addresses (spec.proxy), or ask the owner.',
  },
  Finished: { conditions: ['Progressing', 'Stalled'], meaning: 'The run has ended: the condition Finished says how.' },
};

export const SCHEDULE_REASON_GUIDE: Readonly<Record<ScheduleReason, Omit<ReasonGuide, 'conditions'>>> = {
  Scheduled: { meaning: 'The schedule is in force; status.nextScheduleTime says when it runs next.' },
  Suspended: { meaning: 'spec.suspend is true: no new runs are made.', advice: 'Set spec.suspend to false.' },
  InvalidSchedule: {
    meaning: 'spec.schedule is not a cron expression, or has no time in it.',
    advice: 'Correct the field that the message names.',
  },
  UnknownTimeZone: {
    meaning: 'spec.timeZone is not known.',
    advice: 'Use a name of the IANA time zones, such as Europe/Paris.',
  },
  UnknownSchedule: {
    meaning: 'The schedule in spec.after does not exist.',
    advice: 'Create it, or correct its name.',
  },
  ScheduleLoop: {
    meaning: 'Schedules come one after the other in a circle.',
    advice: 'Take spec.after out of one of them.',
  },
  UnknownQueue: {
    meaning: 'There is no queue of the name that spec.runTemplate.spec.queue has: no runs are made.',
    advice: "Name one that the message tells, or have it added to operator.queues in the operator's values.",
  },
  InvalidSpec: {
    meaning: 'The operator cannot read the spec.',
    advice: 'Correct the field that the message names, or bring the operator and the CRDs to the same version.',
  },
  RunRefused: {
    meaning: 'The API server does not take the run.',
    advice: 'Read its words in the message: a quota, a policy or a field of runTemplate has to change.',
  },
  FailedTooOften: {
    meaning: 'As many runs in a row have failed as spec.suspendAfterFailures says: no new runs are made.',
    advice:
      'Read why the runs failed, and edit the spec: it goes on by that, by a run by hand that succeeds, or by a new value of the annotation trawler.dev/resume-requested.',
  },
  SucceededInTime: { meaning: 'The last success, or the beginning, is not longer ago than spec.successDeadline.' },
  NoSuccessInTime: {
    meaning: 'No run has succeeded for longer than spec.successDeadline.',
    advice: 'Look at the last runs (kubectl get crawlruns), and why they failed, wait or were not made.',
  },
};

export type RunTransition = { readonly from: RunPhase; readonly to: RunPhase; readonly when: string };

/**
 * What leads from one phase to the next. The ends have no way out. A phase is computed anew at each look: one that was
 * too short to be seen is passed over, so that the phases of a run are a path in this graph.
 */
export const RUN_TRANSITIONS = [
  { from: 'Pending', to: 'Queued', when: 'the limits of active runs are reached' },
  { from: 'Queued', to: 'Pending', when: 'its turn has come' },
  { from: 'Pending', to: 'Running', when: 'a worker gives the first heartbeat' },
  { from: 'Pending', to: 'Stopping', when: 'spec.shutdown' },
  { from: 'Running', to: 'Stopping', when: 'spec.shutdown, timeoutSeconds, or PostgreSQL has lost it' },
  { from: 'Pending', to: 'Paused', when: 'spec.suspend' },
  { from: 'Queued', to: 'Paused', when: 'spec.suspend' },
  { from: 'Running', to: 'Paused', when: 'spec.suspend' },
  { from: 'Paused', to: 'Queued', when: 'it is resumed, and the limits of active runs are reached' },
  { from: 'Paused', to: 'Pending', when: 'it is resumed before its first heartbeat' },
  { from: 'Paused', to: 'Running', when: 'it is resumed' },
  { from: 'Paused', to: 'Stopping', when: 'spec.shutdown' },
  { from: 'Paused', to: 'Stopped', when: 'spec.shutdown before it was accepted' },
  { from: 'Paused', to: 'Succeeded', when: 'its last page had just been finished' },
  { from: 'Paused', to: 'Partial', when: 'its last page had just been finished, and some have failed' },
  { from: 'Paused', to: 'Failed', when: 'its workers had just failed' },
  { from: 'Pending', to: 'Failed', when: 'it cannot start' },
  { from: 'Queued', to: 'Stopped', when: 'spec.shutdown' },
  { from: 'Running', to: 'Succeeded', when: 'no page has failed' },
  { from: 'Running', to: 'Partial', when: 'some pages have failed' },
  { from: 'Running', to: 'Failed', when: 'all pages or all workers have failed' },
  { from: 'Stopping', to: 'Succeeded', when: 'its last page had just been finished' },
  { from: 'Stopping', to: 'Partial', when: 'its last page had just been finished, and some have failed' },
  { from: 'Stopping', to: 'Stopped', when: 'it was stopped' },
  { from: 'Stopping', to: 'TimedOut', when: 'its time was over' },
  { from: 'Stopping', to: 'Failed', when: 'its results are lost, or it could not start' },
] as const satisfies readonly RunTransition[];
