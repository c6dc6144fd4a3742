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
  /** How many urgent keys of this queue wait, and how many run. */
  has(urgent: UrgentKeys): void;
  /** Whether no urgent key waits in a queue that goes first. */
  isMyTurn(): boolean;
  /** Whether no urgent key waits anywhere, and few run. */
  isCalm(): boolean;
}

export interface UrgentKeys {
  waiting: number;
  running: number;
}

/** What can wait waits no longer than this: urgent work may go on for long. */
export const PATIENCE_MS = 5_000;
const LOOK_MS = 50;
/**
 * So many urgent keys may still run when what can wait begins. It would slow down the last ones of a burst otherwise; an
 * operator that always has some of them running must not do the rest by PATIENCE_MS alone.
 */
const FEW = 4;

export function createUrgency(): Urgency {
  const members: (UrgentKeys & { resume: () => void })[] = [];
  const isCalm = () =>
    members.every(({ waiting }) => waiting === 0) && members.reduce((sum, { running }) => sum + running, 0) <= FEW;

  return {
    join(resume) {
      const me = { waiting: 0, running: 0, resume };
      members.push(me);
      return {
        has({ waiting, running }) {
          const isRelief = waiting < me.waiting || running < me.running;
          me.waiting = waiting;
          me.running = running;
          if (!isRelief || waiting > 0) return;
          for (const other of members) if (other !== me) other.resume();
        },
        isMyTurn: () => members.slice(0, members.indexOf(me)).every(({ waiting }) => waiting === 0),
        isCalm,
      };
    },
    async calm(signal) {
      const until = performance.now() + PATIENCE_MS;
      while (!isCalm() && performance.now() < until) await delay(LOOK_MS, signal);
    },
  };
}
