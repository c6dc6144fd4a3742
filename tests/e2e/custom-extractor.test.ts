// The sample of a custom extractor, as a user applies it: a module from a ConfigMap makes the items of a real shop.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { webImage } from '../../dev/images/catalog.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';
import { listProducts } from '../../dev/site/products.ts';
import type { CrawlRun } from '../../src/custom-resources/types.ts';
import { apply, cluster, getJson, kubectl, testNamespace } from '../support/cluster.ts';
import { itemsOf } from './results.ts';

let namespace: Awaited<ReturnType<typeof testNamespace>>;

/** Of a manifest, the objects that live in a namespace, moved into the test's. */
async function manifest(path: string): Promise<string[]> {
  const text = await readFile(join(projectRoot, path), 'utf8');
  return text
    .split(/^---$/m)
    .filter((part) => !/^kind: Namespace$/m.test(part))
    .map((part) =>
      part
        .replaceAll('namespace: demo', `namespace: ${namespace.name}`)
        .replaceAll('site.demo.svc', `site.${namespace.name}.svc`)
        .replaceAll(webImage.reference, cluster.reference(webImage)),
    );
}

beforeAll(async () => {
  namespace = await testNamespace('extractor');
  for (const object of await manifest('dev/site/manifests/site.yaml')) await apply(object);
  await kubectl('rollout', 'status', 'deployment/site', '--namespace', namespace.name, '--timeout=120s');
});
afterAll(() => namespace?.remove());

/** Applies the sample's run, changed by `change`, and waits for its end. */
async function finishedRun(name: string, change: (run: string) => string): Promise<CrawlRun> {
  const [, run = ''] = await manifest('manifests/samples/custom-extractor.yaml');
  const where = ['--namespace', namespace.name];
  await apply(change(run).replace(/generateName: .*/, `name: ${name}`), ...where);
  await kubectl('wait', '--for=condition=Finished', `crawlrun/${name}`, ...where, '--timeout=300s');
  return getJson<CrawlRun>('crawlrun', name, ...where);
}

test('the module makes the items, with what the fields gave, and its links are followed', async () => {
  const [configMap = ''] = await manifest('manifests/samples/custom-extractor.yaml');
  await apply(configMap, '--namespace', namespace.name);
  const run = await finishedRun('custom', (text) => text);
  expect(run.status?.phase, run.status?.message).toBe('Succeeded');
  const products = new Map(listProducts(48).map((product) => [`/products/${product.id}`, product]));
  const items = await itemsOf(run.metadata.uid);
  // 30 pages with lists among them; the exact number of products depends on the order of the crawl.
  expect(items.length).toBeGreaterThan(20);
  for (const { url, data } of items) {
    const product = products.get(new URL(url).pathname);
    expect(data, url).toEqual({
      title: product?.title,
      cents: Math.round((product?.price ?? 0) * 100),
      words: product?.description.split(' ').length,
      path: `/products/${product?.id}`,
    });
  }
});

test('a run whose module is missing fails and says what is missing', async () => {
  const run = await finishedRun('missing', (text) => text.replace('key: shop.mjs', 'key: nothing.mjs'));
  expect(run.status?.phase).toBe('Failed');
  expect(run.status?.message).toContain('nothing.mjs');
});
