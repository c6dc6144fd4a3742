// What a run produced: its items and its dead letters.
import type { Kysely } from 'kysely';
import type { FailureCause } from '../gateway/protocol/worker-store.ts';
import type { DeadLetter, StoredItem } from './operator-store.ts';
import type { Database } from './schema.ts';

export async function firstItems(
  db: Kysely<Database>,
  runId: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly StoredItem[]> {
  const rows = await db
    .selectFrom('run')
    .innerJoin('item', (join) => join.onRef('item.run_id', '=', 'run.run_id').onRef('item.run_day', '=', 'run.run_day'))
    .innerJoin('request', (join) =>
      join
        .onRef('request.run_id', '=', 'item.run_id')
        .onRef('request.run_day', '=', 'run.run_day')
        .onRef('request.url_key', '=', 'item.url_key'),
    )
    .innerJoin('source', (join) =>
      join.onRef('source.run_id', '=', 'item.run_id').onRef('source.source_no', '=', 'item.source_no'),
    )
    .select(['item.item_id', 'source.name', 'request.url', 'item.created_at', 'item.data'])
    .where('run.run_id', '=', runId)
    .orderBy('item.item_id')
    .limit(limit)
    .execute({ signal });
  return rows.map((row) => ({
    itemId: row.item_id,
    source: row.name,
    url: row.url,
    createdAt: row.created_at,
    data: row.data,
  }));
}

export async function deadLetters(
  db: Kysely<Database>,
  runId: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly DeadLetter[]> {
  const rows = await db
    .selectFrom('run')
    .innerJoin('request', (join) =>
      join.onRef('request.run_id', '=', 'run.run_id').onRef('request.run_day', '=', 'run.run_day'),
    )
    .innerJoin('source', (join) =>
      join.onRef('source.run_id', '=', 'request.run_id').onRef('source.source_no', '=', 'request.source_no'),
    )
    .select(['request.url_key', 'source.name', 'request.url', 'request.depth', 'request.finished_at', 'request.errors'])
    .where('run.run_id', '=', runId)
    .where('request.state', '=', 'dead')
    .orderBy('request.finished_at')
    .limit(limit)
    .execute({ signal });
  return rows.map((row) => {
    const history = row.errors ?? [];
    const last = history.at(-1);
    return {
      requestId: row.url_key,
      source: row.name,
      url: row.url,
      depth: row.depth,
      cause: last?.cause ?? ('LeaseExpired' satisfies FailureCause),
      message: last?.message ?? '',
      diedAt: row.finished_at ?? new Date(0),
      history,
    };
  });
}
