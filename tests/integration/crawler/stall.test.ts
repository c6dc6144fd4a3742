// Workers that really hang, as processes against a real PostgreSQL and a real site: each ends itself, says on what it hung, and
// another one ends the run. And slow ones that do not hang.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { testClient } from '../../support/database-connections.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const PATIENT = { timeout: 180_000 };
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** As many paragraphs take the selector below minutes: it looks at each four of them. */
const SPINNING = html(`<title>Spins</title>${'<p>'.repeat(600)}`);
const SPINS = 'a ~ p ~ p ~ p ~ p';

const site = (more: Record<string, Answer> = {}) =>
  startSite({
    '/': html('<title>Home</title><a href="/a">a</a><a href="/b">b</a>'),
    '/a': html('<title>A</title>'),
    '/b': html('<title>B</title>'),
    ...more,
  });

function specFor(site: TestSite, more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 10_000 },
    fetch: { pageTimeout: '1s', maxRetries: 0 },
    heartbeat: { interval: '1s', stallTimeout: '10s' },
    ...more,
  };
}

const allow = (site: TestSite) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });

/** Another worker, after the operator has seen that the pod of the first one has ended. */
async function replace(run: TestRun, gone: TestWorker, environment: Record<string, string>): Promise<TestWorker> {
  await database.store.releaseWorker(run.runId, gone.workerId, never);
  return run.startWorker(environment);
}

const saysHung = ({ lines }: TestWorker) => lines.find(({ msg }) => msg === 'worker hangs')?.['reason'];

async function stallOf(run: TestRun, { workerId }: TestWorker): Promise<string | undefined> {
  return (await run.snapshot()).workers.find((worker) => worker.workerId === workerId)?.stall;
}

