// A run that has ended in PostgreSQL, with something of all that the API shows: items, a dead letter, a refusal, logs, a comparison.
import { gzipSync } from 'node:zlib';
import { compareRuns } from '#src/controllers/comparisons.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { claimSome, FAST, heartbeat, type Installation, never, type RunOptions, urls } from '../store/fixture.ts';

const SCHEDULE_UID = '6f1c9d1e-7a3b-4c55-8b3a-2f0a4d5e6f70';

/**
 * A run of the schedule "shop" of so many pages; its name. The last page dies, the others give an item each.
 * @param itemOf the item of the page with this number
 */
export async function finishedCrawl(
  installation: Installation,
  pages: number,
  itemOf: (page: number) => Record<string, unknown>,
  options: Pick<RunOptions, 'name'> = {},
): Promise<string> {
  const of = { ...options, scheduleUid: SCHEDULE_UID };
  const run = await installation.createRun({ ...FAST, scheduleName: 'shop' }, of);
  const worker = run.worker();
  await worker.seed(urls(pages), never);
  await run.heartbeats(worker.workerId).beat(heartbeat, never);
  await worker.reportBlock('site.test', 'a captcha', never);
  const line = (level: string, msg: string) => JSON.stringify({ level, time: new Date().toISOString(), msg });
  const data = gzipSync(`${line('info', 'page done')}\n${line('warn', 'page failed')}\n`).toString('base64');
  const at = Date.now();
  const part = { seq: 1, firstAt: at, lastAt: at, lines: 2, lost: 0, data };
  await installation.admin.query('select write_log($1, $2, $3)', [run.token, worker.workerId, JSON.stringify(part)]);
  for (let left = pages; left > 0; ) {
    const claims = await claimSome(worker, left);
    const facts = { status: 200, bytes: 10 };
    const outcomes = claims.map((claim, place) =>
      left - place === 1
        ? { type: 'dead' as const, claim, cause: 'HttpError' as const, message: 'gone', facts }
        : { type: 'done' as const, claim, items: [itemOf(pages - left + place)], links: [], facts },
    );
    left -= claims.length;
    await worker.commit(outcomes, never);
  }
  if (!(await worker.finish(never))) throw new Error('the run has not ended');
  await compareRuns({ store: installation.operator, logger: createLogger('test', 'fatal') }, never);
  const found = await installation.admin.query<{ name: string }>('select name from run where run_id = $1', [run.runId]);
  return found.rows[0]?.name ?? '';
}
