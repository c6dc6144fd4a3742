// Workers that crawl while the spec of their run is edited: patterns, depth and concurrency hold without a restart of theirs.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CrawlRunSpec, type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, until } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const PATIENT = { timeout: 180_000 };
let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const allow = ({ port }: TestSite) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${port}` });
const links = (...paths: string[]) => paths.map((path) => `<a href="${path}">n</a>`).join('');

/** A page whose answer waits until the test lets it go. */
function gate(): { readonly answer: Answer; readonly open: () => void } {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    answer(_, response) {
      const send = () => void response.writeHead(200, { 'content-type': 'text/html' }).end('<title>gate</title>');
      if (isOpen) send();
      else waiting.push(send);
    },
    open() {
      isOpen = true;
      for (const send of waiting) send();
    },
  };
}

const specFor = (site: TestSite, more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput => ({
  sources: [{ name: 'site', urls: [site.url('/a/0').href], scope: { mode: 'Host' } }],
  politeness: { requestsPerSecond: 200, robots: 'Ignore' },
  concurrency: 4,
  heartbeat: { interval: '1s' },
  ...more,
});

let generation = 1;
/** As the operator does it. */
async function edit(run: TestRun, input: CrawlRunSpecInput, change: (spec: CrawlRunSpec) => void): Promise<void> {
  const spec = crawlRunSpec.parse(input);
  change(spec);
  generation++;
  await database.store.changeRun({ runId: run.runId, spec, specGeneration: generation }, never);
  while (await database.store.reviewQueue(run.runId, never));
}

const exclude = (run: TestRun, input: CrawlRunSpecInput, patterns: string[]) =>
  edit(run, input, ({ sources: [source] }) => source?.scope.exclude.push(...patterns));

/** `/a/n` leads to its two children and to `/b/n`; the gate keeps the run from its end. */
function tree(pages: number): { answers: Record<string, Answer>; hold: ReturnType<typeof gate> } {
  const hold = gate();
  const answers: Record<string, Answer> = { '/gate': hold.answer };
  for (let number = 0; number < pages; number++) {
    const children = [2 * number + 1, 2 * number + 2].filter((next) => next < pages).map((next) => `/a/${next}`);
    answers[`/a/${number}`] = html(`<title>a</title>${links('/gate', ...children, `/b/${number}`)}`);
    answers[`/b/${number}`] = html('<title>b</title>');
  }
  return { answers, hold };
}

const asked = (site: TestSite, beginning: string) => site.requests.filter((path) => path.startsWith(beginning));

describe('workers whose run is edited', PATIENT, () => {
  it('crawl nothing of what is excluded from then on, and all of it, once, when that is taken back', async () => {
    const pages = 80;
    const { answers, hold } = tree(pages);
    await using site = await startSite(answers);
    const spec = specFor(site);
    await using run = await database.accept(spec);
    const workers = [run.startWorker(allow(site)), run.startWorker(allow(site))];
    await until('pages of both kinds', () => asked(site, '/b/').length > 5);
    await exclude(run, spec, ['**/b/**']);
    await until('the rest', () => asked(site, '/a/').length === pages);
    await until('all but the gate', async () => {
      const { progress } = await run.snapshot();
      return progress.leased <= 1 && progress.queued === 0;
    });
    const crawled = asked(site, '/b/').length;
    expect(crawled).toBeLessThan(pages / 2);
    const { skipReasons, progress } = await run.snapshot();
    expect(skipReasons).toEqual({ Excluded: pages - crawled });
    expect(progress).toMatchObject({ total: 2 * pages + 1, skipped: pages - crawled });

    await exclude(run, spec, []);
    await until('what was excluded', () => asked(site, '/b/').length === pages);
    hold.open();
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
    expect(await run.snapshot()).toMatchObject({
      outcome: 'Succeeded',
      progress: { total: 2 * pages + 1, succeeded: 2 * pages + 1, skipped: 0, items: 2 * pages + 1 },
    });
    expect(site.requests.toSorted()).toEqual(Object.keys(answers).toSorted());
  });

  it('follow the links that a lower depth had cut off, and none that are beyond the new one', async () => {
    const hold = gate();
    await using site = await startSite({
      '/gate': hold.answer,
      ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((n) => [`/a/${n}`, html(links('/gate', `/a/${n + 1}`))])),
    });
    const spec = specFor(site, { limits: { maxDepth: 2 } });
    await using run = await database.accept(spec);
    const worker = run.startWorker(allow(site));
    await until('the depth', async () => (await run.snapshot()).progress.succeeded === 3);
    await edit(run, spec, ({ limits }) => Object.assign(limits, { maxDepth: 4 }));
    await until('the new depth', async () => (await run.snapshot()).progress.succeeded === 5);
    hold.open();
    expect(await worker.ended).toBe(0);
    expect(asked(site, '/a/')).toEqual(['/a/0', '/a/1', '/a/2', '/a/2', '/a/3', '/a/4']);
    expect(await run.snapshot()).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: 6, items: 6 } });
  });

  it('open more pages at once, and fewer, though all that they have open hang', async () => {
    const gates = Array.from({ length: 12 }, gate);
    const answers = Object.fromEntries(gates.map(({ answer }, n) => [`/g/${n}`, answer]));
    await using site = await startSite({ '/a/0': html(links(...Object.keys(answers))), ...answers });
    const spec = specFor(site, { concurrency: 1 });
    await using run = await database.accept(spec);
    const worker = run.startWorker(allow(site));
    await until('a page', () => asked(site, '/g/').length === 1);
    await edit(run, spec, (edited) => Object.assign(edited, { concurrency: 3 }));
    await until('more pages', () => asked(site, '/g/').length === 3);
    await until('what it tells', async () => (await run.snapshot()).workers[0]?.concurrency === 3);
    await edit(run, spec, (edited) => Object.assign(edited, { concurrency: 2 }));
    await until('what it tells then', async () => (await run.snapshot()).workers[0]?.concurrency === 2);
    expect(asked(site, '/g/')).toHaveLength(3);
    for (const { open } of gates) open();
    expect(await worker.ended).toBe(0);
    expect(await run.snapshot()).toMatchObject({ outcome: 'Succeeded', progress: { succeeded: 13 } });
  });

  it('that begin after the edit go by it', async () => {
    await using site = await startSite({ '/a/0': html(links('/a/1', '/b/0')), '/a/1': html(''), '/b/0': html('') });
    const spec = specFor(site);
    await using run = await database.accept(spec);
    await exclude(run, spec, ['**/b/**']);
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    expect(site.requests).toEqual(['/a/0', '/a/1']);
    expect((await run.snapshot()).skipReasons).toEqual({ Excluded: 1 });
  });
});
