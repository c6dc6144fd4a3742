// Crawls in virtual time: workers claim from the real functions, fetch for a while and claim again, and hours cost seconds.
// What a worker does is what the crawler does: it claims for its free slots, and waits as it is told when there is nothing.
import type { Installation, TestRun } from './fixture.ts';
import { never, urls } from './fixture.ts';
import { setVirtualClock, type VirtualClock } from './virtual-clock.ts';

export type CrawlPlan = {
  readonly requestsPerSecond: number;
  readonly pages?: number;
  readonly priority?: number;
  /** Seconds after the first one. */
  readonly startS?: number;
  readonly workers?: number;
  /** Pages that a worker has open at once, and how long each takes. */
  readonly slots?: number;
  readonly fetchMs?: number;
  /** The requests a second that its workers are good for, where that is less than its pace. */
  readonly most?: number;
};

type Answer =
  | { readonly state: 'Claimed'; readonly claims: readonly { readonly turn: number }[] }
  | { readonly state: 'Wait'; readonly retryInMs: number };

type Worker = {
  readonly run: number;
  readonly workerId: string;
  readonly token: string;
  readonly plan: CrawlPlan;
  ends: number[];
  at: number;
};

/** How long an answer takes at most, in milliseconds. */
const LATEST_ANSWER_MS = 40;

/** The runs, the turns of each at the host in seconds after the begin of the first run, and how often workers asked. */
export async function simulateCrawls(
  installation: Installation,
  plans: readonly CrawlPlan[],
  seconds: number,
): Promise<{ readonly runs: readonly TestRun[]; readonly turns: readonly number[][]; readonly claims: number }> {
  const runs: TestRun[] = [];
  for (const { requestsPerSecond, priority = 0, pages = Math.ceil(requestsPerSecond * (seconds + 1)) } of plans) {
    const run = await installation.createRun({
      politeness: { requestsPerSecond },
      priority,
      limits: { maxPages: 1_000_000 },
    });
    await run.worker().seed(urls(pages, { prefix: run.runId }), never);
    runs.push(run);
  }
  await using clock = await setVirtualClock(installation);
  // Later than anything that was stored by the real clock.
  const start = Date.now() + 60_000;
  const workers = plans.flatMap((plan, run) =>
    Array.from({ length: plan.workers ?? 1 }, (_, index): Worker => {
      const { token = '', runId = '' } = runs[run] ?? {};
      const workerId = `${runId.slice(0, -2)}${String(index).padStart(2, '0')}`;
      return { run, workerId, token, plan, ends: [], at: start + (plan.startS ?? 0) * 1_000 };
    }),
  );
  const turns: number[][] = plans.map(() => []);
  const random = randomNumbers(1);
  let claims = 0;
  for (;;) {
    const worker = workers.reduce((first, other) => (other.at < first.at ? other : first));
    if (worker.at >= start + seconds * 1_000) break;
    claims += 1;
    for (const turn of await step(clock, worker, random)) turns[worker.run]?.push((turn - start) / 1_000);
  }
  return { runs, claims, turns: turns.map((of) => of.sort((a, b) => a - b)) };
}

/** One claim of a worker; the turns that it was given. */
async function step(clock: VirtualClock, worker: Worker, random: () => number): Promise<readonly number[]> {
  const { slots = 20, fetchMs = 200 } = worker.plan;
  worker.ends = worker.ends.filter((end) => end > worker.at);
  const free = slots - worker.ends.length;
  if (free === 0) {
    worker.at = Math.min(...worker.ends);
    return [];
  }
  const text = `select claim_requests($1, $2::uuid, $3, 25::double precision, 0, '{}'::uuid[], null, null) as answer`;
  const [row] = await clock.query<{ answer: Answer }>(worker.at, text, [worker.token, worker.workerId, free]);
  const answered = worker.at + LATEST_ANSWER_MS * random();
  if (row?.answer.state !== 'Claimed') {
    worker.at = answered + (row?.answer.retryInMs ?? 0);
    return [];
  }
  const turns = row.answer.claims.map(({ turn }) => turn);
  worker.ends.push(...turns.map((turn) => Math.max(turn, answered) + fetchMs * (0.5 + random())));
  worker.at = answered;
  return turns;
}

/** The same numbers from 0 to 1 in each run of a test (a linear congruential generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
