// The newest items of a namespace: of runs that began before others and still give items, too, and of no run twice.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServerStore, type ServerStore } from '#src/store/server-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, type TestRun, urls } from './fixture.ts';

const RUNS = 25;
const PAGES = 3;
let server: PostgresServer;
let installation: Installation;
let store: ServerStore;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
  const databaseUrl = await installation.operator.serverDatabaseUrl(never);
  store = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
});
afterAll(async () => {
  await store?.close();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

/** Begun; what is called then gives its items and, if it is to, ends it. */
async function begin(name: string) {
  const run: TestRun = await installation.createRun(FAST, { name });
  const worker = run.worker();
  await worker.seed(urls(PAGES), never);
  return async (isEnded: boolean) => {
    await worker.commit(
      (await claimSome(worker, PAGES)).map((claim) => done(claim)),
      never,
    );
    if (isEnded) await worker.finish(never);
  };
}

/** Everything so far was half an hour ago. */
const passHalfAnHour = () =>
  installation.admin.query(
    `update run set accepted_at = accepted_at - interval '30 min', finished_at = finished_at - interval '30 min';
     update item set created_at = created_at - interval '30 min'`,
  );

async function inPages(limit: number): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const before = ids.length === 0 ? {} : { before: ids.at(-1) ?? '' };
    const page = await store.items({ namespace: 'default', limit, ...before }, never);
    ids.push(...page.map(({ itemId }) => itemId));
    if (page.length < limit) return ids;
  }
}

test('are the newest of all, whenever their runs began and ended', async () => {
  const [living, slow] = [await begin('living'), await begin('slow')];
  for (let n = 0; n < RUNS; n += 1) {
    await passHalfAnHour();
    await (await begin(`run-${n}`))(true);
    // Between those of the others, a while before the newest ones.
    if (n === RUNS - 4) await slow(true);
  }
  await living(false);
  const { rows } = await installation.admin.query<{ id: string; name: string }>(
    'select item_id::text as id, name from item join run using (run_id) order by item_id desc',
  );
  expect(rows).toHaveLength((RUNS + 2) * PAGES);
  expect(rows.slice(0, PAGES).map(({ name }) => name)).toEqual(Array(PAGES).fill('living'));
  for (const limit of [1, 2, 7, 20, 500]) {
    expect(await inPages(limit), `pages of ${limit}`).toEqual(rows.map(({ id }) => id));
  }
});
