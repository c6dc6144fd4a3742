// Many pieces of work, so many under way at once.

/** Calls `work` with 0 to `count` - 1, in order; rejects with the first failure. */
export async function inParallel(
  count: number,
  concurrency: number,
  work: (n: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const workers = Array.from({ length: concurrency }, async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  });
  await Promise.all(workers);
}
