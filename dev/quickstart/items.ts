// The first items that a run left in the evaluation Postgres, as a table.

import { trawlerNamespace } from '../cluster/addresses.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { kubectl, release } from '../install.ts';

const query = (runId: string) => `
  select left(request.url, 60) as url, left((item.data - 'url' - 'links')::text, 90) as item
  from trawler.item
  join trawler.request using (run_id, run_day, url_key)
  where item.run_id = '${runId}'
  order by item.item_id limit 5`;

/** `run` is the CrawlRun as kubectl names it. */
export async function firstItems(cluster: Cluster, run: string): Promise<string> {
  const runId = await kubectl(cluster, ['get', run, '--output=jsonpath={.metadata.uid}']);
  const pod = ['exec', `${release}-postgres-0`, '--namespace', trawlerNamespace, '--'];
  // By the socket in the pod, which asks for no password.
  const psql = [
    'psql',
    '--host=/tmp',
    '--username=trawler',
    '--dbname=trawler',
    '--no-psqlrc',
    '--command',
    query(runId),
  ];
  return kubectl(cluster, [...pod, ...psql]);
}
