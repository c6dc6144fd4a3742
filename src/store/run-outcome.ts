// How a run ended, as PostgreSQL keeps it.

/** The first three are computed from the run's requests; the others are the operator's decision. */
export type RunOutcome = 'Succeeded' | 'Partial' | 'Failed' | 'Stopped' | 'TimedOut';
