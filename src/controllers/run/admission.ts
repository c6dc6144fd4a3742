// Which runs may work now and which wait, and where in line. Pure function of all unfinished runs.

export type ActiveLimits = {
  /** Most runs at work at once; no limit when absent. */
  readonly total?: number;
  readonly perNamespace?: number;
};

export type Candidate = {
  readonly uid: string;
  readonly namespace: string;
  /** Higher goes first. */
  readonly priority: number;
  readonly createdAt: Date;
  readonly name: string;
  /** It has been let in before and keeps its place, whatever the limits are now. */
  readonly admitted: boolean;
  /** It takes no place while it is paused; others of its schedule wait for it all the same, once it has been let in. */
  readonly isPaused: boolean;
  /** UID of the schedule whose runs go one after the other; absent when this run waits for none of its kind. */
  readonly queue?: string;
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

/** Highest priority first, then the oldest. */
function inOrder(a: Candidate, b: Candidate): number {
  return (
    b.priority - a.priority ||
    a.createdAt.getTime() - b.createdAt.getTime() ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  );
}

/** The admission of each candidate by UID, but for those that are paused out of the line. Every unfinished run must be among them. */
export function admissions(candidates: readonly Candidate[], limits: ActiveLimits): ReadonlyMap<string, Admission> {
  const result = new Map<string, Admission>();
  const counts = new Map<string, number>();
  const count = (key: string) => counts.get(key) ?? 0;
  const add = (key: string) => counts.set(key, count(key) + 1);
  const letIn = (run: Candidate) => {
    if (!run.isPaused) {
      add('active');
      add(`namespace ${run.namespace}`);
    }
    add(`queue ${run.queue}`);
    result.set(run.uid, { admitted: true });
  };

  for (const run of candidates) if (run.admitted) letIn(run);
  for (const run of candidates.filter(({ admitted, isPaused }) => !admitted && !isPaused).toSorted(inOrder)) {
    const wait = (reason: 'WaitingForPrevious' | 'WaitingForSlot', line: string, limit: string) => {
      add(`waiting ${line}`);
      result.set(run.uid, { admitted: false, reason, position: count(`waiting ${line}`), limit });
    };
    if (run.queue !== undefined && count(`queue ${run.queue}`) > 0) {
      wait('WaitingForPrevious', `queue ${run.queue}`, 'one run of its schedule at a time');
    } else if (limits.total !== undefined && count('active') >= limits.total) {
      wait('WaitingForSlot', 'total', `${limits.total} active runs`);
    } else if (limits.perNamespace !== undefined && count(`namespace ${run.namespace}`) >= limits.perNamespace) {
      wait('WaitingForSlot', `namespace ${run.namespace}`, `${limits.perNamespace} active runs in the namespace`);
    } else {
      letIn(run);
    }
  }
  return result;
}
