// Where redirects lead.
import { describe, expect, it } from 'vitest';
import type { RawPage } from '#src/crawler/html/raw-page.ts';
import { pageAnswer } from '#src/crawler/rendering/page-answer.ts';
import { locationOf, redirectOf } from '#src/crawler/rendering/redirect.ts';
import { baseUrlOf } from '#src/crawler/urls/base-url.ts';

const AT = new URL('http://a.example/dir/page');

describe('the Location header', () => {
  const target = (location: string | string[], status = 302) => {
    const end = redirectOf(status, { location }, AT, {});
    return end?.type === 'redirect' ? end.to.href : end?.type;
  };

  it.each<[location: string | string[], target: string | undefined]>([
    ['/t', 'http://a.example/t'],
    ['t?x=1#frag', 'http://a.example/dir/t?x=1#frag'],
    ['//b.example', 'http://b.example/'],
    ['/t-\xc3\xa9', 'http://a.example/t-%C3%A9'],
    ['/t-caf\xe9', 'http://a.example/t-caf%E9'],
    ['/\xff?q=\xfe', 'http://a.example/%FF?q=%FE'],
    ['/größe', 'http://a.example/gr%F6%DFe'],
    ['/日本', 'http://a.example/%E6%97%A5%E6%9C%AC'],
    [' /a b ', 'http://a.example/a%20b'],
    [['/one', '/two'], 'http://a.example/one'],
    ['?', 'http://a.example/dir/page'],
    ['', undefined],
    [['', '/two'], 'http://a.example/two'],
    ['javascript:x', 'failed'],
    ['http://', 'failed'],
  ])('%j', (location, expected) => {
    expect(target(location)).toBe(expected);
  });

  it('counts with the statuses of redirects alone', () => {
    expect([301, 302, 303, 307, 308].map((status) => target('/t', status))).toEqual(
      Array(5).fill('http://a.example/t'),
    );
    expect([200, 201, 300, 304, 404].map((status) => target('/t', status))).toEqual(Array(5).fill(undefined));
    expect(locationOf({})).toBeUndefined();
  });
});

it.each([
  [null, 'http://a.example/dir/page'],
  ['/x/', 'http://a.example/x/'],
  ['//b.example/', 'http://b.example/'],
  ['javascript:void(0)', 'http://a.example/dir/page'],
  ['data:text/html,x', 'http://a.example/dir/page'],
  ['http://', 'http://a.example/dir/page'],
  ['', 'http://a.example/dir/page'],
])('a page with <base href=%j> has the base %s', (base, expected) => {
  expect(baseUrlOf(base, AT)).toBe(expected);
});

describe('a page with headers', () => {
  const page = {
    base: '/base/',
    canonical: null,
    links: ['/x'],
    refreshes: [],
    beginning: 'text',
  } as unknown as RawPage;
  const answer = (headers: Record<string, string | string[]>, parts: Partial<RawPage> = {}) =>
    pageAnswer({ page: { ...page, ...parts }, plan: { next: null } }, headers, AT, {});

  it('has the canonical URL of its Link header, unless it names one itself', () => {
    const link = '<../canon>; rel="canonical"';
    expect(answer({ link })).toMatchObject({ page: { canonical: 'http://a.example/canon' } });
    expect(answer({ link: ['</a>; rel=prev', link] })).toMatchObject({ page: { canonical: 'http://a.example/canon' } });
    expect(answer({ link }, { canonical: '/own' })).toMatchObject({ page: { canonical: '/own' } });
    expect(answer({ link: '</a>; rel=prev' })).toMatchObject({ page: { canonical: null } });
  });

  it('keeps each header of robots rules', () => {
    expect(answer({ 'x-robots-tag': ['otherbot: nofollow', 'noindex'] })).toMatchObject({
      robotsHeaders: ['otherbot: nofollow', 'noindex'],
    });
    expect(answer({})).toMatchObject({ robotsHeaders: [] });
  });

  it('is a redirect by its refresh, relative to its base', () => {
    const to = { href: 'http://a.example/base/t' };
    expect(answer({ refresh: '0; url=t' })).toMatchObject({ type: 'redirect', to });
    expect(answer({}, { refreshes: ['0; url=t'] })).toMatchObject({ type: 'redirect', to });
    expect(answer({ refresh: '0; url=/dir/page' })).toMatchObject({ type: 'page' });
    expect(answer({ refresh: '90; url=t' })).toMatchObject({ type: 'page', page: { links: ['/x', 't'] } });
  });
});
