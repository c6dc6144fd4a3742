// The connections that tests use outlive their server: an idle one that is closed must not end the test process.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testClient, testPool } from '../support/database-connections.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../support/postgres.ts';

let server: PostgresServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await startPostgres(18);
  database = await server.createDatabase();
});
afterAll(() => server.stop());

it('a pool goes on with a new connection after its server crashed', async () => {
  const pool = testPool(database.superuserUrl);
  const before = await pool.query('select pg_backend_pid() as pid');
  const removed = new Promise<void>((resolve) => pool.once('remove', () => resolve()));
  await server.crashAndRestart();
  await removed;
  const after = await pool.query('select pg_backend_pid() as pid');
  expect(after.rows[0].pid).not.toBe(before.rows[0].pid);
  await pool.end();
});

it('a client whose server crashed rejects its next query', async () => {
  const client = testClient(database.superuserUrl, { schema: 'pg_catalog' });
  await client.connect();
  expect((await client.query('show search_path')).rows).toEqual([{ search_path: 'pg_catalog' }]);
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  await server.crashAndRestart();
  await ended;
  await expect(client.query('select 1')).rejects.toThrow();
});
