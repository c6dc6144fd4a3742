// What the parts of a request's way hand to each other, and how the routes are made.
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Caller } from '../auth/identity.ts';
import { namespaceName, objectName } from './inputs.ts';
import { ProblemError, problemSchema } from './problem.ts';

export type ServerEnv = {
  Variables: {
    identity: Caller;
    /** Whether the request's token is still somebody's, for answers that last. Rejects with a KubeError. */
    isStillCaller: () => Promise<boolean>;
  };
};
export type ServerContext = Context<ServerEnv>;

/** How long one request may take. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Aborted when the caller is gone, or the request has taken too long. */
export function signalOf(c: ServerContext): AbortSignal {
  return AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
}

/** Routes whose input is checked by their schemas; what does not fit is a BadRequest that names each field. */
export function createRoutes(): OpenAPIHono<ServerEnv> {
  return new OpenAPIHono<ServerEnv>({
    defaultHook: (result, c) => {
      // A body of another type would be left out, and what it confines with it: of all dead letters one is meant.
      if (result.target === 'json' && !isJson(c.req.header('content-type'))) {
        throw new ProblemError(
          'UnsupportedMediaType',
          'send a JSON body, {} at least, with Content-Type: application/json',
        );
      }
      if (result.success) return;
      const errors = result.error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => ({ field: pathOf([...issue.path, key]), message: 'there is no such field' }))
          : [{ field: pathOf(issue.path), message: issue.message }],
      );
      const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
      throw new ProblemError('BadRequest', detail, { errors });
    },
  });
}

function isJson(contentType = ''): boolean {
  return /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(contentType);
}

/** `spec.sources[0].urls` */
export function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`))
    .join('');
}

const problem = { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } };

/** The responses of a route: its success, and what may go wrong everywhere. */
export function answers<T extends z.ZodType>(schema: T, description: string) {
  return { 200: { description, content: { 'application/json': { schema } } }, default: problem } as const;
}

/** The same for what is made. */
export function created<T extends z.ZodType>(schema: T, description: string) {
  return { 201: { description, content: { 'application/json': { schema } } }, default: problem } as const;
}

export function body<T extends z.ZodType>(schema: T) {
  return { content: { 'application/json': { schema } }, required: true } as const;
}

export const inNamespace = z.object({ namespace: namespaceName });
export const named = inNamespace.extend({ name: objectName });
export const conditional = z.object({
  'if-match': z.string().max(256).optional().describe('The ETag that the object is to have; else 412.'),
});
