// What has changed, in order, for any number of readers. Only the newest state of each object is kept: a reader that is slow misses states
// between, never the last one, and costs no memory of its own.

export type Kind = 'run' | 'schedule' | 'progress';

export type LiveEvent = {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  /** Makes its JSON, when a reader wants it; undefined when it is gone. */
  readonly state: (() => string) | undefined;
};

/** A place in the log: events after it are new to its reader. */
export type Place = number;

export type Batch = {
  /** Server-Sent Events; empty when none is wanted. */
  readonly text: string;
  readonly place: Place;
};

export type EventLog = {
  put(event: LiveEvent): void;
  /** The place after all events. */
  readonly end: Place;
  /** Events of one reader after its place, at most `limit` of them. Undefined when some that were there are forgotten: begin anew. */
  after(place: Place, wants: (event: LiveEvent) => boolean, limit: number): Batch | undefined;
  /** The same for a reader that has seen nothing: what is gone is left out up to `end`, the end when it began. */
  fromStart(place: Place, end: Place, wants: (event: LiveEvent) => boolean, limit: number): Batch;
  /**
   * Resolves soon after an event has come after this place, and when the signal is aborted. Events that come close together wake their
   * readers once.
   */
  changed(place: Place, signal: AbortSignal): Promise<void>;
  idOf(place: Place): string;
  /** Undefined for an id that another log has given, such as that of another replica. */
  placeOf(id: string): Place | undefined;
};

type Entry = { readonly place: Place; readonly event: LiveEvent; text?: string };

type LogOptions = {
  /** Tells this log from others. */
  readonly id: string;
  /** How long events are gathered before readers are woken, in milliseconds. */
  readonly gatherMs?: number;
  /** Objects that are gone and that are still told of. */
  readonly mostGone?: number;
};

export function createEventLog({ id, gatherMs = 50, mostGone = 10_000 }: LogOptions): EventLog {
  let entries: Entry[] = [];
  const newest = new Map<string, Entry>();
  let end: Place = 0;
  let forgottenUpTo: Place = 0;
  let gone = 0;
  const waiting = new Set<() => void>();
  let isGathering = false;

  const keyOf = ({ kind, namespace, name }: LiveEvent) => `${kind}/${namespace}/${name}`;
  const isNewest = (entry: Entry) => newest.get(keyOf(entry.event)) === entry;

  /** Made for the first reader that wants it. */
  function textOnce(entry: Entry): string {
    entry.text ??= textOf(id, entry);
    return entry.text;
  }

  function wake(): void {
    if (isGathering) return;
    isGathering = true;
    setTimeout(() => {
      isGathering = false;
      for (const wakeUp of waiting) wakeUp();
    }, gatherMs).unref();
  }

  /** Drops states that a newer one has replaced, and the oldest of what is gone beyond `mostGone`. */
  function compact(): void {
    let surplus = gone - mostGone;
    entries = entries.filter((entry) => {
      if (!isNewest(entry)) return false;
      if (entry.event.state !== undefined || surplus <= 0) return true;
      surplus -= 1;
      gone -= 1;
      newest.delete(keyOf(entry.event));
      forgottenUpTo = entry.place;
      return false;
    });
  }

  function read(
    place: Place,
    wants: (event: LiveEvent) => boolean,
    limit: number,
    isShown: (entry: Entry) => boolean,
  ): Batch {
    const texts: string[] = [];
    let reached = place;
    for (let index = firstAfter(entries, place); index < entries.length && texts.length < limit; index += 1) {
      const entry = entries[index];
      if (entry === undefined) break;
      reached = entry.place;
      if (isNewest(entry) && isShown(entry) && wants(entry.event)) texts.push(textOnce(entry));
    }
    return { text: texts.join(''), place: texts.length < limit ? end : reached };
  }

  return {
    put(event) {
      const key = keyOf(event);
      const before = newest.get(key)?.event;
      if (before === undefined && event.state === undefined) return;
      gone += Number(event.state === undefined) - Number(before !== undefined && before.state === undefined);
      end += 1;
      const entry = { place: end, event };
      newest.set(key, entry);
      entries.push(entry);
      if (entries.length > 2 * newest.size + mostGone || gone > 2 * mostGone) compact();
      wake();
    },
    get end() {
      return end;
    },
    after: (place, wants, limit) => (place < forgottenUpTo ? undefined : read(place, wants, limit, () => true)),
    fromStart: (place, until, wants, limit) =>
      read(place, wants, limit, (entry) => entry.place > until || entry.event.state !== undefined),
    changed: (place, signal) =>
      new Promise((resolve) => {
        const wakeUp = () => {
          waiting.delete(wakeUp);
          signal.removeEventListener('abort', wakeUp);
          resolve();
        };
        waiting.add(wakeUp);
        signal.addEventListener('abort', wakeUp, { once: true });
        if (end > place || signal.aborted) wakeUp();
      }),
    idOf: (place) => `${id}.${place}`,
    placeOf(text) {
      const [, log, place = ''] = /^(.*)\.(\d{1,15})$/.exec(text) ?? [];
      return log === id && Number(place) <= end ? Number(place) : undefined;
    },
  };
}

function textOf(id: string, { place, event }: Entry): string {
  const { kind, namespace, name, state } = event;
  const what = JSON.stringify({ change: state === undefined ? 'Gone' : 'Current', namespace, name });
  const data = state === undefined ? what : `${what.slice(0, -1)},"state":${state()}}`;
  return `id: ${id}.${place}\nevent: ${kind}\ndata: ${data}\n\n`;
}

/** Entries are in the order of their places. */
function firstAfter(entries: readonly Entry[], place: Place): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.place ?? 0) > place) high = middle;
    else low = middle + 1;
  }
  return low;
}
