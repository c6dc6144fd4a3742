// Outcomes reach the store in order, together where they gathered, and no failure of it goes unheard.
import { expect, it } from 'vitest';
import { createCommitter } from '#src/crawler/worker/committer.ts';
import type { Claim, Outcome } from '#src/gateway/protocol/worker-store.ts';

const outcome = (requestId: string): Outcome => ({ type: 'released', claim: { requestId } as Claim });
const idsOf = (outcomes: readonly Outcome[]) => outcomes.map(({ claim }) => claim.requestId);
const never = new AbortController().signal;

it('commits at once in a hurry, and what gathers meanwhile together', async () => {
  const commits: string[][] = [];
  const gates: (() => void)[] = [];
  const kept: string[] = [];
  const committer = createCommitter({
    store: {
      async commit(outcomes) {
        commits.push(idsOf(outcomes));
        const { promise, resolve } = Promise.withResolvers<void>();
        gates.push(resolve);
        await promise;
        return new Set(idsOf(outcomes));
      },
    },
    enough: () => 3,
    signal: never,
    onCommitted: (_, ids) => kept.push(...ids),
    onFailed: () => expect.unreachable(),
  });
  committer.add(outcome('a'));
  committer.hurry();
  expect(commits).toEqual([['a']]);
  committer.add(outcome('b'));
  committer.add(outcome('c'));
  expect(committer.pending()).toBe(3);
  const drained = committer.drained();
  gates[0]?.();
  await expect.poll(() => commits.length).toBe(2);
  gates[1]?.();
  await drained;
  expect(commits).toEqual([['a'], ['b', 'c']]);
  expect(kept).toEqual(['a', 'b', 'c']);
  expect(committer.pending()).toBe(0);
});

it('lets outcomes gather, and commits them though nobody is in a hurry', async () => {
  const commits: string[][] = [];
  const committer = createCommitter({
    store: {
      async commit(outcomes) {
        commits.push(idsOf(outcomes));
        return new Set();
      },
    },
    enough: () => 3,
    signal: never,
    onCommitted: () => {},
    onFailed: () => expect.unreachable(),
  });
  committer.add(outcome('a'));
  committer.add(outcome('b'));
  expect(commits).toEqual([]);
  await expect.poll(() => commits).toEqual([['a', 'b']]);
  committer.hurry();
  expect(commits).toHaveLength(1);
  for (const id of ['c', 'd', 'e']) committer.add(outcome(id));
  expect(commits[1]).toEqual(['c', 'd', 'e']);
});

it('reports a store that fails, to both who wait', async () => {
  const failures: unknown[] = [];
  const committer = createCommitter({
    store: { commit: () => Promise.reject(new Error('gone')) },
    enough: () => 3,
    signal: never,
    onCommitted: () => expect.unreachable(),
    onFailed: (error) => failures.push(error),
  });
  committer.add(outcome('a'));
  await expect(committer.drained()).rejects.toThrow('gone');
  expect(failures).toHaveLength(1);
  expect(committer.pending()).toBe(1);
});
