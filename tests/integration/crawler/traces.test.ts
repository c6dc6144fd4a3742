// The trace of a run: what workers send of their pages to a real receiver, and that they lose nothing where it is away.
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTraces } from '#src/telemetry/open-traces.ts';
import { runSpanIdOf, traceIdOf } from '#src/telemetry/traces.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const site = () =>
  startSite({
    '/': html('<title>Home</title><a href="/a">a</a><a href="/gone">gone</a>'),
    '/a': html('<title>A</title>'),
  });

/** A worker that has crawled the run to its end. */
async function crawl(run: TestRun, web: TestSite, { receiver, share }: { receiver: string; share: string }) {
  const worker = run.startWorker({
    TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${web.port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver,
    TRAWLER_TRACED_PAGES: share,
  });
  expect(await worker.ended).toBe(0);
  return worker;
}

it('each page of a run is a span of its trace, made of what was done for it, one after the other', {
  timeout: 120_000,
}, async () => {
  await using web = await site();
  await using receiver = await startOtlpReceiver();
  await using run = await database.accept({ sources: [{ name: 'site', urls: [web.url('/').href] }] });
  const worker = await crawl(run, web, { receiver: receiver.url, share: '1' });

  const pages = receiver.spans.filter(({ name }) => name === 'page');
  const outcomes = pages.map((page) => [page.attributes['url.full'], page.attributes['trawler.outcome']]);
  expect(outcomes.sort()).toEqual([
    [web.url('/').href, 'done'],
    [web.url('/a').href, 'done'],
    [web.url('/gone').href, 'dead'],
  ]);
  for (const page of pages) {
    const isDead = page.attributes['trawler.outcome'] === 'dead';
    expect(page).toMatchObject({
      traceId: traceIdOf(run.runId),
      parentSpanId: runSpanIdOf(run.runId),
      status: { code: isDead ? 2 : 0 },
      process: { 'service.name': 'trawler-crawler', 'service.instance.id': worker.workerId },
    });
    const parts = receiver.spans
      .filter(({ parentSpanId }) => parentSpanId === page.spanId)
      .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
    const read = isDead ? [] : ['extract'];
    expect(parts.map(({ name }) => name)).toEqual(['admission', 'fetch', ...read, 'commit']);
    const bounds = [page.startTimeUnixNano, ...parts.map(({ endTimeUnixNano }) => endTimeUnixNano)];
    expect(parts.map(({ startTimeUnixNano }) => startTimeUnixNano)).toEqual(bounds.slice(0, -1));
    expect(bounds.at(-1)).toBe(page.endTimeUnixNano);
  }
  const ids = new Set(worker.lines.map((line) => line['trace_id']));
  expect(ids).toEqual(new Set([traceIdOf(run.runId)]));
});

it('a share of the pages is traced, none of them with a share of 0', { timeout: 120_000 }, async () => {
  await using web = await site();
  await using receiver = await startOtlpReceiver();
  await using run = await database.accept({ sources: [{ name: 'site', urls: [web.url('/').href] }] });
  await crawl(run, web, { receiver: receiver.url, share: '0' });
  expect(await run.items()).toHaveLength(2);
  expect(receiver.spans).toEqual([]);
});

it('a receiver that is away costs spans alone, and the worker says so', { timeout: 120_000 }, async () => {
  await using web = await site();
  const [port] = await freePorts(1);
  await using run = await database.accept({ sources: [{ name: 'site', urls: [web.url('/').href] }] });
  const worker = await crawl(run, web, { receiver: `http://127.0.0.1:${port}`, share: '1' });
  expect(await run.items()).toHaveLength(2);
  expect(worker.lines.at(-1)?.msg).toBe('traces were not sent');
});

it('the operator sends the span that the pages already name as their parent', async () => {
  await using receiver = await startOtlpReceiver();
  const traces = await openTraces({
    ...{ url: `${receiver.url}/`, service: 'operator', process: {}, logger: pino({ level: 'silent' }) },
  });
  const runId = 'a1b2c3d4-0000-4000-8000-00000000000f';
  traces.add(runId, { name: 'page', from: 1_500_000_000_250.5, to: 1_500_000_001_000 });
  traces.addRun(runId, {
    ...{ name: 'run', from: 1_500_000_000_000, to: 1_500_000_002_000, error: 'all pages failed' },
    parts: [{ name: 'start', from: 1_500_000_000_000, to: 1_500_000_000_200 }],
  });
  traces.add(runId, { name: 'page', from: 1_500_000_000_250, to: 1_500_000_001_000 });
  await traces.close();

  const [page, start, run, last] = receiver.spans;
  expect(run).toMatchObject({
    name: 'run',
    traceId: 'a1b2c3d4000040008000' + '00000000000f',
    spanId: '800000000000000f',
    startTimeUnixNano: 1_500_000_000_000_000_000n,
    endTimeUnixNano: 1_500_000_002_000_000_000n,
    status: { code: 2, message: 'all pages failed' },
    process: { 'service.name': 'trawler-operator' },
  });
  expect(run?.parentSpanId).toBeUndefined();
  expect(page?.startTimeUnixNano).toBe(1_500_000_000_250_500_000n);
  const traceId = run?.traceId;
  for (const part of [page, start, last]) expect(part).toMatchObject({ traceId, parentSpanId: run?.spanId });
  expect(new Set([page, start, run, last].map((one) => one?.spanId)).size).toBe(4);
});
