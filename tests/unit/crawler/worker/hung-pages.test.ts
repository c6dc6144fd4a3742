// Which page is to blame for a worker that hangs, and what is said of it.
import { expect, it } from 'vitest';
import type { OpenPage } from '#src/crawler/worker/heartbeat-messages.ts';
import { hungOutcomes, hungPages, stallMessage } from '#src/crawler/worker/hung-pages.ts';

const page = (name: string, stage: OpenPage['stage'], second: number): OpenPage => ({
  ...{ requestId: name, leaseToken: `${name}-lease`, url: `http://a.example/${name}`, attempt: 2 },
  ...{ stage, since: Date.UTC(2026, 0, 1, 0, 0, second) },
});
const fetching = page('fetching', 'Fetching', 1);
const reading = page('reading', 'Reading', 2);
const lastReading = page('last', 'Reading', 3);
const justBegun = page('begun', 'Admission', 4);

it.each<[string, 'Blocked' | 'Idle', OpenPage[], OpenPage[]]>([
  [
    'a blocked main thread works for the page that entered last',
    'Blocked',
    [lastReading, fetching, reading, justBegun],
    [lastReading],
  ],
  ['where no page is worked for, any of them may be it', 'Blocked', [justBegun, fetching], [fetching, justBegun]],
  ['without progress all of them stand still', 'Idle', [lastReading, fetching], [fetching, lastReading]],
  ['nothing is open while the output is written', 'Idle', [], []],
])('%s', (_, kind, open, hung) => {
  expect(hungPages(open, undefined, { kind, ms: 1 })).toEqual(hung);
});

it('a blocked main thread works for the page of which it has just said so', () => {
  expect(hungPages([lastReading, fetching], reading, { kind: 'Blocked', ms: 1 })).toEqual([reading]);
  expect(hungPages([lastReading], reading, { kind: 'Idle', ms: 1 })).toEqual([lastReading]);
});

it.each<['Blocked' | 'Idle', OpenPage[], string]>([
  [
    'Idle',
    [fetching, reading],
    'no page was finished for 300 s: http://a.example/fetching is in stage Fetching since 2026-01-01T00:00:01.000Z (and 1 more)',
  ],
  [
    'Blocked',
    [reading],
    'the main thread has been blocked for 300 s: http://a.example/reading is in stage Reading since 2026-01-01T00:00:02.000Z',
  ],
  ['Blocked', [], 'the main thread has been blocked for 300 s'],
  ['Idle', [], 'writing the output has made no progress for 300 s: its volume does not answer'],
])('%s: says what hangs, in which stage and since when', (kind, hung, message) => {
  expect(stallMessage({ kind, ms: 300_000 }, hung)).toBe(message);
});

it('each of them is tried again later, and the try counts', () => {
  const [outcome] = hungOutcomes([reading]);
  expect(outcome).toMatchObject({ key: 'reading', token: 'reading-lease', type: 'retry', cause: 'Timeout' });
  expect(outcome?.message).toBe('its worker hung: in stage Reading since 2026-01-01T00:00:02.000Z');
  expect(outcome?.delayMs).toBeGreaterThanOrEqual(1_000);
});
