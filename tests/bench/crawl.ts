// How fast whole crawls are, beside what else there is, on the same site and Chromium: rounds in which the contenders
// take turns, medians of them, and of two corpora the one where Trawler does worse. The last line is one JSON object.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../../dev/build.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';
import { findChromium, renderingSwitches } from '../../src/crawler/browser/chromium.ts';
import { startCrawlDatabase } from '../integration/crawler/fixture.ts';
import { installPeers, type Kind, PEERS } from './crawl/contenders.ts';
import { lowestRatio, median, memoryOf, type Rides, speedOf } from './crawl/figures.ts';
import { type Course, type Ride, ridePeer, rideTrawler, type Stage } from './crawl/rides.ts';
import { expectedPages, writeSite } from './crawl/site.ts';
import { type Corpus, startWebServer } from './crawl/web-server.ts';

/** Reading by HTTP is so much faster that it takes more pages to measure it. */
const HTTP_PAGES_FACTOR = 10;
const LATENCY_MS = 30;
/** By default, and for everyone that can be told so. */
const BLOCKED = ['Images', 'Fonts', 'Media'] as const;
/** Of the site that keeps workers waiting rather than busy, and of what each of them has open there. */
const SLOW = { latencyMs: 200, concurrency: 8 };

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    pages: { type: 'string', default: '500' },
    'browser-concurrency': { type: 'string', default: '4' },
    'http-concurrency': { type: 'string', default: '64' },
    /** Contenders, comma-separated: `trawler,raw`; with fewer than all, the figures that need the others are null. */
    only: { type: 'string' },
    kinds: { type: 'string', default: 'browser,http,scale' },
    corpora: { type: 'string', default: 'plain,images' },
    json: { type: 'boolean', default: false },
  },
});

const say = (line: string) => console.log(line);
const pages = Number(options.pages);
const rounds = Number(options.rounds);
const concurrency = {
  browser: Number(options['browser-concurrency']),
  http: Number(options['http-concurrency']),
} satisfies Record<Kind, number>;
const pageCount: Record<Kind, number> = { browser: pages, http: pages * HTTP_PAGES_FACTOR };
const takesPart = (name: string) => options.only === undefined || options.only.split(',').includes(name);
const kinds = options.kinds.split(',');

await main();

async function main(): Promise<void> {
  const chromium = findChromium();
  if (chromium === undefined) throw new Error('Chromium is not installed');
  await installPeers(say);
  const folder = await mkdtemp(join(tmpdir(), 'trawler-bench-crawl-'));
  const worker = join(projectRoot, 'build', 'bench-worker');
  await bundle(join(projectRoot, 'crawler-image', 'main.ts'), worker, { external: ['playwright', 'playwright-core'] });
  try {
    const corpora = await writeCorpora(folder);
    await using web = await startWebServer(join(folder, 'nginx'), Object.values(corpora).flat());
    await using database = await startCrawlDatabase();
    await measure({ web, database, chromium }, corpora, join(worker, 'main.js'));
  } finally {
    await rm(folder, { recursive: true });
    await rm(worker, { recursive: true });
  }
}

type Corpora = Record<Kind, Corpus[]> & { readonly slow: Corpus[] };

async function writeCorpora(folder: string): Promise<Corpora> {
  const corporaOf = async (kind: Kind): Promise<Corpus[]> => {
    const made = [
      { name: 'plain', folder: join(folder, `${kind}-plain`), latencyMs: 0 },
      { name: 'images', folder: join(folder, `${kind}-images`), latencyMs: LATENCY_MS },
    ].filter(({ name }) => options.corpora.split(',').includes(name));
    for (const corpus of made) await writeSite(corpus.folder, pageCount[kind], corpus.name === 'images');
    return made;
  };
  const [browser, http] = [await corporaOf('browser'), await corporaOf('http')];
  const slow = { name: 'slow', folder: join(folder, 'slow'), latencyMs: SLOW.latencyMs };
  await writeSite(slow.folder, pages, false);
  return { browser, http, slow: [slow] };
}

