// Pictures of pages: what is on the volume when a page is committed, what the items say of it, and what it may cost.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { urlKey } from '#src/gateway/protocol/url-key.ts';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const PATIENT = { timeout: 180_000 };
/** Every pixel of it another one than its neighbours: nothing makes that picture small. */
const NOISE = `<body style="margin:0"><canvas width=1280 height=12000></canvas><script>
  const context = document.querySelector('canvas').getContext('2d');
  const image = context.createImageData(1280, 12000);
  const words = new Uint32Array(image.data.buffer);
  for (let index = 0, state = 1; index < words.length; index++) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    words[index] = state | 0xff000000;
  }
  context.putImageData(image, 0, 0);
</script>`;

let database: CrawlDatabase;
let site: TestSite;
let volume: string;

beforeAll(async () => {
  site = await startSite({
    '/': html('<title>Home</title><p>short<a href=/tall>x</a><a href=/noise>x</a>'),
    '/tall': html('<title>Tall</title><div style="height:30000px;width:5000px;background:red">x</div>'),
    '/none': html(
      `<title>None</title><div style="height:30000px"></div><script>addEventListener('resize', () => { for (;;); })</script>`,
    ),
    '/noise': html(`<title>Noise</title>${NOISE}`),
  });
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

beforeEach(async () => {
  volume = await mkdtemp(path.join(tmpdir(), 'trawler-screenshots-'));
  return () => rm(volume, { recursive: true });
});

const spec = (more: Partial<CrawlRunSpecInput> = {}): CrawlRunSpecInput => ({
  sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
  fetch: { render: 'Browser' },
  politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
  extract: { fields: [{ name: 'title', selector: 'title' }], screenshots: 'PNG' },
  output: { volumeClaim: 'results', path: 'shop', filenamePrefix: 'all-' },
  heartbeat: { interval: '1s' },
  ...more,
});

async function crawled(run: TestRun): Promise<string> {
  const environment = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`, TRAWLER_OUTPUT_DIR: volume };
  expect(await run.startWorker(environment).ended).toBe(EXIT_CODE.finished);
  return path.join('shop', `all-${(await run.snapshot()).name}-screenshots`);
}

const nameOf = (page: string, extension = 'png') => `${urlKey(site.url(page).href)}.${extension}`;

/** Of a PNG file (its second chunk's head), in pixels. */
async function sizeOf(
  file: string,
): Promise<{ readonly width: number; readonly height: number; readonly bytes: number }> {
  const data = await readFile(path.join(volume, file));
  expect(data.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  return { width: data.readUInt32BE(16), height: data.readUInt32BE(20), bytes: data.length };
}

it('that cannot be taken are counted in the status of the run', PATIENT, async () => {
  const sources = [
    { name: 'site', urls: [site.url('/none').href, site.url('/tall').href], scope: { mode: 'Page' } as const },
  ];
  await using run = await database.accept(spec({ sources, fetch: { render: 'Browser', pageTimeout: '6s' } }));
  await crawled(run);
  expect((await run.items()).map(({ data }) => data)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ title: 'None', screenshot: null }),
      expect.objectContaining({ title: 'Tall', screenshot: nameOf('/tall') }),
    ]),
  );
  expect(await run.snapshot()).toMatchObject({
    progress: { succeeded: 2 },
    partialPages: { NoScreenshot: 1, Truncated: 1 },
  });
});

it('are files named by run and URL, whole pages within bounds, and named by the items', PATIENT, async () => {
  await using run = await database.accept(spec());
  const { name } = await run.snapshot();
  const folder = path.join('shop', `all-${name}-screenshots`);
  await mkdir(path.join(volume, folder), { recursive: true });
  await writeFile(path.join(volume, folder, '.left-by-another.png.x.part'), 'unfinished');
  expect(await crawled(run)).toBe(folder);
  expect((await readdir(path.join(volume, folder))).sort()).toEqual(
    ['/', '/tall', '/noise'].map((page) => nameOf(page)).sort(),
  );
  expect(await sizeOf(path.join(folder, nameOf('/')))).toMatchObject({ width: 1_280, height: 720 });
  expect(await sizeOf(path.join(folder, nameOf('/tall')))).toMatchObject({ width: 1_600, height: 10_000 });
  const noise = await sizeOf(path.join(folder, nameOf('/noise')));
  expect(noise).toMatchObject({ width: 640, height: 5_000 });
  expect(noise.bytes).toBeLessThan(16 * 1_048_576);

  const items = (await run.items()).map(({ data }) => data);
  expect(items).toHaveLength(3);
  for (const [title, page] of [
    ['Home', '/'],
    ['Tall', '/tall'],
    ['Noise', '/noise'],
  ] as const) {
    expect(items).toContainEqual({ title, screenshot: nameOf(page) });
  }
  const file = await readFile(path.join(volume, 'shop', `all-${name}.jsonl`), 'utf8');
  expect(file).toContain(`"screenshot":"${nameOf('/tall')}"`);
});

it('may be JPEG, and an item by themselves', PATIENT, async () => {
  const sources = [{ name: 'site', urls: [site.url('/').href], limits: { maxDepth: 0 } }];
  await using run = await database.accept(spec({ sources, extract: { screenshots: 'JPEG' } }));
  const folder = await crawled(run);
  const name = nameOf('/', 'jpg');
  expect((await readFile(path.join(volume, folder, name))).subarray(0, 3).toString('hex')).toBe('ffd8ff');
  expect((await run.items()).map(({ data }) => data)).toEqual([{ screenshot: name }]);
});

it('are not there for pages that Auto reads by HTTP', PATIENT, async () => {
  const sources = [{ name: 'site', urls: [site.url('/').href], limits: { maxDepth: 0 } }];
  await using run = await database.accept(spec({ sources, fetch: { render: 'Auto' } }));
  await crawled(run);
  expect((await run.items()).map(({ data }) => data)).toEqual([{ title: 'Home', screenshot: null }]);
});

it('fail their page, and say why, where they cannot be stored; its links are followed', PATIENT, async () => {
  const scope = { mode: 'Host' as const, exclude: ['**/noise'] };
  const sources = [{ name: 'site', urls: [site.url('/').href], scope }];
  await using run = await database.accept(spec({ sources }));
  const { name } = await run.snapshot();
  await mkdir(path.join(volume, 'shop'));
  await writeFile(path.join(volume, 'shop', `all-${name}-screenshots`), 'a file');
  await run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`, TRAWLER_OUTPUT_DIR: volume }).ended;
  const dead = await database.store.deadLetters(run.runId, 10, never);
  expect(dead.map(({ url, cause }) => [new URL(url).pathname, cause])).toEqual([
    ['/', 'ScreenshotError'],
    ['/tall', 'ScreenshotError'],
  ]);
  expect(await run.items()).toEqual([]);
});
