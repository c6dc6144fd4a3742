// Who asks: the bearer token of a request, reviewed by the API server (TokenReview) and remembered for seconds.
import { createHash } from 'node:crypto';
import { TOKEN_REVIEWS, type TokenReview } from '../../kube/builtin-types.ts';
import type { KubeApi } from '../../kube/client.ts';
import { createFreshAnswers } from './fresh-answers.ts';
import type { Grant } from './token-roles.ts';

/** As the API server knows them; what a SubjectAccessReview asks about. */
export type Identity = {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, string[]>>;
  /** Of a named token: what it may do, which is not asked of Kubernetes. */
  readonly grant?: Grant;
};

/** Who sends a request, and from where. */
export type Caller = Identity & { readonly origin?: string };

/** Undefined for a token that nobody has. Rejects with a KubeError. */
export type Authenticate = (token: string) => Promise<Identity | undefined>;

/** A token that was revoked is good for so long at most. */
const FRESH_MS = 10_000;
const MOST_TOKENS = 5_000;
const REVIEW_TIMEOUT_MS = 5_000;

export function createAuthenticator(api: KubeApi, freshMs = FRESH_MS): Authenticate {
  const reviews = api.resource<TokenReview>(TOKEN_REVIEWS);
  const answers = createFreshAnswers<Identity | undefined>({ freshMs, most: MOST_TOKENS });

  async function review(token: string): Promise<Identity | undefined> {
    const { status } = await reviews.create(
      { metadata: { name: '' }, spec: { token } },
      // Several requests may wait for it: it belongs to none of them.
      { signal: AbortSignal.timeout(REVIEW_TIMEOUT_MS) },
    );
    const user = status?.user;
    if (status?.authenticated !== true || !user?.username) return undefined;
    return {
      username: user.username,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      groups: user.groups ?? [],
      extra: user.extra ?? {},
    };
  }

  return (token) => {
    // Tokens themselves are not kept in memory.
    const key = createHash('sha256').update(token).digest('base64');
    return answers.get(key, () => review(token));
  };
}

/**
 * The token of a request. The API server's proxy of Services takes `Authorization` away, so `Trawler-Token` counts as well.
 */
export function tokenOf(header: (name: string) => string | undefined): string | undefined {
  const [, bearer] = /^Bearer +([\x21-\x7e]+)$/i.exec(header('authorization')?.trim() ?? '') ?? [];
  return bearer ?? (header('trawler-token')?.trim() || undefined);
}
