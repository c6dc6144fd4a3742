// What keeps a run from going on, and for how long it may: one state with a deadline. Pure functions.
import { isFinalAnswer, type KubeError } from '../../kube/kube-error.ts';
import type { RunReason, StartReason } from '../../resources/conditions.ts';
import { withAdvice } from './advice.ts';

/**
 * How long an obstacle may last. `Final`: waiting cannot help, the run ends now. `StartDeadline`: until the run's start
 * deadline. `Unlimited`: somebody else lets the run go on, and the time until then does not count.
 */
export type Obstacle = { readonly condition: 'Accepted' | 'JobCreated' | 'Progressing'; readonly message: string } & (
  | { readonly patience: 'Final' | 'StartDeadline'; readonly reason: StartReason }
  | { readonly patience: 'Unlimited'; readonly reason: RunReason }
);

/** An obstacle that ends the run, now or at its deadline. */
export type StartObstacle = Extract<Obstacle, { reason: StartReason; patience: 'Final' | 'StartDeadline' }>;

/**
 * Until when the run has to have started. The time is kept from look to look, and begins anew after a time that does not
 * count: in line, without PostgreSQL, or with a suspended Job.
 */
export function startDeadline(
  known: string | undefined,
  obstacle: Obstacle | undefined,
  startTimeoutSeconds: number,
  now: Date,
): Date | undefined {
  if (obstacle?.patience === 'Unlimited') return undefined;
  return known === undefined ? new Date(now.getTime() + startTimeoutSeconds * 1_000) : new Date(known);
}

/**
 * The obstacle for which a run that has not started is ended now, with words for its end. `lastCrash` is how its last
 * worker ended: another may just be starting.
 */
export function endingObstacle(
  obstacle: Obstacle | undefined,
  deadline: Date | undefined,
  startTimeoutSeconds: number,
  now: Date,
  lastCrash?: StartObstacle,
): StartObstacle | undefined {
  if (obstacle?.patience === 'Unlimited') return undefined;
  if (obstacle?.patience === 'Final') return obstacle;
  if (deadline === undefined || now < deadline) return undefined;
  const cause = obstacle ?? lastCrash ?? NO_HEARTBEAT;
  return {
    ...cause,
    message: `not started within ${startTimeoutSeconds} s (spec.startTimeoutSeconds): ${cause.message}`,
  };
}

const NO_HEARTBEAT: StartObstacle = {
  condition: 'Progressing',
  patience: 'StartDeadline',
  reason: 'NoHeartbeat',
  message:
    'no worker has given a heartbeat; look at its log (kubectl logs), and whether pods of this namespace reach the gateway',
};

/** What an answer of the API server means for the run that asked for something. */
export function obstacleOfAnswer(
  error: KubeError,
  condition: Obstacle['condition'],
  refused: StartReason,
  what: string,
): StartObstacle {
  const words = inTermsOfRun(error.message);
  if (isFinalAnswer(error)) {
    const message = withAdvice(refused, `the API server refuses ${what}: ${words}`);
    return { condition, patience: 'Final', reason: refused, message };
  }
  const reason = error.status === 403 ? 'QuotaExceeded' : 'ApiServerError';
  const message = withAdvice(reason, `the API server does not take ${what} now: ${words}`);
  return { condition, patience: 'StartDeadline', reason, message };
}

/** Fields of a Job's pods, where a user finds them in a run. */
function inTermsOfRun(message: string): string {
  return message
    .replaceAll('spec.template.spec.containers[0].', 'spec.pod.')
    .replaceAll(/spec\.template\.(spec|metadata)\./g, 'spec.pod.')
    .replaceAll('spec.template.', 'spec.pod.');
}
