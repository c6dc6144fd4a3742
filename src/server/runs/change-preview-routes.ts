// What a change of a live run's patterns or depth would do to what it knows, before it is made.
import { createRoute, z } from '@hono/zod-openapi';
import { isFinished, phaseOf } from '../../custom-resources/types.ts';
import { crawlRunSpec } from '../../resources/crawl-run.ts';
import { answers, body, createRoutes, named, signalOf } from '../http/env.ts';
import { ProblemError } from '../http/problem.ts';
import { runPatch } from '../http/resources.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { findRun } from './run-routes.ts';

const change = z
  .object({
    excluded: z.int().describe('Queued pages that would be skipped since a pattern excludes them.'),
    tooDeep: z.int().describe('Queued pages that would be skipped since they are beyond the depth limit.'),
    queuedAgain: z.int().describe('Pages that were skipped and would be queued again.'),
    readAgain: z.int().describe('Pages that would be read again, for links that were left out.'),
    skipped: z.array(z.string()).describe('The first 20 URLs that would be skipped.'),
  })
  .openapi('RunChangePreview');
export type RunChangePreview = z.output<typeof change>;

const preview = createRoute({
  ...{ method: 'post', path: '/api/v1/namespaces/{namespace}/runs/{name}/preview', tags: ['Runs'] },
  summary: 'What a change of patterns or depth would do to the pages that a live run knows. Nothing is changed.',
  request: { params: named, body: body(runPatch) },
  responses: answers(change, 'As the run is now; what its workers find meanwhile is not in it.'),
});

export function changePreviewRoutes(parts: ServerParts) {
  const { runs, access } = parts;
  const routes = createRoutes();
  routes.openapi(preview, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'patch', resource: 'crawlruns', ...ref });
    const [{ spec }, signal] = [c.req.valid('json'), signalOf(c)];
    const run = await findRun(runs, ref, signal);
    if (isFinished(run)) {
      throw new ProblemError('Conflict', `run "${ref.name}" has ended (${phaseOf(run)}): there is nothing to change`);
    }
    // The API server of Kubernetes merges it, fills in defaults, and refuses what it would refuse.
    const options = { signal, fieldValidation: 'Strict', dryRun: true } as const;
    const edited = await runs.patch(ref, { type: 'merge', body: { spec } }, options);
    const wanted = crawlRunSpec.parse(edited.spec);
    const found = await databaseOf(parts).previewChange(ref.namespace, ref.name, wanted, signal);
    if (found === undefined) throw new ProblemError('Conflict', `run "${ref.name}" has not begun: it knows no pages`);
    const { Excluded: excluded, MaxDepth: tooDeep, QueueAgain: queuedAgain, ReadAgain: readAgain, skipped } = found;
    return c.json({ excluded, tooDeep, queuedAgain, readAgain, skipped: [...skipped] }, 200);
  });
  return routes;
}
