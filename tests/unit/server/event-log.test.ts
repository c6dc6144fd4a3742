// The log behind streams: each reader is told the newest state of every object, whatever its pace, and when it has to begin anew.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEventLog, type EventLog, type LiveEvent, type Place } from '#src/server/stream/event-log.ts';
import { putProgress } from '#src/server/stream/live-state.ts';

const all = () => true;
const event = (name: string, state: object | undefined, namespace = 'red'): LiveEvent => ({
  ...{ kind: 'run', namespace, name, state: state && (() => JSON.stringify(state)) },
});

type Told = { readonly id: string; readonly change: string; readonly name: string; readonly state?: { n: number } };

function parse(text: string): Told[] {
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((part) => {
      const [, id = '', data = ''] = /^id: (.*)\nevent: run\ndata: (.*)$/.exec(part) ?? [];
      return { id, ...JSON.parse(data) };
    });
}

test('a reader is told the newest state of each object alone, in the order of these states', () => {
  const log = createEventLog({ id: 'a' });
  for (const [name, n] of [
    ['x', 1],
    ['y', 1],
    ['x', 2],
    ['z', 1],
    ['x', 3],
  ] as const)
    log.put(event(name, { n }));
  const batch = log.after(0, all, 100);
  expect(parse(batch?.text ?? '')).toEqual([
    { id: 'a.2', change: 'Current', namespace: 'red', name: 'y', state: { n: 1 } },
    { id: 'a.4', change: 'Current', namespace: 'red', name: 'z', state: { n: 1 } },
    { id: 'a.5', change: 'Current', namespace: 'red', name: 'x', state: { n: 3 } },
  ]);
  expect(log.after(batch?.place ?? 0, all, 100)).toEqual({ text: '', place: 5 });
});

test('what is gone is told to who has seen it, and not to who begins', () => {
  const log = createEventLog({ id: 'a' });
  log.put(event('x', { n: 1 }));
  log.put(event('y', { n: 1 }));
  log.put(event('x', undefined));
  log.put(event('never there', undefined));
  expect(parse(log.after(2, all, 100)?.text ?? '')).toEqual([
    { id: 'a.3', change: 'Gone', namespace: 'red', name: 'x' },
  ]);
  expect(parse(log.fromStart(0, log.end, all, 100).text).map(({ name }) => name)).toEqual(['y']);
  expect(parse(log.fromStart(0, 2, all, 100).text).map(({ name }) => name)).toEqual(['y', 'x']);
});

test('ids are those of this log, and a place that is forgotten makes its reader begin anew', () => {
  const log = createEventLog({ id: 'a', mostGone: 2 });
  expect(log.placeOf('a.0')).toBe(0);
  for (const id of ['b.0', 'a.1', 'a.-1', '', 'a']) expect(log.placeOf(id), id).toBeUndefined();
  for (let n = 0; n < 20; n += 1) {
    log.put(event(`run-${n}`, { n }));
    log.put(event(`run-${n}`, undefined));
  }
  expect(log.after(1, all, 100)).toBeUndefined();
  expect(log.after(log.end, all, 100)).toEqual({ text: '', place: 40 });
});

test('events that come together wake a reader once, and an aborted one is woken at once', async () => {
  const log = createEventLog({ id: 'a', gatherMs: 1 });
  const never = new AbortController().signal;
  let woken = 0;
  const waiting = log.changed(0, never).then(() => {
    woken += 1;
  });
  for (let n = 0; n < 10; n += 1) log.put(event('x', { n }));
  await waiting;
  expect(woken).toBe(1);
  await log.changed(0, never);
  const aborted = new AbortController();
  const abandoned = log.changed(log.end, aborted.signal);
  aborted.abort();
  await abandoned;
});

/** What a client makes of what it is told. */
function reader(log: EventLog) {
  const seen = new Map<string, number>();
  let place: Place | undefined;
  return {
    seen,
    read(limit: number) {
      const batch = place === undefined ? undefined : log.after(place, all, limit);
      if (batch === undefined) {
        seen.clear();
        const { end } = log;
        for (place = 0; place < end; ) {
          const part = log.fromStart(place, end, all, limit);
          place = part.place;
          take(part.text);
        }
      } else {
        place = batch.place;
        take(batch.text);
      }
    },
    atEnd: () => place === log.end,
  };
  function take(text: string) {
    for (const { change, name, state } of parse(text)) {
      if (change === 'Gone') seen.delete(name);
      else seen.set(name, state?.n ?? -1);
    }
  }
}

test('readers of any pace end with the same objects as there are', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('put' as const), name: fc.integer({ min: 0, max: 6 }), n: fc.nat(99) }),
    fc.record({ type: fc.constant('remove' as const), name: fc.integer({ min: 0, max: 6 }) }),
    fc.record({ type: fc.constant('read' as const), who: fc.nat(2), limit: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const log = createEventLog({ id: 'a', mostGone: 0 });
      const truth = new Map<string, number>();
      const readers = [reader(log), reader(log), reader(log)];
      for (const one of steps) {
        if (one.type === 'read') {
          readers[one.who]?.read(one.limit);
          continue;
        }
        const name = `run-${one.name}`;
        log.put(event(name, one.type === 'put' ? { n: one.n } : undefined));
        if (one.type === 'put') truth.set(name, one.n);
        else truth.delete(name);
      }
      for (const one of readers) {
        do one.read(3);
        while (!one.atEnd());
        expect(one.seen).toEqual(truth);
      }
    }),
    { numRuns: 500 },
  );
});

test('the progress of a run is told where it has changed, and when the run lives no more', () => {
  const told: [string, object | undefined][] = [];
  const log = { put: ({ name, state }: LiveEvent) => void told.push([name, state && JSON.parse(state())]) };
  const counts = { known: 2, waiting: 1, inProgress: 0, succeeded: 1, failed: 0, skipped: 0, items: 1 };
  const row = { namespace: 'red', run: 'shop-1', ...counts };
  let known = putProgress(log, new Map(), [row]);
  known = putProgress(log, known, [row]);
  known = putProgress(log, known, [{ ...row, waiting: 0 }]);
  expect(putProgress(log, known, [])).toEqual(new Map());
  expect(told).toEqual([
    ['shop-1', counts],
    ['shop-1', { ...counts, waiting: 0 }],
    ['shop-1', undefined],
  ]);
});
