// A lean spec means what the whole one does: what was left out comes back.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CrawlSpec, crawlSpec } from '#src/resources/crawl-run.ts';
import { withoutDefaults } from '#src/resources/defaults.ts';

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

/** Unlike its defaults nearly everywhere. */
const rich = {
  sources: [
    {
      ...{ name: 'shop', active: false, urls: ['http://shop.example/'], sitemaps: ['http://shop.example/map.xml'] },
      scope: { mode: 'Any', include: ['**'], exclude: ['**/a'], canonical: 'Follow', dropParameters: [] },
      limits: { maxPages: 3, followNext: { maxPages: 7 }, maxVariants: 9 },
    },
  ],
  fetch: { render: 'Auto', headers: [{ name: 'A', value: 'b' }], maxRetries: 0, blockResources: [] },
  politeness: { robots: 'Ignore', requestsPerSecond: 0.5, delay: '3s' },
  proxy: { urlSecretRef: { name: 'proxy' }, mode: 'Auto' },
  extract: { fields: [{ name: 'price', type: 'Number', required: true }], links: true },
  output: { volumeClaim: 'results', format: 'CSV' },
  browser: { sandbox: true },
  heartbeat: { interval: '5s' },
  limits: { maxPages: 5 },
  pod: { resources: { limits: { cpu: '2' } }, nodeSelector: { disk: 'fast' }, tolerations: [{ key: 'crawl' }] },
  workers: 2,
  priority: 4,
};

/** Of each value in it: the keys that lead there. */
function pathsIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [[key], ...pathsIn(child).map((path) => [key, ...path])]);
}

function without(value: object, paths: readonly string[][]): object {
  const copy = structuredClone(value);
  for (const path of paths) {
    const holder = path
      .slice(0, -1)
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], copy);
    // An index of an array would leave a hole.
    if (holder !== undefined && !Array.isArray(holder)) delete (holder as Record<string, unknown>)[path.at(-1) ?? ''];
  }
  return copy;
}

it('leaves of the smallest crawl what was given', () => {
  expect(withoutDefaults(crawlSpec.parse({ sources }))).toEqual({ sources });
});

it('keeps what differs, in sections and lists too', () => {
  expect(withoutDefaults(crawlSpec.parse(rich))).toEqual(rich);
});

it('leaves out what is given as the default is', () => {
  const spec = { sources, fetch: { render: 'HTTP', maxRetries: 5 }, politeness: { robots: 'Obey' }, workers: 1 };
  expect(withoutDefaults(crawlSpec.parse(spec))).toEqual({ sources, fetch: { maxRetries: 5 } });
});

it('is filled up to the same spec again, whatever is given', () => {
  fc.assert(
    fc.property(fc.subarray(pathsIn(rich)), (removed) => {
      const given = crawlSpec.safeParse(without(rich, removed));
      fc.pre(given.success);
      const whole = given.data as CrawlSpec;
      const lean = withoutDefaults(whole);
      expect(crawlSpec.parse(lean)).toEqual(whole);
      expect(withoutDefaults(crawlSpec.parse(lean))).toEqual(lean);
    }),
  );
});
