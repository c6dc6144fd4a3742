// Where a run begins.
import { expect, it } from 'vitest';
import { seedsOf } from '#src/crawler/discovery/seeds.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

it('begins at the start URLs of active sources, in normal form, and shows those that are none', () => {
  const spec = crawlRunSpec.parse({
    sources: [
      { name: 'a', urls: ['http://A.example:80/#top', 'https://b.example:8443/x'] },
      { name: 'off', active: false, urls: ['http://c.example/'] },
      { name: 'bad', urls: ['http://a:b:c/'] },
    ],
  });
  expect(seedsOf(spec)).toEqual([
    { source: 'a', url: 'http://a.example/', host: 'a.example', depth: 0 },
    { source: 'a', url: 'https://b.example:8443/x', host: 'b.example:8443', depth: 0 },
    { source: 'bad', url: 'http://a:b:c/', host: 'invalid', depth: 0 },
  ]);
});
