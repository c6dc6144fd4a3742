// Links of pages: which are followed, and what the others are counted as.
import { describe, expect, it } from 'vitest';
import { createLinkFilter, createVerdicts, type Finding } from '#src/crawler/discovery/link-filter.ts';
import { createScope } from '#src/crawler/urls/scope.ts';
import { MAX_URL_LENGTH } from '#src/crawler/urls/url.ts';
import type { PageLinks } from '#src/gateway/protocol/worker-store.ts';
import { type CrawlRunSpec, type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

const traps: string[] = [];

const BASE = 'http://a.example/';
const [SOURCE] = crawlRunSpec.parse({ sources: [{ name: 'site', urls: [BASE] }] }).sources as [
  CrawlRunSpec['sources'][number],
];

function filterOf(
  more: Partial<CrawlRunSpecInput['sources'][number]> = {},
  limits: CrawlRunSpecInput['limits'] = {},
  render: 'HTTP' | 'Browser' | 'Auto' = 'HTTP',
) {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'site', urls: [BASE], ...more }], limits, fetch: { render } });
  const [source] = spec.sources;
  if (source === undefined) throw new Error('no source');
  const choose = createLinkFilter(source, spec, createVerdicts(), (trap) => traps.push(trap.pattern));
  const { followsLink: within, followsNext } = createScope(source);
  return (
    references: readonly string[],
    { unread = 0, next, listingPage = 1, ...finding }: Partial<Finding & PageLinks> & { listingPage?: number } = {},
  ) => {
    const chosen = choose(
      { references, base: BASE, unread, ...(next === undefined ? {} : { next }) },
      { depth: 1, within, page: new URL(BASE), listing: { page: listingPage, within: followsNext }, ...finding },
    );
    const pathOf = (url: URL) => url.href.replace(BASE, '/');
    return {
      follow: chosen.follow.map(pathOf),
      leftOut: chosen.leftOut,
      ...(finding.isExcluded && { kept: { excluded: chosen.excluded.map(pathOf), isCutOff: chosen.isCutOff } }),
      ...(chosen.next === undefined ? {} : { next: pathOf(chosen.next) }),
    };
  };
}

type Later = [
  name: string,
  references: string[],
  source: Partial<CrawlRunSpecInput['sources'][number]>,
  expected: boolean,
];

describe('links of a page', () => {
  it('are followed once each, in their order; what is out of scope or no URL is no matter', () => {
    const choose = filterOf();
    const { follow, leftOut } = choose(['b', '/a#x', '/a', 'http://b.example/', 'mailto:a@b.example', 'javascript:0']);
    expect(follow).toEqual(['/b', '/a']);
    expect(leftOut).toEqual({});
  });

  const tooDeep = { depth: 2, maxDepth: 1 };
  it.each([
    ['is excluded for now', ['/x'], {}, {}, { excluded: ['/x'], isCutOff: false }],
    ['is too deep for the run', ['/a'], tooDeep, {}, { excluded: [], isCutOff: true }],
    ['is both', ['/x'], tooDeep, {}, { excluded: [], isCutOff: true }],
    [
      'is too deep for the source, too',
      ['/a', '/x'],
      tooDeep,
      { limits: { maxDepth: 1 } },
      { excluded: [], isCutOff: false },
    ],
    ['is out of scope', ['http://b.example/'], tooDeep, {}, { excluded: [], isCutOff: false }],
  ])('of which one %s: what an edit may bring back is known', (_, references, finding, more, kept) => {
    const scope = createScope({ ...SOURCE, scope: { ...SOURCE.scope, exclude: ['**/x'] } });
    const choose = filterOf(more);
    const edited = { within: scope.followsLink, isExcluded: scope.excludesLink, maxDepth: 9 };
    expect(choose(references, { ...edited, ...finding }).kept).toEqual(kept);
  });

  it.each([
    ['another host of the site', ['http://www2.a.example/'], {}, true],
    ['other sites', ['http://b.example/', 'http://nota.example/'], {}, false],
    ['what is in the scope', ['/a'], {}, false],
    ['another folder, with Prefix', ['/fr/'], { urls: [`${BASE}de/`, `${BASE}en/`], scope: { mode: 'Prefix' } }, true],
    ['another host, with a domain as the scope', ['http://www2.a.example/'], { scope: { mode: 'Domain' } }, false],
    ['what patterns leave out', ['/x'], { scope: { mode: 'Host', exclude: ['**/x'] } }, false],
    [
      'another host, when the page before it moves is the start URL',
      ['http://www2.a.example/'],
      { urls: [BASE] },
      false,
    ],
  ] satisfies Later[])(
    'that lead to %s may be reached after another start URL has moved',
    (_, references, more: Later[2], expected) => {
      const spec = { scope: { mode: 'Host' as const }, ...more, urls: [...(more.urls ?? [BASE, `${BASE}b`])] };
      const parsed = crawlRunSpec.parse({ sources: [{ name: 'site', ...spec }] });
      const [source] = parsed.sources;
      if (source === undefined) throw new Error('no source');
      const { followsLink: within, mayReachLater: mayBeLater } = createScope(source);
      const choose = createLinkFilter(source, parsed, createVerdicts(), () => {});
      const chosen = choose(
        { references, base: BASE, unread: 0 },
        { depth: 1, within, mayBeLater, page: new URL(BASE) },
      );
      expect(chosen.hasLater).toBe(expected);
    },
  );

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

  it.each([
    ['Auto', 'HTTP', ['/app', '/b']],
    ['Auto', 'Browser', ['/app#/one', '/app#!two', '/app', '/b']],
    ['Auto', 'Auto', ['/app#/one', '/app#!two', '/app', '/b']],
    ['Keep', 'HTTP', ['/app#/one', '/app#!two', '/app#part', '/b']],
    ['Drop', 'Browser', ['/app', '/b']],
  ] as const)('keep fragments that name pages: %s, by %s', (fragments, render, expected) => {
    const choose = filterOf({ scope: { fragments } }, {}, render);
    expect(choose(['/app#/one', '/app#!two', '/app#part', '/b#', '/app#/one']).follow).toEqual(expected);
  });

  it('of a trap are followed until its pages say nothing new, each judged once', () => {
    const choose = filterOf({ limits: { maxVariants: 2 } });
    const months = ['/calendar/2026-01', '/calendar/2026-02', '/calendar/2026-03', '/calendar/2026-04'];
    const read = (path: string | undefined, links: readonly string[]) =>
      choose(links, { page: new URL(path ?? '', BASE), text: 'No events' });
    expect(choose(months.slice(0, 2)).follow).toEqual(months.slice(0, 2));
    expect(read(months[0], [months[2] ?? '']).follow, 'the first month has news').toEqual([months[2]]);
    expect(read(months[1], [...months])).toEqual({ follow: months.slice(0, 3), leftOut: { SpiderTrap: 1 } });
    expect(choose(months)).toEqual({ follow: months.slice(0, 3), leftOut: {} });
    expect(choose(['/calendar/2026-05', ...months]).leftOut).toEqual({ SpiderTrap: 1 });
    expect(new Set(traps)).toEqual(new Set(['a.example/calendar/{date}']));
  });

  it('are counted when the page has more than are read', () => {
    expect(filterOf()(['/a'], { unread: 7 })).toEqual({ follow: ['/a'], leftOut: { TooManyLinks: 7 } });
  });
});

