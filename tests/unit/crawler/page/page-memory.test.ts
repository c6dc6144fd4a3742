import { describe, expect, it } from 'vitest';
import { planOf } from '#src/crawler/page/page-memory.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

const source = { name: 'site', urls: ['http://site.test/'] };

function planFor(more: Partial<CrawlRunSpecInput>): string {
  const spec = crawlRunSpec.parse({ sources: [source], ...more });
  const [first] = spec.sources;
  if (first === undefined) throw new Error('no source');
  return planOf(spec, first);
}

describe('the plan of a source', () => {
  it.each([
    { workers: 5, concurrency: 9 },
    { limits: { maxPages: 7 } },
    { trigger: { type: 'Schedule', scheduledTime: '2026-11-22T12:00:00Z' } },
    { image: 'another', pod: { nodeSelector: { a: 'b' } } },
    { sources: [source, { name: 'other', urls: ['http://other.test/'] }] },
  ] satisfies Partial<CrawlRunSpecInput>[])('stays the same with %o', (more) => {
    expect(planFor(more)).toBe(planFor({}));
  });

  it.each([
    { extract: { fields: [{ name: 'title', selector: 'h1' }] } },
    { fetch: { render: 'Browser' } },
    { fetch: { userAgent: 'Other/1.0' } },
    { sources: [{ ...source, scope: { exclude: ['**/private/**'] } }] },
  ] satisfies Partial<CrawlRunSpecInput>[])('is another one with %o', (more) => {
    expect(planFor(more)).not.toBe(planFor({}));
  });
});
