// A run whatever happens to it, in any order: workers that die, fall silent and wake up, pauses, edits, answers that are lost, a server
// that crashes, and in the end a stop or the end of its work. After each step counters are what they count, what was committed
// is done and has its items once, and nobody holds what another holds.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPatientStore } from '#src/crawler/worker/patient-store.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import type { Claim, Outcome, WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { type CrawlRunSpec, type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { gatewayWorkerStore, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { countersAndTruth, FAST, type Installation, install, never, SCHEMA, type TestRun } from './fixture.ts';
import { createReader, linksWithin, type Reader, SECTIONS, SEEDS, START } from './known-site.ts';

const WORKERS = 3;
const RUNS = 25;
/** What is tried within it is enough; a failure is made smaller no longer. */
const TIME_LIMIT_MS = 40_000;
const [PAGES_AT_FIRST, MANY_PAGES] = [30, 1_000];

/** At the frontier, before a run that is worked on is one without end. */
const MOST_LOOKS = 1_000;

/** What the server sends last, when a statement is over and committed: "ready for query, idle". */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

let server: PostgresServer;
let installation: Installation;
let proxy: TcpProxy;
let gateway: TestGateway;
beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
  proxy = await startTcpProxy(server);
  const databaseUrl = new URL(installation.workerUrl);
  databaseUrl.port = String(proxy.port);
  gateway = await startTestGateway({ databaseUrl: databaseUrl.href, schema: SCHEMA });
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

/** What has to hold of the run. */
type Expected = {
  readonly committed: Set<string>;
  /** Lease tokens by the worker that holds them, dead or alive. */
  readonly held: Map<string, Set<string>>;
  /** The highest page limit that the run ever had. */
  mostPages: number;
  isPaused: boolean;
};

type Worker = {
  readonly workerId: string;
  readonly store: WorkerStore;
  readonly reader: Reader;
  /** Which change of the spec it knows. */
  version: number;
  readonly claims: Map<string, Claim>;
};

/** The run and those who work for it. */
type Crawl = {
  readonly run: TestRun;
  readonly live: (Worker | undefined)[];
  /** Their pods are gone, or they stand still; nobody has noticed. */
  readonly silent: Worker[];
  /** What they held was given to others. */
  readonly released: Worker[];
  spec: CrawlRunSpec;
  generation: number;
};

type Edit = {
  readonly exclude: readonly string[];
  readonly maxDepth: number | null;
  readonly maxPages: number;
  readonly concurrency: number;
};

/** Deeper than any page. Depths are known exactly of a run that had a limit from the beginning. */
const NO_LIMIT = 50;

const UNLIMITED: Edit = { exclude: [], maxDepth: NO_LIMIT, maxPages: MANY_PAGES, concurrency: 2 };

const specOf = ({ exclude, maxDepth, maxPages, concurrency }: Edit): CrawlRunSpec =>
  crawlRunSpec.parse({
    ...FAST,
    sources: [
      { name: 'site', urls: [START], scope: { mode: 'Domain', exclude: exclude.map((section) => `**/${section}/**`) } },
    ],
    limits: { maxPages, ...(maxDepth === null ? {} : { maxDepth }) },
    fetch: { maxRetries: 1 },
    concurrency,
  } satisfies CrawlRunSpecInput);

/** The operator tries again at its next look. */
async function atNextLook<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreError) || error.reason !== 'Unavailable') throw error;
    }
  }
}

async function hire(crawl: Crawl, expected: Expected): Promise<Worker> {
  const workerId = randomUUID();
  const { token } = crawl.run;
  const patience = { log: pino({ level: 'silent' }), onRetry: () => {} };
  const store = createPatientStore(gatewayWorkerStore({ gatewayUrl: gateway.url, token, workerId }), patience);
  const { spec, liveVersion } = await store.loadRun(never);
  const reader = createReader(spec);
  // As a worker that begins later: it takes the edited spec up with its first claim.
  if (liveVersion > 0) reader.change({ ...spec, version: liveVersion });
  expected.held.set(workerId, new Set());
  return { workerId, store, reader, version: liveVersion, claims: new Map() };
}

async function workerAt(crawl: Crawl, expected: Expected, place: number): Promise<Worker> {
  const worker = crawl.live[place] ?? (await hire(crawl, expected));
  crawl.live[place] = worker;
  return worker;
}

