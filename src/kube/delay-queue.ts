// Keys that wait for their time: a binary heap in which a key can be moved forward.

export interface DelayQueue {
  /** Due at this time, or earlier if the key is already due earlier. */
  schedule(key: string, dueAt: number): void;
  /** Removes and returns the keys that are due, the earliest first. */
  takeDue(now: number): string[];
  /** Moves the times of all keys; negative milliseconds make them due earlier. */
  shift(ms: number): void;
  /** When the earliest key is due. */
  nextDueAt(): number | undefined;
  readonly size: number;
}

interface Entry {
  key: string;
  dueAt: number;
}

export function createDelayQueue(): DelayQueue {
  const heap: Entry[] = [];
  const positions = new Map<string, number>();

  const place = (entry: Entry, position: number) => {
    heap[position] = entry;
    positions.set(entry.key, position);
  };

  const rise = (entry: Entry, from: number) => {
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.dueAt <= entry.dueAt) break;
      place(parent, position);
      position = above;
    }
    place(entry, position);
  };

  const sink = (entry: Entry) => {
    let position = 0;
    for (;;) {
      const left = 2 * position + 1;
      const earlier = (heap[left + 1]?.dueAt ?? Number.POSITIVE_INFINITY) < (heap[left]?.dueAt ?? 0) ? left + 1 : left;
      const child = heap[earlier];
      if (child === undefined || child.dueAt >= entry.dueAt) break;
      place(child, position);
      position = earlier;
    }
    place(entry, position);
  };

  const takeFirst = (): Entry | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return undefined;
    positions.delete(first.key);
    if (heap.length > 0) sink(last);
    return first;
  };

  return {
    schedule(key, dueAt) {
      const position = positions.get(key);
      if (position === undefined) {
        rise({ key, dueAt }, heap.length);
      } else if (dueAt < (heap[position]?.dueAt ?? 0)) {
        rise({ key, dueAt }, position);
      }
    },
    takeDue(now) {
      const due: string[] = [];
      while ((heap[0]?.dueAt ?? Number.POSITIVE_INFINITY) <= now) {
        const entry = takeFirst();
        if (entry !== undefined) due.push(entry.key);
      }
      return due;
    },
    shift(ms) {
      for (const entry of heap) entry.dueAt += ms; // their order stays
    },
    nextDueAt: () => heap[0]?.dueAt,
    get size() {
      return heap.length;
    },
  };
}