async function query(text: string, values: readonly unknown[]): Promise<object[]> {
  const client = testClient(database.superuserUrl, { schema: 'trawler' });
  await client.connect();
  try {
    return (await client.query<object>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

const notified = ({ runId }: TestRun) =>
  query(`select event, payload->>'message' as message from notification where run_id = $1`, [runId]);

describe.concurrent('a worker that hangs', PATIENT, () => {
  it('on a page that keeps its processor busy names it and ends; the page counts a try, the others are crawled', async () => {
    await using spinning = await site({ '/a': SPINNING });
    const spec = specFor(spinning, { extract: { itemSelector: SPINS, images: true } });
    await using run = await database.accept(spec, { scheduleUid: randomUUID() });
    const worker = run.startWorker(allow(spinning));
    expect(await worker.ended).toBe('SIGKILL');
    const stall = await stallOf(run, worker);
    const at = spinning.url('/a').href;
    expect(stall).toMatch(`the main thread has been blocked for 10 s: ${at} is in stage Reading since `);
    expect(saysHung(worker)).toBe(stall);
    expect(await notified(run)).toEqual([{ event: 'Stalled', message: `pod: ${stall}` }]);

    expect(await (await replace(run, worker, allow(spinning))).ended).toBe(0);
    const { progress, failureCauses, outcome } = await run.snapshot();
    // No retry was left for it.
    expect({ progress, failureCauses, outcome }).toMatchObject({
      ...{ outcome: 'Partial', failureCauses: { Timeout: 1 } },
      progress: { succeeded: 2, failed: 1, leased: 0, queued: 0 },
    });
    const [dead] = await database.store.deadLetters(run.runId, 10, never);
    expect(dead).toMatchObject({
      url: at,
      cause: 'Timeout',
      message: expect.stringContaining('its worker hung: in stage Reading'),
    });
  });

  it('on a volume that does not answer says so and ends; another one writes the file', async () => {
    const volume = await mkdtemp(path.join(tmpdir(), 'trawler-hung-volume-'));
    try {
      await using shop = await site({ '/a': html(`<title>A</title><p>${'text '.repeat(20_000)}`) });
      const output = { format: 'JSONL' as const, volumeClaim: 'items' };
      const extract = { fields: [{ name: 'text', selector: 'p' }] };
      await using run = await database.accept(specFor(shop, { output, extract }));
      const environment = { ...allow(shop), TRAWLER_OUTPUT_DIR: volume };
      const hungVolume = { NODE_OPTIONS: `--import ${path.resolve('tests/integration/crawler/hung-volume.mjs')}` };
      const worker = run.startWorker({ ...environment, ...hungVolume });
      expect(await worker.ended).toBe('SIGKILL');
      const stall = 'writing the output has made no progress for 10 s: its volume does not answer';
      expect(await stallOf(run, worker)).toBe(stall);
      expect(saysHung(worker)).toBe(stall);

      expect(await (await replace(run, worker, environment)).ended).toBe(0);
      const { output: written } = await run.snapshot();
      expect(written).toMatchObject({ settled: true, items: 1 });
      const file = await readFile(path.join(volume, written?.path ?? ''), 'utf8');
      expect(file.length).toBeGreaterThan(100_000);
    } finally {
      await rm(volume, { recursive: true });
    }
  });
});

describe('a worker that is stopped as a whole', PATIENT, () => {
  it('is found by its silence, unless the others are silent too; what it had goes to another, and it can write nothing', async () => {
    let opened = 0;
    const waits: Answer = () => void opened++;
    await using shop = await site({ '/a': waits });
    await using run = await database.accept(specFor(shop, { fetch: { pageTimeout: '2m', maxRetries: 0 } }));
    await using otherRun = await database.accept(specFor(shop, { fetch: { pageTimeout: '2m', maxRetries: 0 } }));
    await query('update run set lease_seconds = 2 where run_id = any ($1)', [[run.runId, otherRun.runId]]);
    const [worker, other] = [run.startWorker(allow(shop)), otherRun.startWorker(allow(shop))];
    await until('both have said that a page is open', async () => {
      const workers = (await Promise.all([run.snapshot(), otherRun.snapshot()])).flatMap(({ workers }) => workers);
      return opened === 2 && workers.length === 2 && workers.every(({ currentUrl }) => currentUrl?.endsWith('/a'));
    });
    const look = async () => {
      // As the operator does it all the time.
      await database.store.reapExpired(never);
      return database.store.stallWorker(run.runId, worker.workerId, 3_000, never);
    };
    expect(await look()).toBeUndefined();
    for (const { process } of [worker, other]) process.kill('SIGSTOP');
    await until('it has been silent for long enough', async () => {
      const silent = `select from worker where worker_id = $1 and last_heartbeat_at < clock_timestamp() - interval '4 s'
        and lease_until < clock_timestamp()`;
      return (await query(silent, [worker.workerId])).length > 0;
    });
    // Nobody is heard: that may be the gateway's fault.
    expect(await look()).toBeUndefined();
    other.process.kill('SIGCONT');
    await until('it is found', async () => (await look()) !== undefined);
    expect(await stallOf(run, worker)).toMatch(`with 1 pages open, the first at ${shop.url('/a').href}`);
    expect(await look()).toBeUndefined();

    const [replacement, itself] = [run.startWorker(allow(shop)), worker.process];
    await until('the page is tried again', async () =>
      (await run.snapshot()).workers.some(
        ({ workerId, currentUrl }) => workerId === replacement.workerId && currentUrl?.endsWith('/a'),
      ),
    );
    itself.kill('SIGCONT');
    await until('it has heard that it was given up', async () =>
      (await run.snapshot()).workers.some(({ stall, state }) => stall !== undefined && state === 'Stopping'),
    );
    itself.kill('SIGTERM');
    expect(await worker.ended).toBe(143);
    replacement.process.kill('SIGTERM');
    await until('the first signal', () => replacement.lines.some(({ msg }) => msg === 'shutdown signal received'));
    replacement.process.kill('SIGTERM');
    await replacement.ended;
    const { progress } = await run.snapshot();
    expect(progress).toMatchObject({ succeeded: 2, failed: 0, queued: 1, leased: 0, items: 2 });
  });
});

describe.concurrent('a worker that is slow', PATIENT, () => {
  it('since its host gives it a turn later than a worker may hang, is left alone', async () => {
    // robots.txt takes the first turn.
    await using slow = await site({ '/': html('<title>Home</title>') });
    await using run = await database.accept(specFor(slow, { politeness: { delay: '13s' } }));
    const worker = run.startWorker(allow(slow));
    expect(await worker.ended).toBe(0);
    expect(saysHung(worker)).toBeUndefined();
    const { progress, workers } = await run.snapshot();
    expect(progress).toMatchObject({ succeeded: 1, failed: 0 });
    expect(workers.map(({ stall }) => stall)).toEqual([undefined]);
  });

  it('since a page waits within its own time, is left alone', async () => {
    let asked = 0;
    const late: Answer = (request, response) => {
      asked++;
      setTimeout(() => html('<title>A</title>')(request, response), 13_000);
    };
    await using slow = await site({ '/a': late });
    await using run = await database.accept(specFor(slow, { fetch: { pageTimeout: '30s' } }));
    const worker = run.startWorker(allow(slow));
    expect(await worker.ended).toBe(0);
    expect(asked).toBe(1);
    expect((await run.snapshot()).progress).toMatchObject({ succeeded: 3, failed: 0 });
  });

  it('with an extractor that blocks is left alone: the extractor is ended, and the page counts a try', async () => {
    await using shop = await site();
    const module = path.join(await mkdtemp(path.join(tmpdir(), 'trawler-blocking-')), 'extractor.mjs');
    const code = `export default ({ url, items }) => { if (url.endsWith('/a')) for (;;); return items; }`;
    await writeFile(module, code);
    try {
      const extract = { module: { configMap: { name: 'code', key: 'extractor.mjs' } } };
      await using run = await database.accept(specFor(shop, { extract }));
      const worker = run.startWorker({ ...allow(shop), TRAWLER_EXTRACTOR_DIR: path.dirname(module) });
      expect(await worker.ended).toBe(0);
      expect(saysHung(worker)).toBeUndefined();
      const { progress, failureCauses } = await run.snapshot();
      expect({ progress, failureCauses }).toMatchObject({
        failureCauses: { Timeout: 1 },
        progress: { succeeded: 2, failed: 1 },
      });
    } finally {
      await rm(path.dirname(module), { recursive: true });
    }
  });
});
