// When the database is prepared: before its first use, after trouble with growing pauses, and never twice at once.
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDatabasePreparation } from '#src/controllers/database-preparation.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';

const { signal } = new AbortController();
const away = new StoreError('Unavailable', 'the database is away');
const noTable = new StoreError('SchemaMismatch', 'relation "run" does not exist');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** `answers` are those of the migrations in turn, the last one for all that follow. */
function preparation(answers: (readonly string[] | Error)[], { migrate = true } = {}) {
  const seen = { migrations: 0, emptied: 0 };
  const database = createDatabasePreparation({
    store: {
      migrate: async () => {
        const answer = answers[Math.min(seen.migrations++, answers.length - 1)];
        if (answer instanceof Error) throw answer;
        return answer ?? [];
      },
    },
    migrate,
    onEmptied: () => {
      seen.emptied += 1;
    },
    logger: pino({ level: 'silent' }),
    signal,
  });
  return { database, seen };
}

test('callers at the same time share one attempt, and once prepared it is only looked after once a day', async () => {
  const { database, seen } = preparation([['0001-frontier'], []]);
  await Promise.all([database.ready(), database.ready()]);
  await database.ready();
  expect(seen).toMatchObject({ migrations: 1, emptied: 0 });
  vi.advanceTimersByTime(25 * 3_600_000);
  await database.ready();
  expect(seen).toMatchObject({ migrations: 2, emptied: 0 });
});

test('after a failure the same error is given until the next try is due', async () => {
  const { database, seen } = preparation([away, away, []]);
  await expect(database.ready()).rejects.toBe(away);
  await expect(database.ready()).rejects.toBe(away);
  expect(seen.migrations).toBe(1);
  vi.advanceTimersByTime(500);
  await expect(database.ready()).rejects.toBe(away);
  expect(seen.migrations).toBe(2);
  vi.advanceTimersByTime(1_000);
  await database.ready();
  expect(seen.migrations).toBe(3);
});

test('a table that is missing makes it prepared again, and it says so when all was gone', async () => {
  const { database, seen } = preparation([['0001-frontier'], ['0001-frontier'], []]);
  await database.ready();
  database.reportFailure(noTable);
  database.reportFailure(noTable);
  await expect(database.ready()).rejects.toBe(noTable);
  vi.advanceTimersByTime(500);
  await database.ready();
  expect(seen).toMatchObject({ migrations: 2, emptied: 1 });

  database.reportFailure(noTable);
  vi.advanceTimersByTime(1_000);
  await database.ready();
  expect(seen).toMatchObject({ migrations: 3, emptied: 1 });
});

test('trouble that comes again and again is looked into more and more rarely', async () => {
  const { database, seen } = preparation([[]]);
  await database.ready();
  for (let seconds = 0; seconds < 300; seconds += 1) {
    vi.advanceTimersByTime(1_000);
    await database.ready().catch(() => undefined);
    database.reportFailure(noTable);
  }
  // Every 5 to 10 seconds, after the first few.
  expect(seen.migrations).toBeGreaterThan(25);
  expect(seen.migrations).toBeLessThan(70);
});

test.each([
  ['an outage', away, { migrate: true }],
  ['anything, where somebody else prepares it', noTable, { migrate: false }],
])('%s is no reason to prepare it again', async (_, error, options) => {
  const { database, seen } = preparation([[]], options);
  await database.ready();
  database.reportFailure(error);
  await database.ready();
  expect(seen.migrations).toBe(options.migrate ? 1 : 0);
});
