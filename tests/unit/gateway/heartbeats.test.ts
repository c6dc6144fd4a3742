// Which heartbeats are written together, and who answers for those that cannot be.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type BeatRequest, createHeartbeats } from '#src/gateway/heartbeats.ts';
import type { RunKey } from '#src/store/worker-calls.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const run: { readonly key: RunKey } = { key: 'sha256:1' };
const beat = (workerId: string) => ({ workerId }) as BeatRequest;

function heartbeatsOf(together: (workerIds: readonly string[]) => Promise<readonly (string | null)[]>) {
  const statements: string[] = [];
  const heartbeats = createHeartbeats({
    writeTogether(beats) {
      const workerIds = beats.map(({ request }) => request.workerId);
      statements.push(workerIds.join(' '));
      return together(workerIds);
    },
    async writeAlone({ request: { workerId } }) {
      statements.push(`${workerId} alone`);
      if (workerId === 'refused') throw new Error('refused');
      return `${workerId} alone`;
    },
  });
  return { statements, write: (workerId: string) => heartbeats.write(run, beat(workerId)) };
}

const answerAll = async (workerIds: readonly string[]) => workerIds.map((workerId) => `${workerId} together`);

it('writes the first at once, and together what comes within a quarter of a second after it', async () => {
  const { statements, write } = heartbeatsOf(answerAll);
  const first = write('a');
  await vi.advanceTimersByTimeAsync(1);
  expect(await first).toBe('a alone');
  const others = [write('b'), write('c')];
  await vi.advanceTimersByTimeAsync(200);
  others.push(write('d'));
  expect(statements).toEqual(['a alone']);
  await vi.advanceTimersByTimeAsync(50);
  expect(await Promise.all(others)).toEqual(['b together', 'c together', 'd together']);
  expect(statements).toEqual(['a alone', 'b c d']);
});

it('writes alone whom the statement has left out, and lets each have its own answer', async () => {
  const { write } = heartbeatsOf(async (workerIds) => workerIds.map((id) => (id === 'b' ? 'b together' : null)));
  const answers = Promise.allSettled([write('a'), write('b'), write('refused')]);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answers).toEqual([
    { status: 'fulfilled', value: 'a alone' },
    { status: 'fulfilled', value: 'b together' },
    { status: 'rejected', reason: new Error('refused') },
  ]);
});

it('writes each alone when the statement fails', async () => {
  const { write } = heartbeatsOf(() => Promise.reject(new Error('no such function')));
  const answers = Promise.all([write('a'), write('b')]);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answers).toEqual(['a alone', 'b alone']);
});

it('writes at most 500 with one statement', async () => {
  const { statements, write } = heartbeatsOf(answerAll);
  const answers = Promise.all(Array.from({ length: 1_201 }, (_, n) => write(String(n))));
  await vi.advanceTimersByTimeAsync(500);
  expect((await answers).at(-2)).toBe('1199 together');
  expect(statements.map((text) => text.split(' ').length)).toEqual([500, 500, 201]);
});