/** What was claimed; nothing where nothing is due, or the run does not want it. */
async function claim(worker: Worker, expected: Expected, slots: number): Promise<readonly Claim[]> {
  const result = await worker.store.claim(slots, never);
  if (result.state !== 'Claimed') return [];
  if (result.liveVersion !== worker.version) {
    const { spec, liveVersion } = await worker.store.loadRun(never);
    worker.reader.change({ ...spec, version: liveVersion });
    worker.version = liveVersion;
  }
  for (const one of result.claims) {
    expect(expected.committed.has(one.url) && !one.isReread, `${one.url} is claimed though it is done`).toBe(false);
    worker.claims.set(one.leaseToken, one);
    expected.held.get(worker.workerId)?.add(one.leaseToken);
  }
  return result.claims;
}

type Ending = 'done' | 'retry' | 'released';

function outcomeOf({ reader }: Worker, held: Claim, ending: Ending): Outcome {
  if (ending === 'released') return { type: 'released', claim: held };
  const unread = reader.skip(held);
  if (unread !== undefined) return unread;
  if (ending === 'retry') return { type: 'retry', claim: held, cause: 'Timeout', message: 'slow', delayMs: 0 };
  return reader.read(held);
}

/** Ends the first of its claims so; what it reads is done from then on, whatever becomes of the answer. */
async function commit(worker: Worker, expected: Expected, endings: readonly Ending[]): Promise<void> {
  const ended = [...worker.claims.values()].slice(0, endings.length);
  const outcomes = ended.map((held, place) => outcomeOf(worker, held, endings[place] ?? 'released'));
  await worker.store.commit(outcomes, never);
  for (const { type, claim: held } of outcomes) {
    worker.claims.delete(held.leaseToken);
    expected.held.get(worker.workerId)?.delete(held.leaseToken);
    if (type === 'done') expected.committed.add(held.url);
  }
}

/** The operator sees that the pod is gone. */
async function release(crawl: Crawl, expected: Expected, worker: Worker): Promise<void> {
  await atNextLook(() => installation.operator.releaseWorker(crawl.run.runId, worker.workerId, never));
  expected.held.delete(worker.workerId);
  crawl.released.push(worker);
}

async function edit(crawl: Crawl, expected: Expected, change: Edit): Promise<void> {
  const spec = specOf(change);
  crawl.generation += 1;
  const changed = { runId: crawl.run.runId, spec, specGeneration: crawl.generation };
  await atNextLook(() => installation.operator.changeRun(changed, never));
  crawl.spec = spec;
  expected.mostPages = Math.max(expected.mostPages, change.maxPages);
}

/** Each page that it has open is finished or given back, as at SIGTERM. */
async function endAll(crawl: Crawl, expected: Expected, ending: Ending): Promise<void> {
  for (const [place, worker] of crawl.live.entries()) {
    if (worker === undefined) continue;
    crawl.live[place] = undefined;
    const endings = [...worker.claims].map((_, index): Ending => (index % 2 === 0 ? ending : 'released'));
    await commit(worker, expected, endings);
    await release(crawl, expected, worker);
  }
}

type Step = fc.AsyncCommand<Expected, Crawl>;

function step(
  name: string,
  run: (crawl: Crawl, expected: Expected) => Promise<void>,
  check: (expected: Expected) => boolean = () => true,
): Step {
  return {
    check,
    toString: () => name,
    async run(expected, crawl) {
      await run(crawl, expected);
      await expectExact(crawl, expected);
    },
  };
}

const isAtWork = ({ isPaused }: Expected) => !isPaused;
const place = fc.nat(WORKERS - 1);
const slots = fc.integer({ min: 1, max: 6 });
const endings = fc.array(fc.constantFrom<Ending>('done', 'done', 'done', 'done', 'retry', 'released'), {
  minLength: 1,
  maxLength: 6,
});
/** A connection that breaks when the server has done what it was asked. */
const isAnswerLost = fc.boolean();
const edits: fc.Arbitrary<Edit> = fc.record({
  exclude: fc.subarray([...SECTIONS], { maxLength: 2 }),
  maxDepth: fc.constantFrom(null, NO_LIMIT, 1, 2, 3, 4),
  maxPages: fc.constantFrom(10, PAGES_AT_FIRST, MANY_PAGES),
  concurrency: fc.integer({ min: 1, max: 4 }),
});

const claims = fc
  .tuple(place, slots, fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, isAnswerLost))
  .map(([at, most, isLost]) =>
    step(
      `claim(${at}, ${most}${isLost ? ', answer lost' : ''})`,
      async (crawl, expected) => {
        const worker = await workerAt(crawl, expected, at);
        if (isLost) proxy.loseAnswerTo('claim_requests', COMMITTED);
        await claim(worker, expected, most);
      },
      isAtWork,
    ),
  );

