// All items of a run, page by page: each once and in order, however large they are.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRunItems } from '#src/store/run-items.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, type Installation, install, never, urls } from './fixture.ts';

let server: PostgresServer;
let installation: Installation;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  installation = await install(server);
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

test('large items come in small pages, small ones a thousand at once, and none is left out or told twice', async () => {
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(1), never);
  const [claim] = await claimSome(worker, 1);
  if (claim === undefined) throw new Error('nothing was claimed');
  await worker.commit([{ type: 'done', claim, items: [], links: [], facts: {} }], never);
  const { admin } = installation;
  // What PostgreSQL cannot make smaller.
  const text = () => randomBytes(600_000).toString('hex');
  const data = [
    ...Array.from({ length: 5 }, (_, n) => ({ n, text: text() })),
    ...Array.from({ length: 1_500 }, (_, n) => ({ n: n + 5 })),
  ];
  for (const one of data) {
    await admin.query(
      `insert into item (run_id, url_key, run_day, source_no, data)
       select run_id, url_key, run_day, source_no, $2 from request where run_id = $1`,
      [run.runId, JSON.stringify(one)],
    );
  }
  const items = createRunItems(admin, run.runId);
  const [lengths, numbers]: [number[], unknown[]] = [[], []];
  for (let after: string | undefined; ; ) {
    const page = await items.page(after, never);
    if (page.length === 0) break;
    lengths.push(page.length);
    numbers.push(...page.map((item) => item.data['n']));
    after = page.at(-1)?.id;
  }
  expect(numbers).toEqual(data.map(({ n }) => n));
  expect(lengths.slice(0, 2).every((length) => length === 2)).toBe(true);
  expect(Math.max(...lengths)).toBe(1_000);
  expect((await items.fields(never)).toSorted()).toEqual(['n', 'text']);
});

test('a run that is not there has no items and no fields', async () => {
  const items = createRunItems(installation.admin, '00000000-0000-0000-0000-000000000000');
  expect(await items.page(undefined, never)).toEqual([]);
  expect(await items.fields(never)).toEqual([]);
});
