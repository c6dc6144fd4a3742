// What is asked every few seconds finds its rows by an index, however much there is: Postgres' own plans, of every
// statement and of those within functions, on tables as large as they get.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createServerStore } from '#src/store/server-store.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  heartbeat,
  type Installation,
  install,
  never,
  RUN_DAY,
  SCHEMA,
  type TestRun,
  urls,
} from './fixture.ts';

const FINISHED_RUNS = 20_000;
const LIVE_RUNS = 200;
const SCHEDULES = 100;
/** Of one run; as many pages, and a quarter as many items. */
const REQUESTS = 100_000;

/** Tables that grow with what is crawled; plans of the few rows beside them may be what they like. */
const LARGE = ['run', 'run_spec', 'run_token', 'source', 'worker', 'progress', 'page', 'request', 'item', 'output'];

let server: PostgresServer;
let installation: Installation;
let run: TestRun;
const scheduleUid = randomUUID();

beforeAll(async () => {
  server = await startPostgres(15, {
    fsync: false,
    settings: {
      shared_preload_libraries: 'auto_explain',
      'auto_explain.log_min_duration': '0',
      'auto_explain.log_nested_statements': 'on',
      'auto_explain.log_analyze': 'on',
      'auto_explain.log_buffers': 'on',
    },
  });
  installation = await install(server);
  run = await installation.createRun({ ...FAST, output: { volumeClaim: 'results' } }, { scheduleUid });
  await fill();
}, 300_000);
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

/** Years of runs, many live ones, and one that is large. */
async function fill(): Promise<void> {
  const client = await installation.admin.connect();
  try {
    await client.query("set auto_explain.log_min_duration = -1; set session_replication_role = 'replica'");
    await client.query(
      `insert into run (run_id, run_day, namespace, name, schedule_uid, scheduled_time, trigger, host_scope, delay_ms,
         max_pages, max_retries, lease_seconds, accepted_at, seeded_at, started_at, finished_at, outcome)
       select gen_random_uuid(), $1::date - n / 1000, 'default', 'run-' || n,
         case n % $2::int when 0 then $3::uuid else md5((n % $2::int)::text)::uuid end, moment, 'Schedule', 'default',
         1, 1000, 3, 60, moment, moment, moment, case when n > $4::int then moment end,
         case when n > $4::int then 'Succeeded' end
       from (select n, now() - n * interval '5 minutes' as moment from generate_series(1, $4::int + $5::int) n) runs`,
      [RUN_DAY, SCHEDULES, scheduleUid, LIVE_RUNS, FINISHED_RUNS],
    );
    await client.query(
      `insert into run_spec select run_id, 1, '{}' from run where run_id <> '${run.runId}';
       insert into source (run_id, source_no, name, active) select run_id, 0, 'site', true from run
         where run_id <> '${run.runId}';
       insert into progress (run_id, worker_id, source_no, discovered) select run_id, gen_random_uuid(), 0, 1 from run;
       insert into worker (run_id, worker_id, pod_name, lease_until) select run_id, gen_random_uuid(), 'pod',
         case when finished_at is null then now() + interval '1 hour' end from run;
       insert into output (run_id, settled_at) select run_id, now() from run where run_id <> '${run.runId}';
       insert into run_token select sha256(run_id::text::bytea), run_id from run where run_id <> '${run.runId}'`,
    );
    await client.query(
      `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, state,
         has_place, finished_at, url)
       select $1, md5(n::text)::uuid, 0, now(), $2, 0, 1, 1, 'done', true, now(), 'http://site.test/' || n
       from generate_series(1, $3::int) n`,
      [run.runId, RUN_DAY, REQUESTS],
    );
    await client.query(
      `insert into item (run_id, url_key, run_day, source_no, data)
       select $1, md5(n::text)::uuid, $2, 0, jsonb_build_object('n', n) from generate_series(1, $3::int / 4) n`,
      [run.runId, RUN_DAY, REQUESTS],
    );
    await client.query(
      `insert into page (schedule_uid, url_key, seen_by, plan, hash)
       select case n % $3::int when 0 then $1::uuid else md5((n % $3::int)::text)::uuid end, md5(n::text)::uuid,
         now() - interval '5 minutes', $1, $1
       from generate_series(1, $2::int) n`,
      [scheduleUid, REQUESTS, SCHEDULES],
    );
    await client.query('analyze');
  } finally {
    client.release(true);
  }
}

/** Where the log stands; what was asked before is written down by then. */
async function mark(): Promise<number> {
  const text = `mark ${randomUUID()}`;
  await installation.admin.query(`select '${text}'`);
  await vi.waitFor(() => expect(server.log()).toContain(text), { timeout: 10_000, interval: 5 });
  return server.log().indexOf(text);
}

/** The plans that Postgres noted while the call was made. */
async function plansOf(call: () => Promise<unknown>): Promise<string> {
  const from = await mark();
  await call();
  const to = await mark();
  return server.log().slice(from, to);
}

