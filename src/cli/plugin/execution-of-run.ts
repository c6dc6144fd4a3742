// What stays of a run, by its name.
import type { ExecutionFacts, ExecutionRow } from '../../server/runs/execution-routes.ts';
import { UsageError } from './session.ts';
import type { TrawlerServer } from './trawler-server.ts';

/** The newest of that name. Rejects with a UsageError where nothing is kept, and with a ServerError. */
export async function executionOfRun(
  server: TrawlerServer,
  namespace: string,
  run: string,
  signal: AbortSignal,
): Promise<ExecutionFacts> {
  const path = `/api/v1/namespaces/${namespace}/executions`;
  const query = { run, type: 'Crawl', limit: 1 };
  const { items } = await server.get<{ readonly items: readonly ExecutionRow[] }>(path, query, signal);
  const [found] = items;
  if (found === undefined) throw new UsageError(`nothing is kept of a run "${run}" that has ended in ${namespace}`);
  return server.get(`${path}/${found.executionId}`, {}, signal);
}