describe('the next page of a listing', () => {
  const limits = { followNext: { maxPages: 3 } };

  it('is followed as such and not as a link, up to the most pages of a listing', () => {
    const choose = filterOf({ limits });
    expect(choose([], { next: '?utm_source=x#top' }).next, 'the page itself').toBeUndefined();
    expect(choose(['/p2', '/a'], { next: '/p2', listingPage: 1 })).toEqual({
      follow: ['/a'],
      next: '/p2',
      leftOut: {},
    });
    expect(choose(['/p3', '/a'], { next: 'p3#top', listingPage: 2 }).next).toBe('/p3');
    expect(choose(['/p4', '/a'], { next: '/p4', listingPage: 3 })).toEqual({
      follow: ['/a'],
      leftOut: { MaxListingPages: 1 },
    });
    expect(choose(['/a'], { next: '/p4', listingPage: 3 }).leftOut).toEqual({});
  });

  it('needs no depth of its own', () => {
    const choose = filterOf({ limits: { ...limits, maxDepth: 0 } });
    expect(choose(['/p2', '/a'], { next: '/p2' })).toEqual({ follow: [], next: '/p2', leftOut: { MaxDepth: 1 } });
  });

  it.each([
    ['Page', {}, '/p2', '/p2'],
    ['Page', {}, 'http://b.example/p2', undefined],
    ['Page', { exclude: ['**/p*'] }, '/p2', undefined],
    ['Prefix', {}, 'http://b.example/p2', undefined],
    ['Host', { include: ['**/list/**'] }, '/p2', undefined],
    ['Host', { include: ['**/list/**'] }, '/list/p2', '/list/p2'],
    ['Any', {}, 'mailto:a@b.example', undefined],
  ] as const)('obeys the scope: in mode %s with %j, %s leads to %s', (mode, patterns, next, expected) => {
    const scope = { mode, ...patterns } as unknown as CrawlRunSpecInput['sources'][number]['scope'];
    expect(filterOf({ limits, scope })([], { next }).next).toBe(expected);
  });

  it('may be one of a trap', () => {
    const choose = filterOf({ limits: { ...limits, maxVariants: 1 } });
    const read = (path: string, next: string) => choose([], { page: new URL(path, BASE), text: 'No events', next });
    expect(choose([], { next: '/calendar/2026-01' }).next).toBe('/calendar/2026-01');
    expect(read('/calendar/2026-01', '/calendar/2026-02').next).toBe('/calendar/2026-02');
    expect(read('/calendar/2026-02', '/calendar/2026-03')).toEqual({ follow: [], leftOut: { SpiderTrap: 1 } });
  });

  it('is a link like others where it is not followed', () => {
    expect(filterOf()(['/p2'])).toEqual({ follow: ['/p2'], leftOut: {} });
  });
});
