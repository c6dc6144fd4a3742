// What a run's status says of workers that hang. Pure functions.
import type { RunReason } from '../../resources/conditions.ts';
import type { RunSnapshot, WorkerSnapshot } from '../../store/operator-store.ts';

export type StallVerdict = {
  readonly status: 'True' | 'False';
  readonly reason: RunReason;
  /** Begins with the words of the stall, whatever the status. */
  readonly message: string;
};

/** What begins the words of a stall that the operator has found out, since the worker says nothing any more. */
export const SILENCE = 'no heartbeat';

/** The worker that hung last, if one has. */
export function lastStall({ workers }: Pick<RunSnapshot, 'workers'>): (WorkerSnapshot & Stalled) | undefined {
  return workers.filter(hasStalled).toSorted((a, b) => b.stalledAt.getTime() - a.stalledAt.getTime())[0];
}

type Stalled = { readonly stall: string; readonly stalledAt: Date };

function hasStalled(worker: WorkerSnapshot): worker is WorkerSnapshot & Stalled {
  return worker.stall !== undefined && worker.stalledAt !== undefined;
}

/** Undefined while no worker has hung: it is the rule, and no news. */
export function stallVerdict(snapshot: Pick<RunSnapshot, 'workers' | 'state'>): StallVerdict | undefined {
  const worker = lastStall(snapshot);
  if (worker === undefined) return undefined;
  const words = stallWords(worker);
  const successor = snapshot.workers.find(
    ({ stall, firstHeartbeatAt }) => stall === undefined && firstHeartbeatAt > worker.stalledAt,
  );
  if (snapshot.state === 'Finished')
    return { status: 'False', reason: 'Finished', message: `${words}; the run has ended` };
  if (successor !== undefined) {
    return { status: 'False', reason: 'WorkerReplaced', message: `${words}; ${successor.podName} has taken its place` };
  }
  const reason = worker.stall.startsWith(SILENCE) ? 'WorkerSilent' : 'WorkerHangs';
  return { status: 'True', reason, message: `${words}; its pod ends, and the Job starts another one` };
}

/** Which worker hung, where and on what. */
export function stallWords({ podName, nodeName, stall }: WorkerSnapshot & Stalled): string {
  return `worker ${podName} on node ${nodeName} hung: ${stall}`;
}
