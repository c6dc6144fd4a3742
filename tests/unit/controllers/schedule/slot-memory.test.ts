// What Postgres remembers of slots is asked for once; what was dealt with since is remembered here.
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createSlotMemory } from '#src/controllers/schedule/slot-memory.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';

const { signal } = new AbortController();
const slot = new Date('2026-11-22T10:00:00Z');
const never = new Date(0);
const newer = new Date('2026-11-22T11:00:00Z');

function memoryOf(answer: () => Promise<ReadonlyMap<string, Date>>) {
  let asked = 0;
  const newestScheduledTimes = () => {
    asked += 1;
    return answer();
  };
  return { memory: createSlotMemory({ newestScheduledTimes }, pino({ level: 'silent' })), asked: () => asked };
}

test('every schedule is told how far it has come, by one question for all', async () => {
  const { memory, asked } = memoryOf(async () => new Map([['a', slot]]));
  const both = Promise.all([memory.cursor('a', signal), memory.cursor('b', signal)]);
  expect(await both).toEqual([slot, never]);
  expect(await memory.cursor('a', signal)).toEqual(slot);
  expect(asked()).toBe(1);
});

test('what was dealt with since is remembered, and an older slot does not take its place', async () => {
  const { memory } = memoryOf(async () => new Map([['a', slot]]));
  memory.remember('a', newer);
  expect(await memory.cursor('a', signal)).toEqual(newer);
  memory.remember('a', slot);
  memory.remember('b', slot);
  expect(await memory.cursor('a', signal)).toEqual(newer);
  expect(await memory.cursor('b', signal)).toEqual(slot);
  memory.forget('a');
  expect(await memory.cursor('a', signal)).toEqual(never);
});

test('a database that is not set up remembers nothing, and need not be asked again', async () => {
  const { memory, asked } = memoryOf(() => Promise.reject(new StoreError('SchemaMismatch', 'no such table')));
  expect(await memory.cursor('a', signal)).toEqual(never);
  expect(await memory.cursor('a', signal)).toEqual(never);
  expect(asked()).toBe(1);
});

test('a database that is away is not asked again at once, and what is dealt with is remembered without it', async () => {
  const { memory, asked } = memoryOf(() => Promise.reject(new StoreError('Unavailable', 'away')));
  expect(await memory.cursor('a', signal)).toEqual(never);
  memory.remember('b', slot);
  expect(await memory.cursor('b', signal)).toEqual(slot);
  expect(asked()).toBe(1);
});
