// One line in the log for each request, refused ones too: who, what, and how it ended. Tokens and bodies are never in it.
import type { MiddlewareHandler } from 'hono';
import type { Logger } from '../../telemetry/logger.ts';
import type { ServerEnv } from './env.ts';

export function requestLog(logger: Logger): MiddlewareHandler<ServerEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const { status } = c.res;
    const line = {
      method: c.req.method,
      path: c.req.path,
      status,
      durationMs: Math.round(performance.now() - startedAt),
      ...(c.get('identity') === undefined ? {} : { user: c.get('identity').username }),
      ...(c.error === undefined ? {} : { reason: c.error.message }),
    };
    if (status >= 500) logger.warn({ ...line, err: c.error }, 'request failed');
    else if (status >= 400) logger.info(line, 'request refused');
    else logger.debug(line, 'request answered');
  };
}
