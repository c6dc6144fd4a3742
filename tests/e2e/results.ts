// What a run left in the evaluation Postgres, read with its own psql.
import { kubectl } from '../support/cluster.ts';

async function query<T>(sql: string): Promise<T[]> {
  const printed = await kubectl(
    ...['exec', 'trawler-postgres-0', '--namespace', 'trawler-system', '--'],
    ...['psql', '--host=/tmp', '--username=trawler', '--dbname=trawler', '--no-psqlrc', '--tuples-only', '--no-align'],
    ...['--command', `select coalesce(json_agg(row_to_json(rows)), '[]') from (${sql}) as rows`],
  );
  return JSON.parse(printed) as T[];
}

export type StoredRequest = { readonly url: string; readonly state: string; readonly reason: string | null };

export function requestsOf(runUid: string): Promise<StoredRequest[]> {
  return query(`select url, state, reason from trawler.request where run_id = '${runUid}'`);
}

export type StoredItem = { readonly url: string; readonly data: Readonly<Record<string, unknown>> };

export function itemsOf(runUid: string): Promise<StoredItem[]> {
  return query(
    `select request.url, item.data from trawler.item join trawler.request using (run_id, run_day, url_key) where run_id = '${runUid}'`,
  );
}
