// Who uses a bounded number of connections, and who waits for one: fair between namespaces, and between the runs of each.
// Start-time fair queueing (Goyal, Vin and Cheng 1996): of those that wait, whoever has had least time goes first.
import { StoreError } from './protocol/store-error.ts';

/** What a turn is taken to last before it has ended, in milliseconds; then the real time counts. */
const ESTIMATE_MS = 2;

/** Beyond it, whoever has most in the line is sent away. */
export class LineFullError extends StoreError {
  constructor() {
    super('Unavailable', 'the gateway has too much to do');
  }
}

export type Place = { readonly namespace: string; readonly runId: string };

type Waiting = { readonly admit: () => void; readonly refuse: (error: StoreError) => void };

/** A run, or a namespace with its runs. Times are milliseconds of use. */
type Share = { servedMs: number; inUse: number };
type RunShare = Share & { readonly waiting: Waiting[] };
type NamespaceShare = Share & { readonly runs: Map<string, RunShare> };

export class FairLine {
  readonly #size: number;
  readonly #mostWaiting: number;
  readonly #now: () => number;
  readonly #namespaces = new Map<string, NamespaceShare>();
  /** Of those that were admitted last: what newcomers start with, so that nobody saves up while away. */
  #virtualMs = 0;
  #used = 0;
  #waiting = 0;

  constructor(size: number, mostWaiting: number, now: () => number = () => performance.now()) {
    this.#size = size;
    this.#mostWaiting = mostWaiting;
    this.#now = now;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Runs `use` when it is this place's turn. Rejects with a LineFullError when the line is full, and with the signal's reason
   * when that ends the wait; `use` itself is not ended by it.
   */
  async use<Result>(place: Place, signal: AbortSignal, use: () => Promise<Result>): Promise<Result> {
    signal.throwIfAborted();
    const namespace = this.#namespaceOf(place);
    const run = this.#runOf(namespace, place);
    if (this.#used >= this.#size) await this.#wait(run, signal);
    else this.#begin(namespace, run);
    const began = this.#now();
    try {
      return await use();
    } finally {
      this.#end(place, namespace, run, this.#now() - began);
    }
  }

  #namespaceOf({ namespace }: Place): NamespaceShare {
    const share = this.#namespaces.get(namespace) ?? { servedMs: this.#virtualMs, inUse: 0, runs: new Map() };
    this.#namespaces.set(namespace, share);
    return share;
  }

  #runOf(namespace: NamespaceShare, { runId }: Place): RunShare {
    const least = Math.min(...[...namespace.runs.values()].map(({ servedMs }) => servedMs));
    const start = Number.isFinite(least) ? least : 0;
    const share = namespace.runs.get(runId) ?? { servedMs: start, inUse: 0, waiting: [] };
    namespace.runs.set(runId, share);
    return share;
  }

  async #wait(run: RunShare, signal: AbortSignal): Promise<void> {
    if (this.#waiting >= this.#mostWaiting) this.#refuseOne(run);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { admit: resolve, refuse: reject };
    run.waiting.push(waiting);
    this.#waiting++;
    const leave = () => {
      const place = run.waiting.indexOf(waiting);
      if (place < 0) return;
      run.waiting.splice(place, 1);
      this.#waiting--;
      this.#forgetUnused();
      reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', leave));
  }

  /** The line is full: the last of the run that has most in it has to go, be it the newcomer. */
  #refuseOne(newcomer: RunShare): void {
    const runs = [...this.#namespaces.values()].flatMap((namespace) => [...namespace.runs.values()]);
    const longest = runs.reduce((a, b) => (b.waiting.length > a.waiting.length ? b : a), newcomer);
    const error = new LineFullError();
    if (longest === newcomer) {
      this.#forgetUnused();
      throw error;
    }
    longest.waiting.pop()?.refuse(error);
    this.#waiting--;
  }

  #begin(namespace: NamespaceShare, run: RunShare): void {
    this.#used++;
    this.#virtualMs = Math.max(this.#virtualMs, namespace.servedMs);
    for (const share of [namespace, run]) {
      share.inUse++;
      share.servedMs += ESTIMATE_MS;
    }
  }

  #end(place: Place, namespace: NamespaceShare, run: RunShare, tookMs: number): void {
    this.#used--;
    for (const share of [namespace, run]) {
      share.inUse--;
      share.servedMs += tookMs - ESTIMATE_MS;
    }
    this.#admitNext();
    if (run.inUse === 0 && run.waiting.length === 0) namespace.runs.delete(place.runId);
    if (namespace.runs.size === 0) this.#namespaces.delete(place.namespace);
  }

  #admitNext(): void {
    if (this.#waiting === 0) return;
    const waits = (run: RunShare) => run.waiting.length > 0;
    const namespace = leastServed([...this.#namespaces.values()].filter(({ runs }) => [...runs.values()].some(waits)));
    const run = namespace && leastServed([...namespace.runs.values()].filter(waits));
    const next = run?.waiting.shift();
    if (namespace === undefined || run === undefined || next === undefined) return;
    this.#waiting--;
    this.#begin(namespace, run);
    next.admit();
  }

  #forgetUnused(): void {
    for (const [name, namespace] of this.#namespaces) {
      for (const [runId, run] of namespace.runs) {
        if (run.inUse === 0 && run.waiting.length === 0) namespace.runs.delete(runId);
      }
      if (namespace.runs.size === 0) this.#namespaces.delete(name);
    }
  }
}

function leastServed<T extends Share>(shares: readonly T[]): T | undefined {
  const [first, ...others] = shares;
  return first && others.reduce((a, b) => (b.servedMs < a.servedMs ? b : a), first);
}
