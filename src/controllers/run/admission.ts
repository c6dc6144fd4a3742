// Which runs may work now and which wait, and where in line. Pure function of all unfinished runs.
import type { QueueCaps } from '../../resources/queues.ts';

export type ActiveLimits = {
  /** Most runs at work at once; no limit when absent. */
  readonly total?: number;
  readonly perNamespace?: number;
  /** Named queues beside the default one, with what each may have at work at once. */
  readonly queues?: QueueCaps;
};

export type Candidate = {
  readonly uid: string;
  readonly namespace: string;
  /** The named queue that it waits in. */
  readonly queue: string;
  /** Higher goes first among the runs of its namespace in its queue. */
  readonly priority: number;
  readonly createdAt: Date;
  readonly name: string;
  /** It has been let in before and keeps its place, whatever the limits are now. */
  readonly admitted: boolean;
  /** It takes no place while it is paused; others of its schedule wait for it all the same, once it has been let in. */
  readonly isPaused: boolean;
  /** UID of the schedule whose runs go one after the other; absent when this run waits for none of its kind. */
  readonly takesTurnsIn?: string;
};

export type Admission =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly reason: 'WaitingForPrevious' | 'WaitingForSlot';
      /** 1 is next, among those that wait for the same. */
      readonly position: number;
      /** What is full, for people. */
      readonly limit: string;
    };

/** When a namespace last had its turn in a queue, in milliseconds, by `laneOf`. */
export type Turns = ReadonlyMap<string, number>;

/** The runs of one namespace in one queue that wait, the next one last; and how the namespace has fared there. */
type Lane = { readonly waiting: Candidate[]; active: number; lastTurn: number };

/** What keeps a run waiting, and the line that it waits in. */
type Full = { readonly line: string } & Pick<Extract<Admission, { admitted: false }>, 'reason' | 'limit'>;

type Count = (key: string) => number;

/**
 * The admission of each candidate by UID, but for those that are paused out of the line. Every unfinished run must be among
 * them. Namespaces take turns in each queue: the one with the fewest runs at work goes first, then the one whose last turn is
 * the longest ago. Priority says which run of a namespace has its turn.
 */
export function admissions(
  candidates: readonly Candidate[],
  limits: ActiveLimits,
  turns: Turns = new Map(),
): ReadonlyMap<string, Admission> {
  const result = new Map<string, Admission>();
  const counts = new Map<string, number>();
  const count = (key: string) => counts.get(key) ?? 0;
  const add = (key: string) => counts.set(key, count(key) + 1);
  const letIn = (run: Candidate) => {
    if (!run.isPaused) for (const key of ['active', `queue ${run.queue}`, `namespace ${run.namespace}`]) add(key);
    add(`schedule ${run.takesTurnsIn}`);
    result.set(run.uid, { admitted: true });
  };

  for (const run of candidates) if (run.admitted) letIn(run);
  const lanes = lanesOf(candidates, turns);
  let turn = Math.max(0, ...turns.values());
  for (let lane = nextLane(lanes); lane !== undefined; lane = nextLane(lanes)) {
    const run = lane.waiting.pop();
    if (run === undefined) break;
    const full = whatIsFull(run, limits, count);
    if (full === undefined) letIn(run);
    else {
      const { line, ...wait } = full;
      add(`waiting ${line}`);
      result.set(run.uid, { admitted: false, ...wait, position: count(`waiting ${line}`) });
    }
    // Who waits for something of its own takes no turn from the others of its namespace.
    if (full === undefined || full.line === queueLine(run)) {
      lane.active++;
      lane.lastTurn = ++turn;
    }
  }
  return result;
}

export function laneOf({ queue, namespace }: Pick<Candidate, 'queue' | 'namespace'>): string {
  return `${queue}/${namespace}`;
}

function queueLine({ queue }: Candidate): string {
  return `queue ${queue}`;
}

function whatIsFull(run: Candidate, { total, perNamespace, queues }: ActiveLimits, count: Count): Full | undefined {
  const { queue, namespace, takesTurnsIn } = run;
  if (takesTurnsIn !== undefined && count(`schedule ${takesTurnsIn}`) > 0) {
    const limit = 'one run of its schedule at a time';
    return { reason: 'WaitingForPrevious', line: `schedule ${takesTurnsIn}`, limit };
  }
  const most = queues?.get(queue);
  if (most !== undefined && count(`queue ${queue}`) >= most) {
    return { reason: 'WaitingForSlot', line: queueLine(run), limit: `${most} active runs of the queue` };
  }
  if (perNamespace !== undefined && count(`namespace ${namespace}`) >= perNamespace) {
    const limit = `${perNamespace} active runs in the namespace`;
    return { reason: 'WaitingForSlot', line: `namespace ${laneOf(run)}`, limit };
  }
  if (total !== undefined && count('active') >= total) {
    return { reason: 'WaitingForSlot', line: queueLine(run), limit: `${total} active runs` };
  }
  return undefined;
}

function lanesOf(candidates: readonly Candidate[], turns: Turns): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const run of candidates) {
    if (run.isPaused) continue;
    const key = laneOf(run);
    const lane = lanes.get(key) ?? { waiting: [], active: 0, lastTurn: turns.get(key) ?? 0 };
    lanes.set(key, lane);
    if (run.admitted) lane.active++;
    else lane.waiting.push(run);
  }
  const open = [...lanes.values()].filter(({ waiting }) => waiting.length > 0);
  for (const { waiting } of open) waiting.sort(inOrder).reverse();
  return open;
}

/** Whose turn it is; undefined when nobody waits any more. */
function nextLane(lanes: readonly Lane[]): Lane | undefined {
  let next: Lane | undefined;
  for (const lane of lanes) {
    if (lane.waiting.length > 0 && (next === undefined || compareLanes(lane, next) < 0)) next = lane;
  }
  return next;
}

function compareLanes(a: Lane, b: Lane): number {
  const [runA, runB] = [a.waiting.at(-1), b.waiting.at(-1)];
  return a.active - b.active || a.lastTurn - b.lastTurn || (runA && runB ? inOrder(runA, runB) : 0);
}

/** Highest priority first, then the oldest. */
function inOrder(a: Candidate, b: Candidate): number {
  return (
    b.priority - a.priority ||
    a.createdAt.getTime() - b.createdAt.getTime() ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  );
}
