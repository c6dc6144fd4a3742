// A page of a list of resources, as the API server pages them.
import { z } from '@hono/zod-openapi';
import type { NamespacedObject } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { shown } from './resources.ts';

const position = z.object({ continue: z.string() });

export type ResourceQuery = {
  readonly namespace: string;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly labelSelector: string | undefined;
  readonly fieldSelector?: string | undefined;
};

/** Throws a BadRequest for a cursor that is none. */
export async function resourcePage<T extends NamespacedObject & { readonly spec: object }>(
  resources: ResourceClient<T>,
  { cursor, ...query }: ResourceQuery,
  signal: AbortSignal,
): Promise<{ items: ReturnType<typeof shown>[]; nextCursor?: string }> {
  const from = decodeCursor(position, cursor);
  const page = await resources.list({
    ...query,
    signal,
    ...(from === undefined ? {} : { continueToken: from.continue }),
  });
  const { continueToken } = page;
  const next = continueToken === undefined ? {} : { nextCursor: encodeCursor({ continue: continueToken }) };
  return { items: page.items.map(shown), ...next };
}
