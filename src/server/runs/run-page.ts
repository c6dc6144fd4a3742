// A page of the runs of a namespace, by name: from memory, or from the API server of Kubernetes where memory may lack something.
import { z } from '@hono/zod-openapi';
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { ResourceClient, SelectorOptions } from '../../kube/resource-client.ts';
import { decodeCursor, encodeCursor, MOST_ROWS } from '../http/cursor.ts';
import { fieldSelectorOf } from '../http/field-selector.ts';
import { shown } from '../http/resources.ts';
import type { KnownRuns, RunFilter } from './known-runs.ts';

type Runs = Pick<ResourceClient<CrawlRun>, 'list'>;
type Query = RunFilter & {
  readonly namespace: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
};
type Page = { readonly texts: readonly string[]; readonly next?: Position };

/** The last name seen, or where a list of the API server's goes on, which it alone understands. */
const position = z.union([z.strictObject({ after: z.string() }), z.strictObject({ continue: z.string() })]);
type Position = z.output<typeof position>;

/** As JSON. Throws a BadRequest for a cursor that is none; rejects with a KubeError. */
export async function runPage(
  runs: Runs,
  known: Pick<KnownRuns, 'page'>,
  { cursor, ...query }: Query,
  signal: AbortSignal,
): Promise<string> {
  const from = decodeCursor(position, cursor) ?? { after: '' };
  const page = 'after' in from ? fromMemory(known, query, from.after) : undefined;
  const { texts, next } = page ?? (await fromKubernetes(runs, query, from, signal));
  const nextCursor = next === undefined ? '' : `,"nextCursor":${JSON.stringify(encodeCursor(next))}`;
  return `{"items":[${texts.join(',')}]${nextCursor}}`;
}

function fromMemory(known: Pick<KnownRuns, 'page'>, query: Query, after: string): Page | undefined {
  const page = known.page({ ...query, after });
  if (page === undefined) return undefined;
  return { texts: page.texts, ...(page.next === undefined ? {} : { next: { after: page.next } }) };
}

async function fromKubernetes(runs: Runs, query: Query, from: Position, signal: AbortSignal): Promise<Page> {
  const { namespace, labelSelector, limit } = query;
  const selection = { namespace, labelSelector, fieldSelector: fieldSelectorOf(query) };
  if ('after' in from && from.after !== '') return afterName(runs, selection, { after: from.after, limit }, signal);
  const continued = 'continue' in from ? { continueToken: from.continue } : {};
  const { items, continueToken } = await runs.list({ ...selection, limit, signal, ...continued });
  return {
    texts: items.map(textOfRun),
    ...(continueToken === undefined ? {} : { next: { continue: continueToken } }),
  };
}

/** The API server lists from the start, or from where it has stopped itself: what comes before the name is passed over. */
async function afterName(
  runs: Runs,
  selection: SelectorOptions,
  { after, limit }: { readonly after: string; readonly limit: number },
  signal: AbortSignal,
): Promise<Page> {
  const found: CrawlRun[] = [];
  let continueToken: string | undefined;
  do {
    const continued = continueToken === undefined ? {} : { continueToken };
    const page = await runs.list({ ...selection, limit: MOST_ROWS, signal, ...continued });
    found.push(...page.items.filter(({ metadata }) => metadata.name > after));
    continueToken = page.continueToken;
  } while (continueToken !== undefined && found.length <= limit);
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { texts: rows.map(textOfRun), ...(last === undefined ? {} : { next: { after: last.metadata.name } }) };
}

function textOfRun(run: CrawlRun): string {
  return JSON.stringify(shown(run));
}
