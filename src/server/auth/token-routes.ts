// Named tokens: made, listed and revoked. Nobody gives a right that they do not have themselves.
import { createRoute, z } from '@hono/zod-openapi';
import { answers, body, created, createRoutes, signalOf } from '../http/env.ts';
import { namespaceName } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import type { ServerParts } from '../parts.ts';
import { type Access, refusal } from './access.ts';
import type { Caller } from './identity.ts';
import type { Verb } from './rights.ts';
import { rightsOf, TOKEN_ROLES } from './token-roles.ts';
import { TOKEN_NAME } from './token-text.ts';

const tags = ['System'];
const DAY_MS = 24 * 3_600_000;

const name = z.string().min(1).max(40).regex(TOKEN_NAME, 'is no name of a token: write small letters, digits and -');
const namespaces = z.array(namespaceName).min(1).max(50);

const token = z
  .object({
    ...{ name: z.string(), role: z.enum(TOKEN_ROLES) },
    namespaces: z.array(z.string()).optional().describe('Where it is good; absent: everywhere.'),
    ...{ expiresAt: z.iso.datetime(), createdAt: z.iso.datetime(), createdBy: z.string() },
  })
  .openapi('NamedToken');
export type TokenShown = z.output<typeof token>;

const create = createRoute({
  ...{ method: 'post', path: '/api/v1/tokens', tags },
  summary: 'Make a token for a tool outside. It is shown once: the server keeps a hash of it.',
  request: {
    body: body(
      z.strictObject({
        name,
        role: z.enum(TOKEN_ROLES),
        namespaces: namespaces.optional().describe('Where it is good; everywhere when left out.'),
        expiresInDays: z.int().min(1).max(366).default(90),
      }),
    ),
  },
  responses: created(token.extend({ token: z.string() }).openapi('NewToken'), 'The token.'),
});
const list = createRoute({
  ...{ method: 'get', path: '/api/v1/tokens', tags, summary: 'Named tokens, also those that are over, by name.' },
  request: { query: z.object({ namespace: namespaceName.optional().describe('Those that are good there.') }) },
  responses: answers(z.object({ items: z.array(token) }), 'All of them.'),
});
const revoke = createRoute({
  ...{ method: 'delete', path: '/api/v1/tokens/{name}', tags },
  summary: 'Revoke a token: it is good for some seconds more at most.',
  request: { params: z.object({ name }) },
  responses: answers(z.object({ revoked: z.string() }), 'It is revoked.'),
});

export function tokenRoutes({ access, audit, tokens, now }: ServerParts) {
  const routes = createRoutes();

  routes.openapi(create, async (c) => {
    const { expiresInDays, ...wanted } = c.req.valid('json');
    const caller = c.get('identity');
    await requireOverTokens(access, caller, 'create', wanted.namespaces);
    for (const right of rightsOf(wanted)) {
      if (await access.allows(caller, right)) continue;
      throw new ProblemError('Forbidden', `nobody gives what they do not have: ${refusal(caller, right)}`);
    }
    const at = now();
    const made = {
      ...wanted,
      expiresAt: new Date(at.getTime() + expiresInDays * DAY_MS).toISOString(),
      ...{ createdAt: at.toISOString(), createdBy: caller.username },
    };
    const text = await tokens.create(made, signalOf(c));
    const holder = await tokens.holder(signalOf(c));
    audit('TokenCreated', holder, caller, { before: holder, detail: inWords(made) });
    return c.json({ ...made, token: text }, 201);
  });

  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('query');
    await requireOverTokens(access, c.get('identity'), 'list', namespace === undefined ? undefined : [namespace]);
    const all = await tokens.list(signalOf(c));
    const items = all
      .filter((one) => namespace === undefined || (one.namespaces?.includes(namespace) ?? true))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return c.json({ items }, 200);
  });

  routes.openapi(revoke, async (c) => {
    const { name: wanted } = c.req.valid('param');
    const caller = c.get('identity');
    const found = (await tokens.list(signalOf(c))).find((one) => one.name === wanted);
    // Who may not revoke everywhere does not learn which names there are.
    await requireOverTokens(access, caller, 'delete', found?.namespaces);
    if (found === undefined || !(await tokens.revoke(wanted, signalOf(c)))) {
      throw new ProblemError('NotFound', `there is no token "${wanted}"`);
    }
    const holder = await tokens.holder(signalOf(c));
    audit('TokenRevoked', holder, caller, { before: holder, detail: inWords(found) });
    return c.json({ revoked: wanted }, 200);
  });

  return routes;
}

/** In each of the namespaces, or in all. Rejects with a Forbidden. */
async function requireOverTokens(
  access: Access,
  caller: Caller,
  verb: Verb,
  within: readonly string[] | undefined,
): Promise<void> {
  const where = within === undefined ? [{}] : within.map((namespace) => ({ namespace }));
  for (const place of where) await access.require(caller, { verb, resource: 'tokens', ...place });
}

function inWords({
  name: of,
  role,
  namespaces: within,
  expiresAt,
}: Pick<TokenShown, 'name' | 'role' | 'namespaces' | 'expiresAt'>) {
  return `${of}: ${role} in ${within?.join(', ') ?? 'all namespaces'} until ${expiresAt}`;
}
