// Clients that read lists, each with a pause between two requests, as people who look at something: by the API, or for comparison the
// same queries straight to PostgreSQL and to the API server of Kubernetes.
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import { type BareSources, barePath, createBareReads, KINDS, type Kind, PAGE, type Read } from './bare-reads.ts';
import { NAMESPACE, nameOf } from './data.ts';
import { type Load, load } from './load-process.ts';

export type ReadersWork = {
  readonly clients: number;
  /** Milliseconds between two requests of one client, on average. */
  readonly pauseMs: number;
  readonly runs: number;
  readonly seed: number;
} & (
  | { readonly by: 'api'; readonly url: string; readonly tokens: readonly string[] }
  | { readonly by: 'bare-server'; readonly url: string }
  | ({ readonly by: 'bare' } & BareSources)
);

/** Milliseconds of each answer, by what was asked for; `items` has all kinds of pages of items. */
export type ReadersReport = {
  readonly ms: Record<Kind, number[]>;
  readonly errors: Record<string, number>;
};

/** Of a hundred requests. */
const SHARES: Record<Kind, number> = { items: 40, latestItem: 15, runs: 20, run: 10, executions: 15 };
/** Requests of a client before it looks at another run: a list, a run, some pages of its items. */
const REQUESTS_OF_RUN = 10;

type Reader = { read(read: Read, client: number): Promise<unknown>; close(): Promise<void> };

function begin(work: ReadersWork): Load<ReadersReport> {
  const ms = Object.fromEntries(KINDS.map((kind) => [kind, [] as number[]])) as ReadersReport['ms'];
  const errors: Record<string, number> = {};
  const random = randomOf(work.seed);
  return {
    async run(signal, onReady) {
      const reader = readerOf(work);
      onReady();
      const client = async (n: number) => {
        await delay(random() * work.pauseMs, undefined, { signal });
        let run = '';
        for (let requests = Math.floor(random() * REQUESTS_OF_RUN); !signal.aborted; requests += 1) {
          if (run === '' || requests % REQUESTS_OF_RUN === 0) run = nameOf(Math.floor(random() * (work.runs - 1)));
          const read = { kind: kindOf(random() * 100), run };
          const began = performance.now();
          try {
            await reader.read(read, n);
            ms[read.kind].push(performance.now() - began);
          } catch (error) {
            const message = error instanceof Error ? error.message : String(error);
            errors[message] = (errors[message] ?? 0) + 1;
          }
          await delay((0.5 + random()) * work.pauseMs, undefined, { signal });
        }
      };
      const untilEnd = Array.from({ length: work.clients }, (_, n) => client(n).catch(unlessAborted(signal)));
      await Promise.all(untilEnd);
      await reader.close();
    },
    report: () => ({ ms, errors }),
    forget() {
      for (const kind of KINDS) ms[kind] = [];
    },
  };
}

function readerOf(work: ReadersWork): Reader {
  switch (work.by) {
    case 'api':
      return apiReader(work);
    case 'bare-server':
      return bareServerReader(work);
    case 'bare':
      return createBareReads(work);
  }
}

function bareServerReader({ url, clients }: Extract<ReadersWork, { by: 'bare-server' }>): Reader {
  const agent = new Agent({ connections: clients, pipelining: 1 });
  return {
    async read(read) {
      await answerOf(agent, read, { origin: url, path: barePath(read), method: 'GET' });
    },
    close: () => agent.close(),
  };
}

function apiReader({ url, tokens, clients }: Extract<ReadersWork, { by: 'api' }>): Reader {
  const agent = new Agent({ connections: clients, pipelining: 1 });
  const cursors = new Map<number, { path: string; cursor: string }>();
  return {
    async read(read, client) {
      const { path, cursor } = cursors.get(client) ?? { path: pathOf(read), cursor: undefined };
      cursors.delete(client);
      const answer = (await answerOf(agent, read, {
        ...{
          origin: url,
          path: read.kind === 'items' && cursor !== undefined ? `${path}&cursor=${cursor}` : pathOf(read),
        },
        ...{ method: 'GET', headers: { authorization: `Bearer ${tokens[client % tokens.length]}` } },
      })) as { nextCursor?: string };
      // Whoever looks at items turns the page.
      if (read.kind === 'items' && answer.nextCursor !== undefined && cursor === undefined) {
        cursors.set(client, { path: pathOf(read), cursor: answer.nextCursor });
      }
    },
    close: () => agent.close(),
  };
}

async function answerOf(agent: Agent, { kind }: Read, request: Dispatcher.RequestOptions): Promise<unknown> {
  const { statusCode, body } = await agent.request(request);
  if (statusCode !== 200) throw new Error(`${kind}: HTTP ${statusCode} ${(await body.text()).slice(0, 200)}`);
  return body.json();
}

function pathOf({ kind, run }: Read): string {
  const namespace = `/api/v1/namespaces/${NAMESPACE}`;
  switch (kind) {
    case 'items':
      return `${namespace}/runs/${run}/items?limit=${PAGE}`;
    case 'latestItem':
      return `${namespace}/items?limit=1`;
    case 'runs':
      return `${namespace}/runs?limit=${PAGE}`;
    case 'run':
      return `${namespace}/runs/${run}`;
    case 'executions':
      return `${namespace}/executions?limit=${PAGE}`;
  }
}

function kindOf(draw: number): Kind {
  let left = draw;
  for (const kind of KINDS) {
    left -= SHARES[kind];
    if (left < 0) return kind;
  }
  return 'items';
}

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}

load(begin);
