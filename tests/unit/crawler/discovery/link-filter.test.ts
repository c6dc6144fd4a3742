// Links of pages: which are followed, and what the others are counted as.
import { describe, expect, it } from 'vitest';
import { createLinkFilter, createVerdicts, type Finding } from '#src/crawler/discovery/link-filter.ts';
import { createScope } from '#src/crawler/scope.ts';
import { MAX_URL_LENGTH } from '#src/crawler/url.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import type { PageLinks } from '#src/store/worker-store.ts';

const traps: string[] = [];

const BASE = 'http://a.example/';

function filterOf(more: Partial<CrawlRunSpecInput['sources'][number]> = {}, limits: CrawlRunSpecInput['limits'] = {}) {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'site', urls: [BASE], ...more }], limits });
  const [source] = spec.sources;
  if (source === undefined) throw new Error('no source');
  const choose = createLinkFilter(source, spec.limits, createVerdicts(), (trap) => traps.push(trap.pattern));
  const within = createScope(source).followsLink;
  return (references: readonly string[], { unread = 0, ...finding }: Partial<Finding & PageLinks> = {}) => {
    const page = new URL(BASE);
    const { follow, leftOut } = choose({ references, base: BASE, unread }, { depth: 1, within, page, ...finding });
    return { follow: follow.map((url) => url.href.replace(BASE, '/')), leftOut };
  };
}

describe('links of a page', () => {
  it('are followed once each, in their order; what is out of scope or no URL is no matter', () => {
    const choose = filterOf();
    const { follow, leftOut } = choose(['b', '/a#x', '/a', 'http://b.example/', 'mailto:a@b.example', 'javascript:0']);
    expect(follow).toEqual(['/b', '/a']);
    expect(leftOut).toEqual({});
  });

  it.each([
    [{ limits: { maxDepth: 2 } }, {}],
    [{}, { maxDepth: 2 }],
    [{ limits: { maxDepth: 9 } }, { maxDepth: 2 }],
    [{ limits: { maxDepth: 2 } }, { maxDepth: 9 }],
  ])('end at the nearer depth of source %j and run %j', (source, limits) => {
    const choose = filterOf(source, limits);
    expect(choose(['/x'], { depth: 2 })).toEqual({ follow: ['/x'], leftOut: {} });
    expect(choose(['/y', '/z'], { depth: 3 })).toEqual({ follow: [], leftOut: { MaxDepth: 2 } });
  });

  it('are counted once, and not at all when they were followed from nearer', () => {
    const choose = filterOf({ limits: { maxDepth: 1 } });
    expect(choose(['/near'], { depth: 1 }).follow).toEqual(['/near']);
    expect(choose(['/near', '/far'], { depth: 2 }).leftOut).toEqual({ MaxDepth: 1 });
    expect(choose(['/near', '/far'], { depth: 2 }).leftOut).toEqual({});
    expect(choose(['/'], { depth: 2 }).leftOut).toEqual({});
    expect(choose(['/far'], { depth: 1 })).toEqual({ follow: ['/far'], leftOut: {} });
  });

  it('are counted when they are longer than any URL, but not when they are no links to pages', () => {
    const choose = filterOf();
    const long = 'x'.repeat(MAX_URL_LENGTH);
    const longer = 'x'.repeat(50_000);
    const { follow, leftOut } = choose([long, longer, `http://a.example/${longer}`, `data:text/html,${longer}`]);
    expect(follow).toEqual([]);
    expect(leftOut).toEqual({ UrlTooLong: 3 });
  });

  it('out of scope are counted where someone named them', () => {
    expect(filterOf()(['/a', 'http://b.example/'], { counted: true })).toEqual({
      follow: ['/a'],
      leftOut: { OutOfScope: 1 },
    });
  });

  it('lose what names a session or an advertisement', () => {
    expect(filterOf()(['/a?utm_source=x', '/a', '/a;jsessionid=1', '/b?PHPSESSID=2&x=1']).follow).toEqual([
      '/a',
      '/b?x=1',
    ]);
    const source = { scope: { dropParameters: [] } };
    expect(filterOf(source)(['/a?utm_source=x', '/a']).follow).toEqual(['/a?utm_source=x', '/a']);
  });

  it('of a trap are followed up to the bound, each judged once', () => {
    const choose = filterOf({ limits: { maxVariants: 2 } });
    const months = ['/calendar/2026-01', '/calendar/2026-02', '/calendar/2026-03', '/calendar/2026-04'];
    for (let visit = 0; visit < 3; visit++) {
      expect(choose(months).follow).toEqual(months.slice(0, 2));
    }
    expect(choose(['/calendar/2026-05', ...months]).leftOut).toEqual({ SpiderTrap: 1 });
    expect(new Set(traps)).toEqual(new Set(['a.example/calendar/{date}']));
  });

  it('are counted when the page has more than are read', () => {
    expect(filterOf()(['/a'], { unread: 7 })).toEqual({ follow: ['/a'], leftOut: { TooManyLinks: 7 } });
  });
});
