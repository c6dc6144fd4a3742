// Results on a real volume: a pod of its own user writes to a folder that root made, and a stopped run leaves what it has.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import type { Job } from '../../src/kube/builtin-types.ts';
import { apply, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { deployManual, manualUrl } from './manual.ts';
import { itemsOf } from './results.ts';
import { makeVolume, type Volume } from './volume.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;
let volume: Volume;

beforeAll(async () => {
  namespace = await testNamespace('output');
  await deployManual(namespace.name);
  volume = await makeVolume(namespace.name);
});
afterAll(async () => {
  await namespace?.remove();
  await volume?.remove();
});

async function start(name: string, spec: Record<string, unknown>): Promise<void> {
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: namespace.name },
    spec: {
      sources: [{ name: 'manual', urls: [`${manualUrl(namespace.name)}/index.html`], scope: { mode: 'Host' } }],
      extract: { fields: [{ name: 'title', selector: 'title' }] },
      concurrency: 4,
      heartbeat: { interval: '2s' },
      ...spec,
    },
  });
}

const read = (name: string) => getJson<CrawlRun>('crawlrun', name, '--namespace', namespace.name);

async function finished(name: string): Promise<CrawlRun> {
  const what = ['--for=condition=Finished', `crawlrun/${name}`, '--namespace', namespace.name];
  await kubectl('wait', ...what, '--timeout=300s');
  return read(name);
}

/** What the status says of the file is what is there. */
async function fileOf({ status }: CrawlRun): Promise<string> {
  expect(status?.conditions?.find(({ type }) => type === 'OutputWritten')?.status, status?.message).toBe('True');
  const file = await readFile(path.join(volume.folder, status?.output?.path ?? ''));
  expect(file.length).toBe(status?.output?.bytes);
  expect(createHash('sha256').update(file).digest('hex')).toBe(status?.output?.sha256);
  expect(status?.output?.items).toBe(status?.progress?.items);
  return file.toString('utf8');
}

test('a run leaves its items as one CSV file, there when it is finished', async () => {
  const output = { format: 'CSV', volumeClaim: volume.claim, path: 'manual', filenamePrefix: 'titles-' };
  await start('whole', { output, limits: { maxPages: 60 }, politeness: { requestsPerSecond: 1_000 } });
  const run = await finished('whole');
  expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  const lines = (await fileOf(run)).trim().split('\r\n');
  expect(lines[0]).toBe('source,url,title');
  expect(lines).toHaveLength(61);
  expect(await readdir(path.join(volume.folder, 'manual'))).toEqual(['titles-whole.csv']);
});

test('a run that is stopped in the middle leaves what it has', async () => {
  await start('stopped', { output: { volumeClaim: volume.claim }, politeness: { requestsPerSecond: 20 } });
  await vi.waitFor(async () => expect((await read('stopped')).status?.progress?.items ?? 0).toBeGreaterThan(20), {
    timeout: 180_000,
    interval: 300,
  });
  const stop = ['--type=merge', '--patch={"spec":{"shutdown":"Stop"}}'];
  await kubectl('patch', 'crawlrun', 'stopped', '--namespace', namespace.name, ...stop);
  const run = await finished('stopped');
  expect(run.status?.phase, run.status?.message).toBe('Stopped');
  const records = (await fileOf(run))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { url: string; title: string });
  const items = await itemsOf(run.metadata.uid);
  expect(items.length).toBeGreaterThan(20);
  expect(records.map(({ url, title }) => [url, title]).toSorted()).toEqual(
    items.map(({ url, data }) => [url, data['title']]).toSorted(),
  );
  const { items: jobs } = await getJson<{ items: Job[] }>('jobs', '--namespace', namespace.name);
  expect(jobs.filter(({ metadata }) => metadata.name.startsWith('stopped-'))).toHaveLength(1);
});
