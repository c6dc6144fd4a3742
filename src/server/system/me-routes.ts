// GET /api/v1/me: whom the server takes the caller for, and what they may do in a namespace.
import { createRoute, z } from '@hono/zod-openapi';
import type { Right } from '../auth/rights.ts';
import { answers, createRoutes } from '../http/env.ts';
import { namespaceName } from '../http/inputs.ts';
import type { ServerParts } from '../parts.ts';

/** Every right that a route asks for. */
export const RIGHTS: readonly Pick<Right, 'verb' | 'resource'>[] = [
  ...(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'suspend', 'resume', 'run'] as const).map(
    (verb) => ({
      ...{ verb, resource: 'crawlschedules' as const },
    }),
  ),
  ...(
    [
      'get',
      'list',
      'watch',
      'patch',
      'delete',
      'pause',
      'resume',
      'stop',
      'retry',
      'backfill',
      'clear',
      'acknowledge',
    ] as const
  ).map((verb) => ({
    ...{ verb, resource: 'crawlruns' as const },
  })),
  ...(['get', 'list'] as const).map((verb) => ({ verb, resource: 'crawlbackfills' as const })),
  { verb: 'list', resource: 'audits' },
  ...(['create', 'list', 'delete'] as const).map((verb) => ({ verb, resource: 'tokens' as const })),
];

const me = createRoute({
  ...{ method: 'get', path: '/api/v1/me', tags: ['System'], summary: 'Who you are, and what you may do.' },
  request: { query: z.object({ namespace: namespaceName.optional() }) },
  responses: answers(
    z
      .object({
        username: z.string(),
        groups: z.array(z.string()),
        rights: z.array(z.object({ verb: z.string(), resource: z.string(), allowed: z.boolean() })),
      })
      .openapi('Me'),
    'The identity, and its rights in the namespace, or in all of them without one.',
  ),
});

export function meRoutes({ access }: ServerParts) {
  const routes = createRoutes();
  routes.openapi(me, async (c) => {
    const identity = c.get('identity');
    const { namespace } = c.req.valid('query');
    const where = namespace === undefined ? {} : { namespace };
    const rights = await Promise.all(
      RIGHTS.map(async (right) => ({ ...right, allowed: await access.allows(identity, { ...right, ...where }) })),
    );
    return c.json({ username: identity.username, groups: [...identity.groups], rights }, 200);
  });
  return routes;
}