async function expectIndexed(call: () => Promise<unknown>): Promise<void> {
  const plans = await plansOf(call);
  expect(plans).toMatch(/Query Text:/);
  const scans = plans.split('\n').filter((line) => /Seq Scan on /.test(line) && !/never executed/.test(line));
  const large = scans.filter((line) => LARGE.includes(/Seq Scan on (\w+?)(_\d{8})?\b/.exec(line)?.[1] ?? ''));
  expect(large, plans).toEqual([]);
}

test('a scan of everything is noticed', async () => {
  const plans = await plansOf(() => installation.admin.query('select from run where max_retries = 7'));
  expect(plans).toMatch(/Seq Scan on run\b/);
});

describe('the operator finds by an index', () => {
  test('one snapshot, many, and those of all live runs', async () => {
    const { rows } = await installation.admin.query<{ run_id: string }>('select run_id from run limit 50');
    const { operator } = installation;
    await expectIndexed(() => operator.snapshot(run.runId, never));
    await expectIndexed(() =>
      operator.snapshots(
        never,
        rows.map((row) => row.run_id),
      ),
    );
    await expectIndexed(() => operator.snapshots(never));
  });

  test('runs that are live, leases that ran out', async () => {
    expect(await installation.operator.activeRuns(never)).toHaveLength(LIVE_RUNS + 1);
    await expectIndexed(() => installation.operator.activeRuns(never));
    await expectIndexed(() => installation.operator.runMarks(never));
    await expectIndexed(() => installation.operator.reapExpired(never));
  });

  test('the newest slot of each schedule', async () => {
    expect((await installation.operator.newestScheduledTimes(never)).size).toBe(SCHEDULES);
    await expectIndexed(() => installation.operator.newestScheduledTimes(never));
  });

  test('what has changed since the run before, and pages to be forgotten', async () => {
    await expectIndexed(() => installation.operator.contentChange(run.runId, never));
    await expectIndexed(() => installation.operator.forgetPages(run.runId, never));
  });

  test('items, dead letters, the stop of a run', async () => {
    await expectIndexed(() => installation.operator.firstItems(run.runId, 20, never));
    await expectIndexed(() => installation.operator.deadLetters(run.runId, 20, never));
    await expectIndexed(() => installation.operator.requestStop(randomUUID(), 'Shutdown', never));
    await expectIndexed(() => installation.operator.revokeToken(randomUUID(), never));
  });
});

test('dead letters are listed, counted, queued again and cleared by an index', async () => {
  const { admin, operator } = installation;
  const databaseUrl = await operator.serverDatabaseUrl(never);
  await using stack = new AsyncDisposableStack();
  const store = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
  stack.defer(() => store.close());
  const crawl = await installation.createRun(FAST);
  const worker = crawl.worker();
  await worker.seed(urls(3), never);
  const claims = await claimSome(worker, 3);
  await worker.commit(
    claims.map((claim) => ({ claim, type: 'dead', cause: 'Timeout', message: 'for the plan' })),
    never,
  );
  const { rows } = await admin.query<{ name: string }>('select name from run where run_id = $1', [crawl.runId]);
  const query = { namespace: 'default', run: rows[0]?.name ?? '', limit: 50 };
  const [first] = claims;
  const calls = [
    async () => expect(await store.deadLetters(query, never)).toHaveLength(3),
    () => store.countDeadLetters(crawl.runId, { host: 'site.test' }, undefined, never),
    async () =>
      expect(await store.requeueDeadLetters(crawl.runId, { url: first?.url }, never)).toMatchObject({ changed: 1 }),
    async () => expect(await store.clearDeadLetters(crawl.runId, {}, 'infinity', never)).toMatchObject({ changed: 2 }),
  ];
  for (const call of calls) {
    const plans = await plansOf(() => expectIndexed(call));
    expect(plans).toMatch(/Index Scan using request_\w*finished_at\w*/);
  }
});

test('lists of the API are found by an index, and a page of an export reads its own items alone', async () => {
  const { rows } = await installation.admin.query<{ name: string }>('select name from run where run_id = $1', [
    run.runId,
  ]);
  const name = rows[0]?.name ?? '';
  const databaseUrl = await installation.operator.serverDatabaseUrl(never);
  const store = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
  try {
    await expectIndexed(() => store.items({ namespace: 'default', run: name, limit: 50 }, never));
    await expectIndexed(() => store.items({ namespace: 'default', limit: 1 }, never));
    await expectIndexed(() => store.executions({ namespace: 'default', limit: 50 }, never));
    const found = await store.exportRun('default', name, never, never);
    const pages = found?.pages[Symbol.asyncIterator]();
    // Each page is read while the one before it is used.
    const plans = await plansOf(async () => {
      for (const _ of ['first', 'second']) expect((await pages?.next())?.value).toHaveLength(1_000);
    });
    expect(plans.match(/Index Scan using item_/g)?.length).toBeGreaterThanOrEqual(2);
    const read = [...plans.matchAll(/actual time=\S+ rows=(\d+)/g)].map(([, count]) => Number(count));
    expect(Math.max(...read), plans).toBe(1_000);
  } finally {
    await store.close();
  }
});