const commits = fc
  .tuple(place, endings, fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, isAnswerLost))
  .map(([at, ways, isLost]) =>
    step(
      `commit(${at}, ${ways.join(' ')}${isLost ? ', answer lost' : ''})`,
      async (crawl, expected) => {
        const worker = await workerAt(crawl, expected, at);
        if (isLost && worker.claims.size > 0) proxy.loseAnswerTo('commit_outcomes', COMMITTED);
        await commit(worker, expected, ways);
      },
      isAtWork,
    ),
  );

const silences = place.map((at) =>
  step(`fall silent(${at})`, async (crawl) => {
    const worker = crawl.live[at];
    if (worker !== undefined) crawl.silent.push(worker);
    crawl.live[at] = undefined;
  }),
);

const wakes = fc.constant(
  step(
    'wake up',
    async (crawl) => {
      const free = crawl.live.indexOf(undefined);
      const worker = free < 0 ? undefined : crawl.silent.shift();
      if (worker !== undefined) crawl.live[free] = worker;
    },
    isAtWork,
  ),
);

const releases = fc.constant(
  step('notice a silent one', async (crawl, expected) => {
    const worker = crawl.silent.shift();
    if (worker !== undefined) await release(crawl, expected, worker);
  }),
);

const lateCommits = fc.constant(
  step('commit of a released one', async ({ released }) => {
    for (const worker of released) {
      const late = [...worker.claims.values()].map((held) => outcomeOf(worker, held, 'done'));
      expect((await worker.store.commit(late, never)).size).toBe(0);
    }
  }),
);

const pauses = fc.constant(
  step('pause or resume', async (crawl, expected) => {
    const { operator } = installation;
    if (!expected.isPaused) {
      await endAll(crawl, expected, 'done');
      await atNextLook(() => operator.pauseRun(crawl.run.runId, never));
    } else await atNextLook(() => operator.resumeRun(crawl.run.runId, never));
    expected.isPaused = !expected.isPaused;
  }),
);

const changes = edits.map((change) =>
  step(`edit(${JSON.stringify(change)})`, (crawl, expected) => edit(crawl, expected, change)),
);

const reviews = fc.constant(
  step('review', async ({ run }) => void (await atNextLook(() => installation.operator.reviewQueue(run.runId, never)))),
);

const cuts = fc.constant(step('cut all connections', async () => proxy.cutAll()));

const crashes = fc.constant(step('crash of the server', () => server.crashAndRestart()));

/** As often as they stand here. */
const steps = fc.commands(
  [
    ...Array.from({ length: 7 }, () => [claims, commits]).flat(),
    ...[changes, changes, changes, reviews, reviews, silences, wakes, releases, lateCommits, pauses, cuts, crashes],
  ],
  { maxCommands: 60, size: 'max' },
);

const ends = fc.constantFrom('stop', 'as it is', 'every edit is taken back', 'every edit is taken back');

/** What is true at every moment. */
async function expectExact({ run }: Crawl, expected: Expected): Promise<void> {
  const [counted, truth] = await atNextLook(() => countersAndTruth(installation, run.runId));
  expect(counted).toEqual(truth);
  expect(truth).toHaveProperty('places', expect.any(Number));
  expect((truth as { places: number }).places).toBeLessThanOrEqual(expected.mostPages);
  const { rows: requests } = await installation.admin.query<{ url: string; state: string; token: string | null }>(
    'select url, state, lease_token as token from request where run_id = $1',
    [run.runId],
  );
  const done = requests.filter(({ state }) => state === 'done').map(({ url }) => url);
  const { rows: items } = await installation.admin.query<{ url: string }>(
    `select data->>'url' as url from item where run_id = $1`,
    [run.runId],
  );
  const committed = [...expected.committed].sort();
  expect(items.map(({ url }) => url).sort()).toEqual(committed);
  // A page that is read once more for its links has its item already.
  expect(committed).toEqual(expect.arrayContaining(done));
  expect(new Set(requests.map(({ url }) => url)).size).toBe(requests.length);
  const held = [...expected.held.values()].flatMap((tokens) => [...tokens]);
  expect(requests.flatMap(({ token }) => token ?? []).sort()).toEqual(held.sort());
}

async function unfinished({ run }: Crawl): Promise<readonly object[]> {
  const text = `select url, state, depth, was_read from request where run_id = $1 and state in ('queued', 'leased')`;
  return (await installation.admin.query<object>(text, [run.runId])).rows;
}

