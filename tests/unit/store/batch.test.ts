// Calls that come together share a round trip, and each still has its own result, failure and end.
import { expect, test } from 'vitest';
import { createBatcher } from '#src/store/batch.ts';

const { signal } = new AbortController();

/** Doubles numbers; 13 spoils its batch. */
function doubler(limit = 10) {
  const batches: number[][] = [];
  const double = createBatcher<number, number>(limit, async (items) => {
    batches.push([...items]);
    await new Promise(setImmediate);
    if (items.includes(13)) throw new Error('13');
    return items.map((item) => 2 * item);
  });
  return { double, batches };
}

test('calls of one moment share a batch, those that come meanwhile the next, up to the limit', async () => {
  const { double, batches } = doubler(3);
  const first = [1, 2].map((n) => double(n, signal));
  await new Promise(setImmediate);
  const second = [3, 4, 5, 6].map((n) => double(n, signal));
  expect(await Promise.all([...first, ...second])).toEqual([2, 4, 6, 8, 10, 12]);
  expect(batches).toEqual([[1, 2], [3, 4, 5], [6]]);
  expect(await double(7, signal)).toBe(14);
});

test('a bad item fails alone', async () => {
  const { double } = doubler();
  const results = await Promise.allSettled([1, 13, 2].map((n) => double(n, signal)));
  expect(results).toMatchObject([{ value: 2 }, { reason: new Error('13') }, { value: 4 }]);
});

test('an abort ends that call alone, with its reason', async () => {
  const { double } = doubler();
  const ending = new AbortController();
  const [kept, given] = [double(1, signal), double(2, ending.signal)];
  ending.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  expect(await kept).toBe(2);
  await expect(double(3, ending.signal)).rejects.toThrow('enough');
});
