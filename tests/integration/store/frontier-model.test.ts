// The frontier beside a model of a few lines: whatever is done to both in whatever order, they hold the same.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim, Discovery, Outcome } from '#src/gateway/protocol/worker-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, type Installation, install, never, type TestRun } from './fixture.ts';

const WORKERS = 2;
const MAX_RETRIES = 1;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18);
});
afterAll(() => server.stop());

type ModelRequest = {
  readonly depth: number;
  state: 'queued' | 'leased' | 'done' | 'skipped' | 'dead';
  attempts: number;
  /** Holds a place in the page limit. */
  placed: boolean;
  claim?: Claim;
  worker?: number;
};

type Ending = 'done' | 'skipped' | 'retry' | 'dead' | 'released';
type Step =
  | { readonly type: 'claim'; readonly worker: number; readonly slots: number }
  | {
      readonly type: 'commit';
      readonly worker: number;
      readonly endings: readonly Ending[];
      readonly links: readonly number[];
    }
  | { readonly type: 'lose'; readonly worker: number }
  | { readonly type: 'commitLost'; readonly worker: number };

const worker = fc.nat(WORKERS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('claim' as const), worker, slots: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('commit' as const),
      worker,
      endings: fc.array(fc.constantFrom<Ending>('done', 'done', 'retry', 'retry', 'skipped', 'dead', 'released'), {
        minLength: 1,
        maxLength: 4,
      }),
      links: fc.array(fc.nat(25), { maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), worker }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('commitLost' as const), worker }) },
);

/** Three hosts, so that claims have to choose. */
function page(number: number, depth: number): Discovery {
  const host = `host${number % 3}.test`;
  return { source: 'site', url: `http://${host}/${number}`, host, depth };
}

/** A run and its model, changed together. */
class Pair {
  readonly run: TestRun;
  readonly maxPages: number;
  readonly #installation: Installation;
  readonly #model = new Map<string, ModelRequest>();
  readonly #workers: ReturnType<TestRun['worker']>[];
  readonly #lost: Claim[] = [];

  constructor(installation: Installation, run: TestRun, maxPages: number) {
    this.#installation = installation;
    this.run = run;
    this.maxPages = maxPages;
    this.#workers = Array.from({ length: WORKERS }, () => run.worker());
  }

  async seed(numbers: readonly number[]): Promise<void> {
    const seeds = numbers.map((number) => page(number, 0));
    await this.#worker(0).seed(seeds, never);
    this.#discover(seeds);
  }

  async do(step: Step): Promise<void> {
    if (step.type === 'claim') await this.#claim(step.worker, step.slots);
    else if (step.type === 'commit') await this.#commit(step.worker, step.endings, step.links);
    else if (step.type === 'lose') await this.#lose(step.worker);
    else await this.#commitLost(step.worker);
    await this.#compare();
  }

  /** The login of workers may have so many connections only. */
  async close(): Promise<void> {
    for (const one of this.#workers) await one.close();
  }

  #worker(index: number): ReturnType<TestRun['worker']> {
    const found = this.#workers[index];
    if (found === undefined) throw new Error('no such worker');
    return found;
  }

  #discover(links: readonly Discovery[]): void {
    for (const { url, depth } of links) {
      if (!this.#model.has(url)) this.#model.set(url, { depth, state: 'queued', attempts: 0, placed: false });
    }
  }

  #requests(state: ModelRequest['state']): (ModelRequest & { url: string })[] {
    return [...this.#model]
      .filter(([, request]) => request.state === state)
      .map(([url, request]) => ({ ...request, url }));
  }

