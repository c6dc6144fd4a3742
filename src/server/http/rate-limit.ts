// How many requests one identity may send: beyond it the answer is 429, which says when to come again.
import type { MiddlewareHandler } from 'hono';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import type { ServerEnv } from './env.ts';
import { ProblemError } from './problem.ts';

/** A dashboard and a script or two of one person are far below; a loop gone wrong is not. */
export const REQUESTS_PER_MINUTE = 6_000;

const WINDOW_SECONDS = 10;

/** Counted in this replica, in windows of ten seconds: what an identity saves up in a quiet time is one window at most. */
export function rateLimit(requestsPerMinute: number): MiddlewareHandler<ServerEnv> {
  const points = Math.max(1, Math.round((requestsPerMinute * WINDOW_SECONDS) / 60));
  const limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  return async (c, next) => {
    const { username } = c.get('identity');
    const refused = await limiter.consume(username).then(() => undefined, refusalOf);
    if (refused !== undefined) {
      throw new ProblemError('TooManyRequests', `"${username}" may send ${requestsPerMinute} requests a minute`, {
        retryAfter: Math.max(1, Math.ceil(refused.msBeforeNext / 1_000)),
      });
    }
    await next();
  };
}

/** The library rejects with what is left of the window, and with an Error where it has failed itself. */
function refusalOf(reason: unknown): RateLimiterRes {
  if (reason instanceof Error) throw reason;
  return reason as RateLimiterRes;
}
