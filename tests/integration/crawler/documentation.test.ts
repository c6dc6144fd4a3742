// Whole sites of documentation, crawled by HTTP and walked by a program that shares nothing with the crawler: the same
// pages, titles and headings.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageFiles } from '../../support/debian-package.ts';
import { startNginx } from '../../support/nginx.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';

type Walk = {
  /** Path to title and first heading, without white space. */
  readonly pages: Readonly<Record<string, readonly [title: string, heading: string]>>;
  /** Paths of links whose file does not exist, of those that lead elsewhere, and of files that are no HTML. */
  readonly missing: readonly string[];
  readonly moved: readonly string[];
  readonly other: readonly string[];
};

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const walker = fileURLToPath(new URL('../../support/walk-site.py', import.meta.url));

async function walk(root: string, starts: readonly string[]): Promise<Walk> {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)('python3', [walker, root, ...starts], options);
  return JSON.parse(stdout) as Walk;
}

const withoutSpace = (text: unknown) => String(text ?? '').replace(/\s+/g, '');

it.each([
  {
    site: 'more than 10,000 pages (openjdk-17-doc)',
    package: 'openjdk-17-doc',
    folder: 'usr/share/doc/openjdk-17-jre-headless',
    starts: ['/api/index.html'],
    atLeast: 10_000,
  },
  {
    site: 'pages in ISO-8859-1 (docbook-xsl-doc-html)',
    package: 'docbook-xsl-doc-html',
    folder: 'usr/share/doc/docbook-xsl-doc-html/doc',
    starts: ['/index.html'],
    atLeast: 1_000,
  },
  {
    site: 'pages in ISO-8859-1 with letters beyond ASCII (focalinux-html)',
    package: 'focalinux-html',
    folder: 'usr/share/doc/focalinux/html',
    starts: ['/iniciante/index.html', '/intermediario/index.html', '/avancado/index.html'],
    atLeast: 70,
  },
])('$site come out as another program finds them', { timeout: 600_000 }, async (documentation) => {
  const { starts, atLeast } = documentation;
  const root = await packageFiles(documentation.package, documentation.folder);
  await using site = await startNginx(root);
  await using run = await database.accept({
    sources: [{ name: 'documentation', urls: starts.map((path) => site.origin + path), scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
    limits: { maxPages: 100_000 },
    concurrency: 16,
  });
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`, TRAWLER_LOG_LEVEL: 'info' });
  const [walked, code] = await Promise.all([walk(root, starts), worker.ended]);
  expect(code).toBe(0);
  const items = await run.items();
  const found = items.map(({ url, data }) => [
    new URL(url).pathname,
    [withoutSpace(data['title']), withoutSpace(data['heading'])],
  ]);
  expect(found.length).toBeGreaterThanOrEqual(atLeast);
  expect(found.toSorted()).toEqual(Object.entries(walked.pages).toSorted());
  const { missing, moved, other } = walked;
  const { progress } = await run.snapshot();
  expect(progress).toMatchObject({ failed: missing.length, skipped: moved.length + other.length });
});