  async #claim(index: number, slots: number): Promise<void> {
    const queued = this.#requests('queued');
    const placed = queued.filter((request) => request.placed);
    const room = this.maxPages - [...this.#model.values()].filter((request) => request.placed).length;
    const claimable = placed.length + Math.min(room, queued.length - placed.length);
    let result = await this.#worker(index).claim(slots, never);
    for (let tries = 0; result.state === 'Wait' && claimable > 0 && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      result = await this.#worker(index).claim(slots, never);
    }
    const claims = result.state === 'Claimed' ? result.claims : [];
    // Not always as many as there are slots for, since hosts are taken by their time; but something, and never too much.
    expect(claims.length > 0).toBe(claimable > 0);
    expect(claims.length).toBeLessThanOrEqual(Math.min(slots, claimable));
    for (const claim of claims) {
      const request = this.#model.get(claim.url);
      expect(request).toMatchObject({ state: 'queued', depth: claim.depth, attempts: claim.attempt - 1 });
      // Nothing of its host comes before it: neither a retry nor what is nearer to the seeds.
      const passedOver = queued.filter(
        ({ url }) => new URL(url).host === claim.host && !claims.some((c) => c.url === url),
      );
      if (!request?.placed) expect(passedOver.filter((other) => other.placed || other.depth < claim.depth)).toEqual([]);
    }
    for (const claim of claims) {
      Object.assign(this.#model.get(claim.url) ?? {}, { state: 'leased', placed: true, claim, worker: index });
    }
    // A limit that is used up for good skips the rest.
    const ended = this.#requests('done').length + this.#requests('dead').length;
    if (claimable === 0 && ended >= this.maxPages) {
      for (const { url } of queued) Object.assign(this.#model.get(url) ?? {}, { state: 'skipped' });
    }
  }

  async #commit(index: number, endings: readonly Ending[], numbers: readonly number[]): Promise<void> {
    const held = this.#requests('leased').filter((request) => request.worker === index);
    const outcomes = endings.slice(0, held.length).map((ending, place): Outcome => {
      const claim = held[place]?.claim as Claim;
      const links = numbers.map((number) => page(number, claim.depth + 1));
      if (ending === 'done') return { type: 'done', claim, items: [{ n: 1 }], links };
      if (ending === 'skipped') return { type: 'skipped', claim, reason: 'NotHtml' };
      if (ending === 'released') return { type: 'released', claim };
      return { type: ending, claim, cause: 'Timeout', message: 'slow', delayMs: 0 };
    });
    const kept = await this.#worker(index).commit(outcomes, never);
    expect(kept.size).toBe(outcomes.length);
    for (const { claim, type } of outcomes) {
      const request = this.#model.get(claim.url);
      if (request === undefined) throw new Error('claimed what was never found');
      if (type === 'retry' && request.attempts < MAX_RETRIES) request.state = 'queued';
      else request.state = type === 'released' ? 'queued' : type === 'retry' ? 'dead' : type;
      if (type === 'retry' || type === 'dead') request.attempts += 1;
      if (type === 'skipped') request.placed = false;
    }
    // The same link from several pages counts from where it is nearest.
    const links = outcomes.flatMap((outcome) => (outcome.type === 'done' ? outcome.links : []));
    this.#discover(links.sort((a, b) => a.depth - b.depth));
  }

  /** The pod is gone; another takes its number. */
  async #lose(index: number): Promise<void> {
    const held = this.#requests('leased').filter((request) => request.worker === index);
    const { workerId } = this.#worker(index);
    expect(await this.#installation.operator.releaseWorker(this.run.runId, workerId, never)).toBe(held.length);
    for (const { url, claim } of held) {
      if (claim) this.#lost.push(claim);
      Object.assign(this.#model.get(url) ?? {}, { state: 'queued' });
    }
    await this.#worker(index).close();
    this.#workers[index] = this.run.worker();
  }

  /** Whatever a lost worker brings later changes nothing. */
  async #commitLost(index: number): Promise<void> {
    const outcomes = this.#lost.map(
      (claim): Outcome => ({ type: 'done', claim, items: [{ n: 2 }], links: [page(99, 1)] }),
    );
    expect(await this.#worker(index).commit(outcomes, never)).toEqual(new Set());
  }

  async #compare(): Promise<void> {
    const { rows } = await this.#installation.admin.query(
      `select url, state, attempts, has_place as placed from request where run_id = $1 order by url collate "C"`,
      [this.run.runId],
    );
    const model = [...this.#model].map(([url, { state, attempts, placed }]) => ({ url, state, attempts, placed }));
    expect(rows).toEqual(model.sort((a, b) => (a.url < b.url ? -1 : 1)));
    const { rows: items } = await this.#installation.admin.query('select count(*)::int from item where run_id = $1', [
      this.run.runId,
    ]);
    expect(items).toEqual([{ count: this.#requests('done').length }]);
  }
}

it('holds what the model holds after any steps', async () => {
  await using installation = await install(server);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(25), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { minLength: 20, maxLength: 40 }),
      async (seeds, maxPages, steps) => {
        const spec = { ...FAST, limits: { maxPages }, fetch: { maxRetries: MAX_RETRIES } };
        const pair = new Pair(installation, await installation.createRun(spec), maxPages);
        try {
          await pair.seed(seeds);
          for (const one of steps) await pair.do(one);
        } finally {
          await pair.close();
        }
      },
    ),
    { numRuns: 30 },
  );
});
