// Calls that come at the same moment become one: under load a round trip to Postgres serves many.

type Waiting<Item, Result> = PromiseWithResolvers<Result> & { readonly item: Item };

/**
 * A function for one item, made from one for many. While a batch is under way, those that come gather for the next. An
 * abort rejects that call alone; the batch goes on. When a batch fails, each of its items is tried alone, so that one
 * bad item spoils no other; `limit` is the largest batch.
 */
export function createBatcher<Item, Result>(
  limit: number,
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item, signal: AbortSignal) => Promise<Result> {
  const gathered: Waiting<Item, Result>[] = [];
  let working = false;

  async function drain(): Promise<void> {
    // Calls of the same turn go together from the start.
    await new Promise(setImmediate);
    while (gathered.length > 0) await workOn(gathered.splice(0, limit));
    working = false;
  }

  async function workOn(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1) only?.reject(error);
      else for (const one of batch) await workOn([one]);
    }
  }

  return async (item, signal) => {
    signal.throwIfAborted();
    const waiting = { item, ...Promise.withResolvers<Result>() };
    gathered.push(waiting);
    if (!working) {
      working = true;
      void drain();
    }
    const giveUp = () => waiting.reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    return waiting.promise.finally(() => signal.removeEventListener('abort', giveUp));
  };
}
