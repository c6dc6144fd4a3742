// What is next for a run that has not ended: a decision from what PostgreSQL, the status and this process know of it.
// Pure functions.

/** What is known of a run before anything is done for it. */
export type RunView = {
  /** Its row in PostgreSQL. `Unread`: nobody has looked, since it is most likely new. */
  readonly row: 'Unread' | 'Missing' | 'Accepted' | 'Running' | 'Finished';
  /** spec.shutdown. */
  readonly shutdown: boolean;
  /** Its status, or this process, remembers that PostgreSQL had it. */
  readonly acceptedBefore: boolean;
  /** Secret and row were looked at a short while ago. */
  readonly credentialsChecked: boolean;
};

/**
 * `Enter`: it takes its place in line, and is accepted when it is its turn. `End`: it is stopped before it was accepted.
 * `EndLost`: PostgreSQL has lost it. `RenewCredentials`: its Secret may be gone before its pods have started. `Work`: it
 * has its row, and its Job is looked after.
 */
export type RunStep = 'Enter' | 'End' | 'EndLost' | 'RenewCredentials' | 'Work';

export function nextStep({ row, shutdown, acceptedBefore, credentialsChecked }: RunView): RunStep {
  switch (row) {
    case 'Running':
    case 'Finished':
      return 'Work';
    case 'Accepted':
      return credentialsChecked || shutdown ? 'Work' : 'RenewCredentials';
    case 'Unread':
      return 'Enter';
    case 'Missing':
      if (acceptedBefore) return 'EndLost';
      return shutdown ? 'End' : 'Enter';
  }
}