async function measure(stage: Stage, corpora: Corpora, worker: string): Promise<void> {
  const rides = { browser: new Map(), http: new Map(), scale: new Map() } as Record<
    Kind | 'scale',
    Map<string, Map<string, Ride[]>>
  >;
  const record = async (kind: Kind | 'scale', corpus: string, name: string, riding: Promise<Ride>) => {
    const ride = await riding;
    const byName = rides[kind].get(corpus) ?? new Map<string, Ride[]>();
    rides[kind].set(corpus, byName);
    byName.set(name, [...(byName.get(name) ?? []), ride]);
    say(`${kind} ${corpus} ${name}: ${ride.pagesPerSecond.toFixed(1)} pages/s, ${ride.peakMb.toFixed(0)} MB`);
  };

  for (let round = 0; round < rounds; round++) {
    for (const kind of ['browser', 'http'] as const) {
      if (!kinds.includes(kind)) continue;
      for (const corpus of corpora[kind]) {
        const course = { corpus, pages: expectedPages(pageCount[kind]), concurrency: concurrency[kind] };
        const contests = contestsOf(stage, course, kind, worker);
        // Each round begins with another one, so that nobody always rides on a warm machine.
        for (let turn = 0; turn < contests.length; turn++) {
          const contest = contests[(turn + round) % contests.length];
          if (contest !== undefined) await record(kind, corpus.name, contest.name, contest.start());
        }
      }
    }
    const [slow] = corpora.slow;
    if (slow === undefined || !kinds.includes('scale')) continue;
    const course = { corpus: slow, pages: expectedPages(pages), concurrency: SLOW.concurrency };
    for (const workers of [1, 2]) {
      await record('scale', 'slow', String(workers), rideTrawler(stage, course, 'HTTP', worker, workers));
    }
  }
  say(JSON.stringify(resultOf(rides)));
}

function contestsOf(stage: Stage, course: Course, kind: Kind, worker: string) {
  const render = kind === 'browser' ? 'Browser' : 'HTTP';
  const switches = renderingSwitches(BLOCKED);
  const peers = PEERS.filter((peer) => peer.kind === kind).map((peer) => ({
    name: peer.name as string,
    start: () => ridePeer(stage, course, peer, switches),
  }));
  const trawler = { name: 'trawler', start: () => rideTrawler(stage, course, render, worker) };
  return [trawler, ...peers].filter(({ name }) => takesPart(name));
}

function resultOf(rides: Record<Kind | 'scale', Rides>): Readonly<Record<string, unknown>> {
  const ratio = (kind: Kind, other: string) => rounded(lowestRatio(rides[kind], 'trawler', other).ratio, 2);
  const counted = lowestRatio(rides.browser, 'trawler', 'crawlee').corpus;
  const browserSpeed = (name: string) => rounded(speedOf(rides.browser.get(counted)?.get(name)), 1);
  const slow = rides.scale.get('slow');
  return {
    browser_vs_raw: ratio('browser', 'raw'),
    browser_vs_crawlee: ratio('browser', 'crawlee'),
    browser_vs_crawlee_default: ratio('browser', 'crawlee-default'),
    http_vs_cheerio: ratio('http', 'cheerio'),
    http_vs_scrapy: ratio('http', 'scrapy'),
    http_vs_undici: ratio('http', 'undici'),
    // The worse of Trawler's, the better of Crawlee's.
    rss_mb: rounded(Math.max(...memoryOf(rides.browser, 'trawler')), 0),
    crawlee_rss_mb: rounded(Math.min(...memoryOf(rides.browser, 'crawlee')), 0),
    raw_pages_per_s: browserSpeed('raw'),
    crawlee_pages_per_s: browserSpeed('crawlee'),
    trawler_pages_per_s: browserSpeed('trawler'),
    scale_1_to_2: rounded(speedOf(slow?.get('2')) / speedOf(slow?.get('1')), 2),
    rounds,
    pages: pageCount,
    concurrency,
    medians: Object.fromEntries(
      (['browser', 'http'] as const).map((kind) => [
        kind,
        Object.fromEntries([...rides[kind]].map(([corpus, byName]) => [corpus, mediansOf(byName)])),
      ]),
    ),
  };
}

function mediansOf(byName: ReadonlyMap<string, readonly Ride[]>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...byName].map(([name, rides]) => [
      name,
      { pages_per_s: rounded(speedOf(rides), 1), peak_mb: rounded(median(rides.map((ride) => ride.peakMb)), 0) },
    ]),
  );
}

/** Null, as JSON has it, for what was not measured. */
function rounded(value: number, digits: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : null;
}
