// What stays of a run, by its name.
import type { components } from '../../server/api-types.ts';
import { UsageError } from './session.ts';
import { answerOf, type TrawlerServer } from './trawler-server.ts';

/** The newest of that name. Rejects with a UsageError where nothing is kept, and with a ServerError. */
export async function executionOfRun(
  server: TrawlerServer,
  namespace: string,
  run: string,
  signal: AbortSignal,
): Promise<components['schemas']['ExecutionDetails']> {
  const query = { run, type: 'Crawl', limit: 1 } as const;
  const wanted = { params: { path: { namespace }, query }, signal };
  const { items } = await answerOf(server.GET('/api/v1/namespaces/{namespace}/executions', wanted));
  const [found] = items;
  if (found === undefined) throw new UsageError(`nothing is kept of a run "${run}" that has ended in ${namespace}`);
  const path = { namespace, executionId: found.executionId };
  return answerOf(server.GET('/api/v1/namespaces/{namespace}/executions/{executionId}', { params: { path }, signal }));
}
