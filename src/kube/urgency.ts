// What the work queues of a process know of each other: while urgent keys wait in one, the others do nothing that can
// wait. A thousand schedules that are due in the same second get their runs first, then the runs their Jobs, and only
// then are statuses and Events written.
import { delay } from './delay.ts';

export interface Urgency {
  /** A queue takes part. Its urgent keys go before those of queues that joined later. `resume`: look again, now. */
  join(resume: () => void): UrgencyMember;
  /** Resolves when nothing urgent waits, or when it has been long enough. Rejects with the signal's reason. */
  calm(signal: AbortSignal): Promise<void>;
}

export interface UrgencyMember {
  /** How many urgent keys wait in this queue, not counting those that run. */
  waiting(count: number): void;
  /** Whether no urgent key waits in a queue that goes first. */
  isMyTurn(): boolean;
  /** Whether no urgent key waits anywhere. */
  isCalm(): boolean;
}

/** What can wait waits no longer than this: urgent work may go on for long. */
export const PATIENCE_MS = 5_000;
const LOOK_MS = 50;

export function createUrgency(): Urgency {
  const members: { count: number; resume: () => void }[] = [];
  const isCalm = () => members.every(({ count }) => count === 0);

  return {
    join(resume) {
      const me = { count: 0, resume };
      members.push(me);
      return {
        waiting(count) {
          const wasWaiting = me.count > 0;
          me.count = count;
          if (!wasWaiting || count > 0) return;
          for (const other of members) if (other !== me) other.resume();
        },
        isMyTurn: () => members.slice(0, members.indexOf(me)).every(({ count }) => count === 0),
        isCalm,
      };
    },
    async calm(signal) {
      const until = performance.now() + PATIENCE_MS;
      while (!isCalm() && performance.now() < until) await delay(LOOK_MS, signal);
    },
  };
}
