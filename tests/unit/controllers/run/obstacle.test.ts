// How long what keeps a run from starting may last, and what an answer of the API server means.
import { describe, expect, test } from 'vitest';
import { endingObstacle, type Obstacle, obstacleOfAnswer, startDeadline } from '#src/controllers/run/obstacle.ts';
import { isFinalAnswer, KubeError } from '#src/kube/kube-error.ts';

const NOW = new Date('2026-01-01T12:00:00Z');
const before = new Date('2026-01-01T11:59:59Z');
const waiting: Obstacle = {
  condition: 'Accepted',
  patience: 'Unlimited',
  reason: 'WaitingForSlot',
  message: 'in line',
};
const stuck = {
  condition: 'Progressing',
  patience: 'StartDeadline',
  reason: 'ImagePullFailed',
  message: 'no image',
} as const satisfies Obstacle;
const final: Obstacle = { condition: 'JobCreated', patience: 'Final', reason: 'JobRefused', message: 'bad spec' };

test.each([
  ['begins at the first look', undefined, undefined, '2026-01-01T12:01:00.000Z'],
  ['begins with an obstacle, too', undefined, stuck, '2026-01-01T12:01:00.000Z'],
  ['stays from look to look', '2026-01-01T11:59:59Z', stuck, '2026-01-01T11:59:59.000Z'],
  ['stays when the obstacle goes', '2026-01-01T12:00:10Z', undefined, '2026-01-01T12:00:10.000Z'],
  ['is forgotten in line, without PostgreSQL and with a suspended Job', '2026-01-01T12:00:10Z', waiting, undefined],
])('the start deadline %s', (_what, known, obstacle, deadline) => {
  expect(startDeadline(known, obstacle, 60, NOW)?.toISOString()).toBe(deadline);
});

describe('a run ends', () => {
  test.each([
    ['at once for what cannot change', final, NOW, 'JobRefused', 'bad spec'],
    [
      'at its deadline for its obstacle',
      stuck,
      NOW,
      'ImagePullFailed',
      'not started within 60 s (spec.startTimeoutSeconds): no image',
    ],
    ['at its deadline without one', undefined, NOW, 'NoHeartbeat', 'not started within 60 s'],
  ])('%s', (_what, obstacle, deadline, reason, message) => {
    const ending = endingObstacle(obstacle, deadline, 60, NOW);
    expect(ending?.reason).toBe(reason);
    expect(ending?.message).toContain(message);
  });

  test('at its deadline for the crash of its last worker, though another may be starting', () => {
    const crash = { ...stuck, reason: 'WorkerCrashed', message: 'exit code 1' } as const;
    expect(endingObstacle(undefined, NOW, 60, NOW, crash)).toMatchObject({ reason: 'WorkerCrashed' });
    expect(endingObstacle(stuck, NOW, 60, NOW, crash)).toMatchObject({ reason: 'ImagePullFailed' });
  });

  test.each([
    ['before its deadline', stuck, new Date('2026-01-01T12:00:01Z')],
    ['in line, however long', waiting, before],
    ['where no deadline is known', stuck, undefined],
  ])('not %s', (_what, obstacle, deadline) => {
    expect(endingObstacle(obstacle, deadline, 60, NOW)).toBeUndefined();
  });
});

const answer = (status: number, message = 'no') => new KubeError({ status, reason: 'Because', message });

describe('an answer of the API server', () => {
  test.each([400, 403, 404, 405, 413, 415, 422])('%i is final: the run ends with its words', (status) => {
    expect(isFinalAnswer(answer(status))).toBe(true);
    expect(obstacleOfAnswer(answer(status, 'spec.x: bad'), 'JobCreated', 'JobRefused', 'the Job')).toEqual({
      condition: 'JobCreated',
      patience: 'Final',
      reason: 'JobRefused',
      message: 'the API server refuses the Job: spec.x: bad',
    });
  });

  test.each([0, 401, 408, 409, 429, 500, 502, 503, 504])('%i passes: it is shown and tried again', (status) => {
    expect(isFinalAnswer(answer(status))).toBe(false);
    expect(obstacleOfAnswer(answer(status), 'JobCreated', 'JobRefused', 'the Job')).toMatchObject({
      patience: 'StartDeadline',
      reason: 'ApiServerError',
    });
  });

  test('a used up quota passes when others end', () => {
    const quota = answer(403, 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1');
    expect(obstacleOfAnswer(quota, 'JobCreated', 'JobRefused', 'the Job')).toMatchObject({
      patience: 'StartDeadline',
      reason: 'QuotaExceeded',
    });
  });

  test('an object that does not fit into etcd is final, though the answer is 500', () => {
    expect(isFinalAnswer(answer(403, 'forbidden: status unknown for quota: new, resources: count/a'))).toBe(false);
    expect(isFinalAnswer(answer(403, 'forbidden: failed quota: small: must specify cpu'))).toBe(true);
    expect(isFinalAnswer(answer(500, 'etcdserver: request is too large'))).toBe(true);
  });

  test('an error of anything else is none of its answers', () => {
    expect(isFinalAnswer(new Error('exceeded'))).toBe(false);
  });
});
