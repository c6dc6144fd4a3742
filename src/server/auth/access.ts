// What somebody may do: asked of the API server (SubjectAccessReview) and remembered for seconds, so that rights are Kubernetes' own.
import { SUBJECT_ACCESS_REVIEWS, type SubjectAccessReview } from '../../kube/builtin-types.ts';
import type { KubeApi } from '../../kube/client.ts';
import { GROUP } from '../../resources/group.ts';
import { ProblemError } from '../http/problem.ts';
import { createFreshAnswers } from './fresh-answers.ts';
import type { Identity } from './identity.ts';
import type { Right } from './rights.ts';
import { grants } from './token-roles.ts';

export type Access = {
  /** Rejects with a KubeError. */
  allows(identity: Identity, right: Right): Promise<boolean>;
  /** Rejects with a ProblemError that names the right. */
  require(identity: Identity, right: Right): Promise<void>;
};

/** A right that was taken away is good for so long at most. */
const FRESH_MS = 5_000;
const MOST_ANSWERS = 20_000;
const REVIEW_TIMEOUT_MS = 5_000;

export function createAccess(api: KubeApi, freshMs = FRESH_MS): Access {
  const reviews = api.resource<SubjectAccessReview>(SUBJECT_ACCESS_REVIEWS);
  const answers = createFreshAnswers<boolean>({ freshMs, most: MOST_ANSWERS });

  async function review({ username, uid, groups, extra }: Identity, right: Right): Promise<boolean> {
    const { status } = await reviews.create(
      {
        metadata: { name: '' },
        spec: {
          user: username,
          ...(uid === undefined ? {} : { uid }),
          groups: [...groups],
          extra: { ...extra },
          resourceAttributes: { group: GROUP, ...right },
        },
      },
      { signal: AbortSignal.timeout(REVIEW_TIMEOUT_MS) },
    );
    return status?.allowed === true;
  }

  function reviewed(identity: Identity, right: Right): Promise<boolean> {
    const { verb, resource, namespace, name } = right;
    const { username, uid, groups, extra } = identity;
    const key = JSON.stringify([username, uid, groups, extra, verb, resource, namespace, name]);
    return answers.get(key, () => review(identity, right));
  }

  async function allows(identity: Identity, right: Right): Promise<boolean> {
    if (identity.grant !== undefined) return grants(identity.grant, right);
    const { name, ...ofAll } = right;
    // Whoever may do it to all of them may do it to this one: one answer for ten thousand runs, and not one for each.
    if (name !== undefined && (await reviewed(identity, ofAll))) return true;
    return reviewed(identity, right);
  }

  return {
    allows,
    async require(identity, right) {
      if (!(await allows(identity, right))) throw new ProblemError('Forbidden', refusal(identity, right));
    },
  };
}

/** In the words of the API server. */
export function refusal({ username }: Identity, { verb, resource, namespace, name }: Right): string {
  const what = `${resource}.${GROUP}${name === undefined ? '' : ` "${name}"`}`;
  const where = namespace === undefined ? 'in all namespaces' : `in the namespace "${namespace}"`;
  return `${what} is forbidden: user "${username}" may not ${verb} ${resource} ${where}`;
}
