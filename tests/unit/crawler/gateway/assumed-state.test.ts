// From when on a worker looks for lanes that are due.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AssumedState } from '#src/crawler/gateway/assumed-state.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const wait = { state: 'Wait', retryInMs: 5 } as const;

it('looks where the last answer said, and at all lanes every two seconds', () => {
  const assumed = new AssumedState();
  expect(assumed.claim().dueFrom).toBeNull();
  assumed.claimAnswered({ ...wait, dueFrom: 1_000 });
  vi.advanceTimersByTime(1_999);
  expect(assumed.claim().dueFrom).toBe(1_000);
  assumed.claimAnswered({
    ...{ state: 'Claimed', server: 's', claims: [], moment: 0, now: 0, heldMs: 0 },
    ...{ dueFrom: 2_000, liveVersion: 0 },
  });
  expect(assumed.claim().dueFrom).toBe(2_000);
  vi.advanceTimersByTime(1);
  expect(assumed.claim().dueFrom).toBeNull();
  expect(assumed.claim().dueFrom).toBe(2_000);
});

it.each<[string, (assumed: AssumedState) => void]>([
  ['an answer that does not say it', (assumed) => assumed.claimAnswered(wait)],
  ['an answer that was lost', (assumed) => assumed.answerLost()],
  ['another server, whose clock may be behind', (assumed) => assumed.serverChanged('other')],
])('looks at all lanes after %s', (_, happens) => {
  const assumed = new AssumedState();
  assumed.claim();
  assumed.claimAnswered({ ...wait, dueFrom: 1_000 });
  expect(assumed.claim().dueFrom).toBe(1_000);
  happens(assumed);
  expect(assumed.claim().dueFrom).toBeNull();
});
