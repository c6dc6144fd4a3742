// Answers of the API server that are good for seconds. Whoever asks often never waits for one: it is asked anew when half of its time is over,
// while the one that is there still counts.
import QuickLRU from 'quick-lru';

export type FreshAnswers<T> = {
  /** Rejects with what asking has rejected with; a failure is not remembered. */
  get(key: string, ask: () => Promise<T>): Promise<T>;
};

type Known<T> = { readonly answer: Promise<T>; readonly askedAt: number; isAskedAnew: boolean };

export type FreshAnswersOptions = {
  /** From the moment of asking, in milliseconds. */
  readonly freshMs: number;
  /** About so many are kept. */
  readonly most: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
};

export function createFreshAnswers<T>(options: FreshAnswersOptions): FreshAnswers<T> {
  const { freshMs, most, now = () => performance.now() } = options;
  const known = new QuickLRU<string, Known<T>>({ maxSize: most });

  function remember(key: string, answer: Promise<T>, askedAt: number): void {
    const entry = { answer, askedAt, isAskedAnew: false };
    known.set(key, entry);
    answer.catch(() => {
      if (known.peek(key) === entry) known.delete(key);
    });
  }

  /** What is there stays until the next answer is; when that fails, it ends with its own time. */
  async function askAnew(key: string, entry: Known<T>, ask: () => Promise<T>): Promise<void> {
    const askedAt = now();
    try {
      const answer = await ask();
      // One that took longer than the old one was good has been overtaken.
      if ((known.peek(key)?.askedAt ?? askedAt) <= askedAt) remember(key, Promise.resolve(answer), askedAt);
    } catch {
      entry.isAskedAnew = false;
    }
  }

  return {
    get(key, ask) {
      const askedAt = now();
      const found = known.get(key);
      const age = found === undefined ? Number.POSITIVE_INFINITY : askedAt - found.askedAt;
      if (found === undefined || age >= freshMs) {
        const answer = ask();
        remember(key, answer, askedAt);
        return answer;
      }
      if (age >= freshMs / 2 && !found.isAskedAnew) {
        found.isAskedAnew = true;
        void askAnew(key, found, ask);
      }
      return found.answer;
    },
  };
}
