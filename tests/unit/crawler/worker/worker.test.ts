// The crawl loop with a store and pages made up: nothing that was claimed is lost, however the loop ends.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { PageCrawler } from '#src/crawler/page/crawl-page.ts';
import { runWorker } from '#src/crawler/worker/worker.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import type { Claim, ClaimResult, Outcome } from '#src/gateway/protocol/worker-store.ts';

const activity = {
  progress: () => {},
  pageBegan: () => {},
  pageEntered: () => {},
  pageEnded: () => {},
  exception: () => {},
};

function claimOf(requestId: string, from = 0): Claim {
  const url = `https://site.example/${requestId}`;
  return { requestId, leaseToken: requestId, url, source: 's', host: 'site.example', depth: 0, attempt: 1, from };
}

const claimed = (...ids: string[]): ClaimResult => ({
  state: 'Claimed',
  claims: ids.map((id) => claimOf(id)),
  liveVersion: 0,
});
const done = (claim: Claim): Outcome => ({ type: 'done', claim, items: [], links: [] });

/** A claim that waits for work which never comes. */
function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

/** A store that answers claims from a list, and then that the run is finished. */
function setUp(answers: (ClaimResult | Error | 'Hang')[], crawl: PageCrawler['crawl'], areBlocked = false) {
  const committed: Outcome[] = [];
  let reseeded = 0;
  let returned = 0;
  const [stopping, abort, quit] = [new AbortController(), new AbortController(), new AbortController()];
  const result = () =>
    runWorker({
      store: {
        async claim(_, signal) {
          const answer = answers.shift() ?? { state: 'Wait', retryInMs: 5 };
          if (answer === 'Hang') return hang(signal);
          if (answer instanceof Error) throw answer;
          return answer;
        },
        async returnUnknownLeases() {
          returned++;
        },
        async commit(outcomes) {
          committed.push(...outcomes);
          return new Set(outcomes.map(({ claim }) => claim.requestId));
        },
        finish: async () => answers.length === 0,
        areAllSourcesBlocked: async () => areBlocked,
      },
      pages: { crawl },
      followSpec: async () => {},
      async reseed() {
        reseeded++;
        answers.unshift(claimed('seed'));
      },
      slots: { open: () => 2, taken: () => {} },
      enoughRefusals: 1,
      signals: { stopping: stopping.signal, abort: abort.signal, quit: quit.signal },
      activity,
      log: pino({ level: 'silent' }),
    });
  const ends = () => Object.fromEntries(committed.map(({ claim, type }) => [claim.requestId, type]));
  return { result, ends, committed, stopping, abort, reseeded: () => reseeded, returned: () => returned };
}

/** A page that hangs until it is given up. */
const hanging: PageCrawler['crawl'] = (_, { abort }) =>
  new Promise((_, reject) => abort.addEventListener('abort', () => reject(abort.reason)));

describe('the crawl loop', () => {
  it('does not wait for the claim that waits for work when it is stopped', async () => {
    const { result, ends, stopping, returned } = setUp([claimed('a'), 'Hang'], async (claim) => {
      setTimeout(() => stopping.abort(new Error('received SIGTERM')));
      return done(claim);
    });
    expect(await result()).toMatchObject({ finished: true });
    expect(ends()).toEqual({ a: 'done' });
    // It may have leased something all the same.
    expect(returned()).toBe(1);
  });

  it('crawls what it claims, commits it and ends with the run', async () => {
    const { result, ends } = setUp([claimed('a', 'b', 'c'), claimed('d')], async (claim) => done(claim));
    await expect(result()).resolves.toMatchObject({ finished: true, totals: { pages: 4 } });
    expect(ends()).toEqual({ a: 'done', b: 'done', c: 'done', d: 'done' });
  });

  it('puts the start URLs in again when the database has lost them, once for each time', async () => {
    const { result, ends, reseeded } = setUp([claimed('a'), { state: 'Unseeded' }, claimed('b')], async (claim) =>
      done(claim),
    );
    await expect(result()).resolves.toMatchObject({ finished: true });
    expect(reseeded()).toBe(1);
    expect(ends()).toEqual({ a: 'done', seed: 'done', b: 'done' });
  });

  it('tries a page again that met a fault of its own, and goes on with the others', async () => {
    const { result, ends } = setUp([claimed('a', 'b')], async (claim) => {
      if (claim.requestId === 'a') throw new TypeError('not foreseen');
      return done(claim);
    });
    await expect(result()).resolves.toMatchObject({ finished: true, totals: { pages: 1, retried: 1 } });
    expect(ends()).toEqual({ a: 'retry', b: 'done' });
  });

  it('finishes pages under way when it is stopped, and releases the others', async () => {
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const { result, ends, stopping } = setUp([claimed('a', 'b', 'c', 'd')], async (claim) => {
      if (claim.requestId === 'b') begun.resolve();
      await go.promise;
      return done(claim);
    });
    const end = result();
    await begun.promise;
    stopping.abort(new Error('SIGTERM'));
    go.resolve();
    await end;
    expect(ends()).toEqual({ a: 'done', b: 'done', c: 'released', d: 'released' });
  });

  it('gives pages under way up and releases them when it is aborted', async () => {
    const { result, ends, abort } = setUp([claimed('a', 'b', 'c')], (claim, signals) => {
      if (claim.requestId === 'b') queueMicrotask(() => abort.abort(new Error('now')));
      return hanging(claim, signals);
    });
    await result();
    expect(ends()).toEqual({ a: 'released', b: 'released', c: 'released' });
  });

  it('leaves no page under way when a claim fails for good, and keeps what is done', async () => {
    let isHanging = false;
    const failure = new StoreError('Unavailable', 'away');
    const { result, ends } = setUp([claimed('a', 'b'), failure], async (claim, signals) => {
      if (claim.requestId === 'a') return done(claim);
      isHanging = true;
      return hanging(claim, signals).finally(() => {
        isHanging = false;
      });
    });
    await expect(result()).rejects.toBe(failure);
    expect(isHanging).toBe(false);
    expect(ends()).toEqual({ a: 'done', b: 'released' });
  });

  it('gives pages under way up when the run is finished by others', async () => {
    const { result, ends } = setUp([claimed('a'), { state: 'Finished' }], hanging);
    await expect(result()).resolves.toMatchObject({ finished: true });
    expect(ends()).toEqual({ a: 'released' });
  });

  it('says why the store stopped it', async () => {
    const { result } = setUp([{ state: 'Stopping', reason: 'TimedOut' }], hanging);
    await expect(result()).resolves.toMatchObject({ stopReason: 'TimedOut' });
  });

  it('stops when every source refuses', async () => {
    const many = Array.from({ length: 1_000 }, (_, number) => claimed(String(number)));
    const refused = async (claim: Claim): Promise<Outcome> => ({
      ...{ type: 'retry', claim, cause: 'Blocked', message: 'a challenge', delayMs: 0 },
    });
    const { result, committed } = setUp(many, refused, true);
    await expect(result()).resolves.toMatchObject({ finished: false, stopReason: 'Blocked' });
    expect(committed.length).toBeLessThan(1_000);
  });
});
