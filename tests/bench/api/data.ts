// What the API is asked for: runs that have ended, with their pages and items, in PostgreSQL, and CrawlRuns of the same names in Kubernetes.
import { randomUUID } from 'node:crypto';
import { CRAWL_RUNS, type CrawlRun } from '../../../src/custom-resources/types.ts';
import type { KubeApi } from '../../../src/kube/client.ts';
import { crawlRunSpec } from '../../../src/resources/crawl-run.ts';
import type { OperatorStore } from '../../../src/store/operator-store.ts';
import { createToken, hashToken } from '../../../src/store/run-token.ts';
import type { testPool } from '../../support/database-connections.ts';
import { inParallel } from '../in-parallel.ts';

type Pool = ReturnType<typeof testPool>;

export const NAMESPACE = 'bench';
/** Where runs change that streams tell of. */
export const LIVE_NAMESPACE = 'live';
export const LIVE_RUNS = 100;
/** The run that is exported. */
export const LARGE_RUN = 'bench-large';
export const nameOf = (n: number) => `bench-${n}`;

const SCHEDULES = 1_000;
const ITEMS_OF_PAGE = 5;
/** Results are kept for some weeks, in partitions. */
const DAYS = 14;
const RUNS_OF_STATEMENT = 200;
const REQUESTS_AT_ONCE = 32;

export type Amounts = { readonly runs: number; readonly items: number; readonly largeItems: number };

const source = { name: 'site', urls: ['https://shop.example/'] };
const never = new AbortController().signal;

/** @param pool as a superuser, with the schema in its search path */
export async function fillDatabase(operator: OperatorStore, pool: Pool, amounts: Amounts): Promise<void> {
  const { runs, items, largeItems } = amounts;
  const runId = randomUUID();
  await operator.acceptRun(
    {
      ...{ runId, runDay: dayBefore(0), namespace: NAMESPACE, name: LARGE_RUN, specVersion: 1 },
      tokenHash: hashToken(createToken()),
      spec: crawlRunSpec.parse({ scheduleName: 'schedule-0', sources: [source] }),
    },
    never,
  );
  for (let day = DAYS - 1; day >= 0; day -= 1) await pool.query('select ensure_day($1)', [dayBefore(day)]);
  await pool.query('alter table run disable trigger user');
  await pool.query(COPIES, [runs - 1, DAYS, runId, SCHEDULES]);
  await pool.query(`update run set finished_at = accepted_at + interval '5 minutes', outcome = 'Succeeded'`);
  await pool.query('alter table run enable trigger user');
  await pool.query(EXECUTIONS);
  const pagesOfRun = Math.max(1, Math.round((items - largeItems) / ITEMS_OF_PAGE / (runs - 1)));
  const parts = Math.ceil(runs / RUNS_OF_STATEMENT);
  await inParallel(parts, 2, async (part) => {
    const range = [part * RUNS_OF_STATEMENT, (part + 1) * RUNS_OF_STATEMENT - 1];
    await pool.query(PAGES, [...range, pagesOfRun]);
    await pool.query(ITEMS, [...range, ITEMS_OF_PAGE]);
  });
  // The newest of all: its items have the highest ids.
  await pool.query(PAGES, [-1, -1, largeItems / ITEMS_OF_PAGE]);
  await pool.query(ITEMS, [-1, -1, ITEMS_OF_PAGE]);
  await pool.query('vacuum (analyze, parallel 2) item');
  await pool.query('vacuum (analyze, parallel 2) request');
  await pool.query('vacuum analyze');
}

/** $1 copies of the run $3, the oldest $2 days ago, of $4 schedules. */
const COPIES = `
  with copies as (
    select gen_random_uuid() as id, n, now() - ($1::int - n) * ($2::int - 1) * interval '1 day' / $1::int - interval '1 hour' as at
    from generate_series(0, $1::int - 1) n
  ), runs as (
    insert into run select (jsonb_populate_record(model, jsonb_build_object('run_id', id, 'name', 'bench-' || n,
      'accepted_at', at, 'run_day', at::date))).*
    from run model, copies where model.run_id = $3
  ), specs as (
    insert into run_spec select id, version, spec || jsonb_build_object('scheduleName', 'schedule-' || n % $4::int)
    from run_spec model, copies where model.run_id = $3
  )
  insert into source (run_id, source_no, name, active, result)
  select id, 0, 'site', true, 'Succeeded' from copies`;

const EXECUTIONS = `
  insert into execution (execution_id, type, namespace, name, schedule_name, trigger, accepted_at, started_at, finished_at,
    outcome, succeeded, items)
  select run_id, 'Crawl', namespace, name, spec->>'scheduleName', 'Schedule', accepted_at, accepted_at, finished_at,
    outcome, 80, 400
  from run join run_spec using (run_id)`;

/** Runs by the number in their name, from $1 to $2; -1 is the large one. */
const NUMBERED = `(
    select run_id, run_day, case when name = '${LARGE_RUN}' then -1 else split_part(name, '-', 2)::int end as n from run
  ) r`;

const PAGES = `
  insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, state, has_place,
    finished_at, url)
  select run_id, md5(url)::uuid, 1, now(), run_day, 0, 1, 1, 'done', true, now(), url
  from ${NUMBERED} cross join lateral (
    select 'https://shop' || n || '.example/products/' || page as url from generate_series(1, $3::int) page
  ) pages
  where n between $1 and $2`;

const ITEMS = `
  insert into item (run_id, url_key, run_day, source_no, data)
  select run_id, url_key, run_day, 0, jsonb_build_object('sku', place, 'name', 'Product ' || url_key, 'price', 9.99 + place,
    'currency', 'EUR', 'availability', 'InStock', 'url', url, 'description', repeat(md5(url), 4))
  from ${NUMBERED} join request using (run_id, run_day) cross join generate_series(1, $3::int) place
  where n between $1 and $2
  order by run_id`;

/** Of the namespace that is listed, and of the one whose runs are at work. Rejects with a KubeError. */
export async function fillKubernetes(api: KubeApi, runs: number): Promise<void> {
  const resource = api.resource<CrawlRun>(CRAWL_RUNS);
  const create = (namespace: string, name: string, n: number) =>
    resource.create(
      {
        metadata: { namespace, name },
        spec: { scheduleName: `schedule-${n % SCHEDULES}`, sources: [source] },
      },
      { signal: never },
    );
  await inParallel(LIVE_RUNS, REQUESTS_AT_ONCE, (n) => create(LIVE_NAMESPACE, nameOf(n), n));
  await inParallel(runs - 1, REQUESTS_AT_ONCE, (n) => create(NAMESPACE, nameOf(n), n));
  await create(NAMESPACE, LARGE_RUN, 0);
}

function dayBefore(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}