/** All that is left, by a worker that nothing happens to. */
async function workToTheEnd(crawl: Crawl, expected: Expected): Promise<void> {
  const { operator } = installation;
  const { runId } = crawl.run;
  if (expected.isPaused) await atNextLook(() => operator.resumeRun(runId, never));
  for (const worker of crawl.silent.splice(0)) await release(crawl, expected, worker);
  await endAll(crawl, expected, 'done');
  const worker = await hire(crawl, expected);
  while (await atNextLook(() => operator.reviewQueue(runId, never)));
  for (let looks = 0; !(await worker.store.finish(never)); looks += 1) {
    if (looks > MOST_LOOKS) throw new Error(`the run does not end: ${JSON.stringify(await unfinished(crawl))}`);
    const claimed = await claim(worker, expected, 10);
    await commit(
      worker,
      expected,
      claimed.map(() => 'done'),
    );
  }
  await release(crawl, expected, worker);
  await expectExact(crawl, expected);
  await expectWhole(crawl);
  expect(await operator.snapshot(runId, never)).toMatchObject({
    state: 'Finished',
    progress: { queued: 0, leased: 0, succeeded: expected.committed.size, items: expected.committed.size },
  });
}

/** Of each page that was read, all links that the last spec wants are crawled. */
async function expectWhole({ run, spec }: Crawl): Promise<void> {
  const { rows } = await installation.admin.query<{ url: string; state: string; reason: string | null; depth: number }>(
    'select url, state, reason, depth from request where run_id = $1',
    [run.runId],
  );
  const endOf = new Map(rows.map(({ url, state, reason }) => [url, state === 'skipped' ? reason : state]));
  const { maxDepth = Number.POSITIVE_INFINITY } = spec.limits;
  const missing = rows
    .filter(({ state, depth }) => state === 'done' && depth < maxDepth)
    .flatMap(({ url, depth }) => linksWithin(spec, url).map((link) => ({ at: url, depth, link, end: endOf.get(link) })))
    .filter(({ end }) => end !== 'done' && end !== 'dead' && end !== 'MaxPages');
  expect(missing, 'links that nobody has crawled').toEqual([]);
}

/** The operator stops it; what is under way is finished, and the rest stays undone. */
async function stop(crawl: Crawl, expected: Expected): Promise<void> {
  const { operator } = installation;
  const { runId } = crawl.run;
  await atNextLook(() => operator.requestStop(runId, 'enough', never));
  // After an answer that was lost, the first claim gives back what it may have leased, and nothing else.
  const worker = crawl.live.find((one) => one !== undefined);
  await worker?.store.returnUnknownLeases(never);
  // Who has not spoken with the server since it crashed asserts first what it holds, and is told to ask again.
  let answer = await worker?.store.claim(1, never);
  if (answer?.state === 'Wait') answer = await worker?.store.claim(1, never);
  if (answer !== undefined) expect(answer).toMatchObject({ state: 'Stopping' });
  await endAll(crawl, expected, 'done');
  await atNextLook(() => operator.finishStopped(runId, 'Stopped', 'enough', never));
  for (const silent of crawl.silent) expected.held.delete(silent.workerId);
  await expectExact(crawl, expected);
  for (const { store, claims: unfinished } of [...crawl.silent, ...crawl.released]) {
    const late = [...unfinished.values()].map((held): Outcome => ({ type: 'released', claim: held }));
    if (late.length > 0) await expect(store.commit(late, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
  }
  expect(await operator.snapshot(runId, never)).toMatchObject({
    state: 'Finished',
    outcome: 'Stopped',
    progress: { leased: 0, items: expected.committed.size },
  });
}

it('is exact whatever happens to it', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(steps, ends, async (happens, end) => {
      const spec = specOf({ ...UNLIMITED, maxPages: PAGES_AT_FIRST });
      const run = await atNextLook(() => installation.createRun(spec as CrawlRunSpecInput));
      const crawl: Crawl = {
        ...{ run, spec, generation: 1, silent: [], released: [] },
        live: Array.from({ length: WORKERS }, () => undefined),
      };
      const expected: Expected = { committed: new Set(), held: new Map(), mostPages: PAGES_AT_FIRST, isPaused: false };
      const first = await workerAt(crawl, expected, 0);
      await first.store.seed(SEEDS, never);
      for (let part = 0; part < 3; part += 1) {
        await claim(first, expected, 3);
        await commit(first, expected, ['done', 'done']);
      }
      await fc.asyncModelRun(() => ({ model: expected, real: crawl }), happens);
      if (end === 'every edit is taken back') await edit(crawl, expected, UNLIMITED);
      if (end === 'stop') await stop(crawl, expected);
      else await workToTheEnd(crawl, expected);
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS },
  );
});
