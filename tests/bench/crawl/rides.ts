// One ride: a contender crawls a corpus once, in processes of its own, and its result is checked.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { sendSignal } from '../../../dev/cluster/signals.ts';
import type { CrawlRunSpecInput } from '../../../src/resources/crawl-run.ts';
import type { CrawlDatabase, TestRun } from '../../integration/crawler/fixture.ts';
import { freshPeerFolder, type Peer } from './contenders.ts';
import { watchMemory } from './memory.ts';
import type { Expected } from './site.ts';
import type { Corpus, WebServer } from './web-server.ts';

/** A ride that takes longer than this is void. */
const TIMEOUT_MS = 15 * 60_000;

export type Course = {
  readonly corpus: Corpus;
  readonly pages: readonly Expected[];
  readonly concurrency: number;
};

export type Ride = { readonly pagesPerSecond: number; readonly peakMb: number };

export type Stage = { readonly web: WebServer; readonly database: CrawlDatabase; readonly chromium: string };

type Finish = { readonly endedAt: number; readonly results: readonly Expected[] };

/** @param switches of Chromium: what Trawler starts it with, apart from those that make it use the guard proxy */
export async function ridePeer(stage: Stage, course: Course, peer: Peer, switches: readonly string[]): Promise<Ride> {
  const task = {
    start: `${originOf(stage.web, course)}/p/0`,
    pages: course.pages.length,
    concurrency: course.concurrency,
    chromium: stage.chromium,
    switches,
  };
  const [program, ...parameters] = peer.command;
  const cwd = await freshPeerFolder();
  return ride(stage, course, peer.name, () => {
    const child = spawn(program, parameters, {
      cwd,
      detached: true,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        ...peer.environment,
        BENCH_TASK: JSON.stringify(task),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return { children: [child], finish: finishOfPeer(child, peer.name) };
  });
}

/** As in crawler-image/Dockerfile, and so is MALLOC_ARENA_MAX below. */
const NODE_FLAGS = ['--max-semi-space-size=8'];

/** @param main the bundled worker, as it is in the image */
export async function rideTrawler(
  stage: Stage,
  course: Course,
  render: 'HTTP' | 'Browser',
  main: string,
  workers = 1,
): Promise<Ride> {
  await using run = await stage.database.accept(specOf(stage.web, course, render, workers));
  return await ride(stage, course, `trawler ${render}`, () => {
    const children = Array.from({ length: workers }, () =>
      spawn(process.execPath, [...NODE_FLAGS, main], {
        detached: true,
        env: run.environment({
          TRAWLER_LOG_LEVEL: 'info',
          MALLOC_ARENA_MAX: '1',
          TRAWLER_CHROMIUM: stage.chromium,
          TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${stage.web.portOf(course.corpus)}`,
        }),
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    return { children, finish: finishOfTrawler(children, run) };
  });
}

function specOf(web: WebServer, course: Course, render: 'HTTP' | 'Browser', workers: number): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [`${originOf(web, course)}/p/0`], scope: { mode: 'Host' } }],
    fetch: { render },
    politeness: { robots: 'Ignore', requestsPerSecond: 10_000 },
    extract: {
      fields: [
        { name: 'title', selector: 'h1' },
        { name: 'price', selector: '.price', type: 'Number' },
        { name: 'description', selector: '.description' },
      ],
    },
    limits: { maxPages: 1_000_000 },
    concurrency: course.concurrency,
    workers,
  };
}

/** From the first page that the server was asked for to the contender's last result. */
async function ride(
  { web }: Stage,
  { pages }: Course,
  name: string,
  start: () => { readonly children: readonly ChildProcess[]; readonly finish: Promise<Finish> },
): Promise<Ride> {
  await web.resetLog();
  const { children, finish } = start();
  const pids = children.map((child) => child.pid ?? 0);
  const timer = setTimeout(() => pids.forEach(killGroup), TIMEOUT_MS);
  const memory = watchMemory(pids);
  try {
    const { endedAt, results } = await finish;
    check(name, pages, results);
    const { firstAt } = await web.pagesAsked();
    return { pagesPerSecond: (pages.length * 1_000) / (endedAt - firstAt), peakMb: await memory.stop() };
  } finally {
    clearTimeout(timer);
    await memory.stop();
    pids.forEach(killGroup);
  }
}

async function finishOfPeer(child: ChildProcess, name: string): Promise<Finish> {
  const output = await outputOf(child);
  const [last] = output.trim().split('\n').slice(-1);
  if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}: ${last}`);
  return JSON.parse(last ?? '') as Finish;
}

/** What is in the database, at the time when a worker saw that the run is finished. */
async function finishOfTrawler(children: readonly ChildProcess[], run: TestRun): Promise<Finish> {
  const outputs = await Promise.all(children.map(outputOf));
  const lines = outputs.flatMap((output) => output.trim().split('\n')).map((line) => JSON.parse(line));
  const ends = lines.filter((line) => line.msg === 'run finished').map((line) => Date.parse(line.time));
  if (ends.length === 0) throw new Error(`Trawler did not finish:\n${outputs.join('\n')}`);
  const items = await run.items();
  const results = items.map(({ url, data }) => ({
    path: new URL(url).pathname,
    title: String(data['title']),
    price: Number(data['price']),
  }));
  return { endedAt: Math.min(...ends), results };
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  return output;
}

/** A contender that did not read the whole site has won nothing. */
function check(name: string, pages: readonly Expected[], results: readonly Expected[]): void {
  const key = ({ path, title, price }: Expected) => `${path} ${title} ${price}`;
  const found = new Set(results.map(key));
  const missing = pages.filter((page) => !found.has(key(page)));
  if (missing.length > 0 || results.length !== pages.length) {
    const first = missing[0] === undefined ? 'more than there is' : key(missing[0]);
    throw new Error(`void: ${name} has ${results.length} of ${pages.length} pages right, and not: ${first}`);
  }
}

function originOf(web: WebServer, { corpus }: Course): string {
  return `http://127.0.0.1:${web.portOf(corpus)}`;
}

/** Where everything in it has ended, there is nobody to send it to. */
const killGroup = (pid: number) => sendSignal(-pid, 'SIGKILL');
