// What the crawl loop does with a free slot, and when it asks for claims.
import { describe, expect, it } from 'vitest';
import { ClaimPace, slotStep, type WorkInHand } from '#src/crawler/worker/loop-steps.ts';

const now = 1_000;
const inHand: WorkInHand = { slots: 4, busy: 2, nextAt: 900, uncommitted: 0, isStopping: false };

describe('a slot', () => {
  it.each<[string, Partial<WorkInHand>, ReturnType<typeof slotStep>]>([
    ['takes a claim whose place has come', {}, { type: 'Begin' }],
    ['waits for the place of the first claim', { nextAt: 1_200 }, { type: 'WaitUntil', at: 1_200 }],
    ['wants the links that wait for their commit when there is no claim', { nextAt: undefined }, { type: 'Commit' }],
    ['begins no page while too many outcomes wait', { uncommitted: 100 }, { type: 'Commit' }],
    ['bears with four outcomes a slot', { slots: 50, uncommitted: 199 }, { type: 'Begin' }],
    ['but with no more', { slots: 50, uncommitted: 200 }, { type: 'Commit' }],
    ['is none when all are taken', { busy: 4, nextAt: undefined, uncommitted: 500 }, { type: 'Rest' }],
    ['is none when there are fewer than there were', { busy: 6 }, { type: 'Rest' }],
    ['begins nothing when the worker stops', { isStopping: true }, { type: 'Rest' }],
    ['sets no alarm when the worker stops', { isStopping: true, nextAt: 1_200 }, { type: 'Rest' }],
    ['lets a stopping worker commit', { isStopping: true, nextAt: undefined }, { type: 'Commit' }],
  ])('%s', (_, change, step) => {
    expect(slotStep({ ...inHand, ...change }, now)).toEqual(step);
  });
});

describe('the pace of claims', () => {
  it('doubles its pauses from 10 to 250 ms, begins anew after a success, and hurries on demand', () => {
    const pace = new ClaimPace();
    expect(pace.at).toBe(0);
    const pauses = Array.from({ length: 7 }, () => {
      pace.failed(5, now);
      return pace.at - now;
    });
    expect(pauses).toEqual([10, 20, 40, 80, 160, 250, 250]);
    pace.hurry();
    expect(pace.at).toBe(0);
    pace.failed(5, now);
    expect(pace.at - now).toBe(250);
    pace.succeeded();
    pace.failed(5, now);
    expect(pace.at - now).toBe(10);
  });

  it('waits as long as the database says, and not at all when there is more to be looked at', () => {
    const pace = new ClaimPace();
    pace.failed(120, now);
    expect(pace.at - now).toBe(120);
    pace.failed(0, now + 200);
    expect(pace.at - now).toBe(120);
  });
});
