// What Postgres remembers of slots is asked for once, and again for a schedule that lost everything else.
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createSlotMemory } from '#src/controllers/slot-memory.ts';
import { StoreError } from '#src/store/store-error.ts';

const { signal } = new AbortController();
const slot = new Date('2026-11-22T10:00:00Z');
const newer = new Date('2026-11-22T11:00:00Z');

function memoryOf(answer: () => Promise<ReadonlyMap<string, Date>>) {
  const asked: string[] = [];
  const store = {
    newestScheduledTimes: () => {
      asked.push('all');
      return answer();
    },
    newestScheduledTime: async (uid: string) => {
      asked.push(uid);
      return newer;
    },
  };
  return { memory: createSlotMemory(store, pino({ level: 'silent' })), asked };
}

test('every schedule is told its newest slot at the first look, by one question for all', async () => {
  const { memory, asked } = memoryOf(async () => new Map([['a', slot]]));
  const both = Promise.all([memory.newestSlot('a', false, signal), memory.newestSlot('b', true, signal)]);
  expect(await both).toEqual([slot, undefined]);
  expect(await memory.newestSlot('a', false, signal)).toBeUndefined();
  expect(asked).toEqual(['all']);
});

test('a schedule without status and runs is asked for anew', async () => {
  const { memory, asked } = memoryOf(async () => new Map());
  await memory.newestSlot('a', true, signal);
  expect(await memory.newestSlot('a', true, signal)).toEqual(newer);
  expect(asked).toEqual(['all', 'a']);
});

test('a database that is not set up remembers nothing; one that is away is not asked again at once', async () => {
  const empty = memoryOf(() => Promise.reject(new StoreError('SchemaMismatch', 'no such table')));
  expect(await empty.memory.newestSlot('a', false, signal)).toBeUndefined();
  expect(await empty.memory.newestSlot('a', true, signal)).toEqual(newer);
  const away = memoryOf(() => Promise.reject(new StoreError('Unavailable', 'away')));
  expect(await away.memory.newestSlot('a', false, signal)).toBeUndefined();
  expect(await away.memory.newestSlot('b', true, signal)).toBeUndefined();
  expect(away.asked).toEqual(['all']);
});
