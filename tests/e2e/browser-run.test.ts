// Chromium in a real pod, shut in by its own sandbox: listings from a ConfigMap are read page by page, with a picture of each.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import { apply, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { deployManual, manualUrl } from './manual.ts';
import { itemsOf } from './results.ts';
import { makeVolume, type Volume } from './volume.ts';

const RUN = 'listings';
const PAGES_OF_A_LISTING = 4;
const STARTS = ['index.html', 'tutorial.html', 'sql.html'];

let namespace: Awaited<ReturnType<typeof testNamespace>>;
let volume: Volume;

beforeAll(async () => {
  namespace = await testNamespace('browser');
  await deployManual(namespace.name);
  volume = await makeVolume(namespace.name);
});
afterAll(async () => {
  await namespace?.remove();
  await volume?.remove();
});

const inNamespace = () => ['--namespace', namespace.name];

/** The pages that a listing has by the `rel=next` of the manual's files. */
async function listingFrom(start: string): Promise<string[]> {
  const walk = (first: string, most: number) => {
    const { readFileSync } = process.getBuiltinModule('node:fs');
    const listing = [first];
    for (let page: string | undefined = first; page !== undefined && listing.length < most; ) {
      page = /<link rel="next" href="([^"]+)"/.exec(readFileSync(`/docs/${page}`, 'utf8'))?.[1];
      if (page !== undefined) listing.push(page);
    }
    return listing;
  };
  const script = `process.stdout.write(JSON.stringify((${walk})('${start}', ${PAGES_OF_A_LISTING})))`;
  return JSON.parse(await kubectl('exec', 'deployment/docs', ...inNamespace(), '--', 'node', '--eval', script));
}

/** The most seccomp filters that any process of the run's pod is under: the container's is one. */
async function mostSeccompFilters(): Promise<number> {
  const status = await kubectl(
    ...['exec', `job/${RUN}`, ...inNamespace(), '--', 'sh', '-c', 'cat /proc/[0-9]*/status 2>/dev/null || true'],
  );
  return Math.max(0, ...[...status.matchAll(/^Seccomp_filters:\s+(\d+)/gm)].map(([, count]) => Number(count)));
}

test('a run reads listings from a ConfigMap, page by page, in a sandbox, and leaves pictures on the volume', async () => {
  const urls = STARTS.map((page) => `${manualUrl(namespace.name)}/${page}`);
  await apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'starts', namespace: namespace.name },
    data: { 'urls.txt': ['# where to begin', ...urls].join('\n') },
  });
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: RUN, namespace: namespace.name },
    spec: {
      sources: [
        {
          name: 'manual',
          urlsFrom: { configMap: { name: 'starts', key: 'urls.txt' } },
          scope: { mode: 'Page' },
          limits: { followNext: { maxPages: PAGES_OF_A_LISTING } },
        },
      ],
      fetch: { render: 'Browser' },
      browser: { sandbox: true },
      // Slow enough to be looked at meanwhile.
      politeness: { requestsPerSecond: 1 },
      extract: { fields: [{ name: 'title', selector: 'title' }], screenshots: 'PNG' },
      output: { volumeClaim: volume.claim },
      concurrency: 2,
      heartbeat: { interval: '2s' },
    },
  });
  await vi.waitFor(async () => expect(await mostSeccompFilters()).toBe(2), { timeout: 180_000, interval: 500 });
  await kubectl('wait', '--for=condition=Finished', `crawlrun/${RUN}`, ...inNamespace(), '--timeout=300s');
  const { status, metadata } = await getJson<CrawlRun>('crawlrun', RUN, ...inNamespace());
  expect(status?.phase, status?.message).toBe('Succeeded');

  const listings = (await Promise.all(STARTS.map(listingFrom))).flat();
  expect(new Set(listings).size).toBe(STARTS.length * PAGES_OF_A_LISTING);
  const items = await itemsOf(metadata.uid);
  expect(items.map(({ url }) => path.basename(new URL(url).pathname)).toSorted()).toEqual(listings.toSorted());

  const pictures = await readdir(path.join(volume.folder, `${RUN}-screenshots`));
  const named = items.map(({ data }) => path.basename(String(data['screenshot'])));
  expect(pictures.toSorted()).toEqual(named.toSorted());
  expect(pictures).toHaveLength(listings.length);
  for (const picture of pictures) {
    const png = await readFile(path.join(volume.folder, `${RUN}-screenshots`, picture));
    expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
    // Width and height of the first chunk: more than an empty window.
    expect(png.readUInt32BE(16)).toBeGreaterThanOrEqual(1_280);
    expect(png.readUInt32BE(20)).toBeGreaterThan(600);
  }
});
