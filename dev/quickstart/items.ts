// The first items that a crawl left in the evaluation Postgres, as a table.
import type { Cluster } from '../cluster/cluster.ts';
import { kubectl, release, trawlerNamespace } from '../install.ts';

const query = `
  select left(request.url, 60) as url, left(item.data::text, 90) as item
  from trawler.item
  join trawler.request using (run_id, run_day, url_key)
  order by item.item_id limit 5`;

export async function firstItems(cluster: Cluster): Promise<string> {
  const pod = ['exec', `${release}-postgres-0`, '--namespace', trawlerNamespace, '--'];
  return kubectl(cluster, [
    ...pod,
    'psql',
    '--username=trawler',
    '--dbname=trawler',
    '--no-psqlrc',
    '--command',
    query,
  ]);
}