describe('of years of events and changes', () => {
  const EVENTS = 180_000;
  const CHANGES = 60_000;
  let store: ReturnType<typeof createServerStore>;

  beforeAll(async () => {
    const client = await installation.admin.connect();
    try {
      await client.query("set auto_explain.log_min_duration = -1; set session_replication_role = 'replica'");
      await client.query(
        `insert into notification (schedule_uid, event, occasion, payload, occurred_at, routed_at)
         select md5((n % 50)::text)::uuid, case n % 3 when 0 then 'Late' else 'Succeeded' end, n::text, jsonb_build_object('namespace', 'of-' || n % 20, 'schedule', 's-' || n % 50),
           now() - n * interval '1 minute', now()
         from generate_series(1, $1::int) n`,
        [EVENTS],
      );
      await client.query(
        `insert into delivery (notification_id, target, state) select notification_id, 'ops', 'delivered' from notification;
         insert into alert_acknowledgement (notification_id, username) select notification_id, 'me' from notification
           where event = 'Late' and occasion::int % 51 > 0;
         update notification set is_acknowledged = true where event = 'Late' and occasion::int % 51 > 0`,
      );
      await client.query(
        `insert into audit (entry_id, at, namespace, kind, name, uid, action, username)
         select gen_random_uuid(), now() - n * interval '1 minute', 'of-' || n % 200, 'CrawlRun', 'run-' || n, '', 'Paused', 'me'
         from generate_series(1, $1::int) n`,
        [CHANGES],
      );
      await installation.operator.makeLongChanges(never);
      await client.query('vacuum analyze notification, delivery, alert_acknowledgement, audit');
    } finally {
      client.release(true);
    }
    const databaseUrl = await installation.operator.serverDatabaseUrl(never);
    store = createServerStore({ databaseUrl, schema: SCHEMA, poolSize: 1 });
  }, 120_000);
  afterAll(() => store?.close());

  const namespace = 'of-7';
  const limit = 50;
  const lists: readonly (readonly [string, RegExp, () => Promise<readonly { readonly position?: string }[]>])[] = [
    ['alerts', /(using|on) alert_of_namespace/, () => store.alerts({ namespace, limit }, never)],
    [
      'alerts that nobody has seen',
      /(using|on) seen_alert_of_namespace/,
      () => store.alerts({ namespace, isAcknowledged: false, limit }, never),
    ],
    [
      'alerts, the second one',
      /(using|on) alert_of_namespace/,
      async () => {
        const last = (await store.alerts({ namespace, limit: 1 }, never))[0];
        const before = { at: last?.position ?? '', id: last?.alertId ?? '' };
        return store.alerts({ namespace, limit, before }, never);
      },
    ],
    [
      'deliveries of a schedule',
      /using notification_of_schedule/,
      async () => {
        const { rows } = await installation.admin.query<{ uid: string }>("select md5('7')::uuid as uid");
        return store.deliveries({ scheduleUid: rows[0]?.uid ?? '', limit }, never);
      },
    ],
    [
      'changes of a namespace',
      /using audit_of_namespace/,
      async () => (await store.auditRows({ namespace, limit }, never)).map(() => ({})),
    ],
  ];

  test.each(lists)('a page of %s reads little beside its own rows', async (_, index, list) => {
    const plans = await plansOf(async () => {
      expect(await list()).toHaveLength(limit);
    });
    expect(plans).toMatch(index);
    expect(plans).not.toMatch(/Seq Scan on (notification|delivery|alert_acknowledgement|audit|run_spec)\b/);
    const read = [...plans.matchAll(/(?:actual time=\S+ rows=|Rows Removed by .*: )(\d+)/g)].map(([, n]) => Number(n));
    expect(Math.max(...read), plans).toBeLessThanOrEqual(3 * limit);
  });
});

test('a worker finds all that it asks by an index', async () => {
  const worker = run.worker();
  const beats = run.heartbeats(worker.workerId);
  await expectIndexed(() => worker.loadRun(never));
  await expectIndexed(() => beats.beat(heartbeat, never));
  await expectIndexed(() => worker.seed(urls(3), never));
  await expectIndexed(() => workOn(worker));
  await expectIndexed(() => worker.claim(1, never));
  await expectIndexed(() => worker.finish(never));
  while (!(await worker.finish(never))) await workOn(worker);
  const lease = await worker.leaseOutput(never);
  if (lease.state !== 'Leased') throw new Error(lease.state);
  const first = await worker.outputItems(lease.fence, undefined, never);
  expect(first).toHaveLength(1_000);
  await expectIndexed(() => worker.outputItems(lease.fence, first?.at(-1)?.id, never));
  await expectIndexed(() => worker.outputFields(lease.fence, never));
  await expectIndexed(() => worker.settleOutput(lease.fence, { error: 'for the plan' }, never));
});

async function workOn(worker: ReturnType<TestRun['worker']>): Promise<void> {
  const claims = await claimSome(worker, 3);
  const outcomes = claims.map((claim) => done(claim));
  await worker.commit(outcomes, never);
}
