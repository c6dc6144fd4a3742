// What a worker hears of errors: nothing of the way to the database.
import { expect, test } from 'vitest';
import { problemOf } from '#src/gateway/protocol/problem.ts';
import { StoreError, type StoreErrorReason } from '#src/gateway/protocol/store-error.ts';

const secret = 'password authentication failed for user "trawler_gateway" at postgres.internal:5432';

test.each<[StoreErrorReason, string]>([
  ['Unavailable', 'the gateway waits for PostgreSQL'],
  ['LoginRefused', 'PostgreSQL does not let the gateway in'],
  ['SchemaMismatch', 'the functions in PostgreSQL do not fit the gateway'],
])('%s of the database is one that may pass, and says no more', (reason, detail) => {
  const problem = problemOf(new StoreError(reason, secret, { cause: new Error(secret) }));
  expect(problem).toEqual({ title: 'Unavailable', status: 503, reason: 'Unavailable', detail });
});

test.each<[StoreErrorReason, number]>([
  ['RunFinished', 410],
  ['TokenRefused', 401],
  ['OtherServer', 409],
  ['Refused', 422],
])('%s is what the worker acts on', (reason, status) => {
  const error = new StoreError(reason, 'why', { cause: new Error('why') });
  expect(problemOf(error)).toMatchObject({ status, reason, detail: 'why' });
});

test('what the gateway says by itself is told', () => {
  expect(problemOf(new StoreError('Unavailable', 'the gateway has too much to do'))).toMatchObject({
    detail: 'the gateway has too much to do',
  });
});
