// A server whose backend crashes goes on as the same process, and may have lost commits that were not on its disk yet.
import { expect, test } from 'vitest';
import { POSTGRES_VERSIONS, startPostgres } from '../../support/postgres.ts';
import { install } from '../store/fixture.ts';

test.each(POSTGRES_VERSIONS)('PostgreSQL %i is another server after the crash of a backend', async (version) => {
  await using server = await startPostgres(version);
  await using installation = await install(server);
  const identity = async (): Promise<string> =>
    (await installation.admin.query('select server_identity() as identity')).rows[0].identity;
  const before = await identity();
  expect(await identity()).toBe(before);
  const { rows } = await installation.admin.query('select pg_backend_pid() as pid');
  process.kill(rows[0].pid, 'SIGKILL');
  let after = before;
  for (let answered = false; !answered; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    after = await identity().then(
      (now) => {
        answered = true;
        return now;
      },
      () => before,
    );
  }
  expect(after).not.toBe(before);
});
