// Where a request comes from: the other end of its connection, and whom a proxy before the server names.
import { getConnInfo } from '@hono/node-server/conninfo';
import type { ServerContext } from './env.ts';

/** What a proxy names is what a caller may have written: it stands beside the address and not in its place. */
const MOST_CHARACTERS = 200;

/** Nothing for a request that came by no connection. */
export function originOf(c: ServerContext): { readonly origin?: string } {
  const { incoming } = (c.env ?? {}) as { readonly incoming?: unknown };
  const address = incoming === undefined ? undefined : getConnInfo(c).remote.address;
  if (address === undefined) return {};
  const forwarded = c.req.header('x-forwarded-for')?.slice(0, MOST_CHARACTERS);
  return { origin: forwarded === undefined ? address : `${address} (for ${forwarded})` };
}
