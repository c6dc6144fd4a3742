// Cookies on their way from one browser into the next, and from a header of the user into the browser.
import { describe, expect, it } from 'vitest';
import {
  type BrowserCookie,
  cookieChanges,
  cookiesOfHeader,
  cookieToSet,
  createCarriedCookies,
} from '#src/crawler/browser/browser-cookies.ts';

function cookie(name: string, more: Partial<BrowserCookie> = {}): BrowserCookie {
  return {
    ...{ name, value: 'v', domain: 'a.example', path: '/', expires: -1, size: 2, httpOnly: false, secure: false },
    ...{ session: true, priority: 'Medium', sourceScheme: 'NonSecure', sourcePort: 80, ...more },
  };
}

describe('carried cookies', () => {
  const namesOf = (carried: ReturnType<typeof createCarriedCookies>) => carried.all().map(({ name }) => name);

  it('are those of all contexts that have ended, the latest value of each', () => {
    const carried = createCarriedCookies();
    carried.take([], [cookie('one', { value: 'old' }), cookie('two')]);
    carried.take([], [cookie('one', { value: 'new' }), cookie('one', { domain: 'b.example' })]);
    expect(carried.all().map(({ name, domain, value }) => `${name} ${domain} ${value}`)).toEqual([
      'two a.example v',
      'one a.example new',
      'one b.example v',
    ]);
  });

  it('are forgotten when the context that was given them has them no longer', () => {
    const carried = createCarriedCookies();
    carried.take([], [cookie('one'), cookie('two')]);
    const given = carried.all();
    carried.take(given, [cookie('two')]);
    expect(namesOf(carried)).toEqual(['two']);
  });

  it('are no more than a context holds, and none that only one context knows', () => {
    const carried = createCarriedCookies();
    carried.take(
      [],
      Array.from({ length: 3_010 }, (_, number) => cookie(String(number))),
    );
    expect(namesOf(carried)).toHaveLength(3_000);
    expect(namesOf(carried)[0]).toBe('10');
    carried.take([], [cookie('opaque', { partitionKeyOpaque: true })]);
    expect(namesOf(carried)).not.toContain('opaque');
  });

  it('stay with their host, or their domain', () => {
    expect(cookieToSet(cookie('one', { path: '/p' }))).toMatchObject({ url: 'http://a.example/p', path: '/p' });
    expect(cookieToSet(cookie('one', { secure: true }))).toMatchObject({ url: 'https://a.example/', secure: true });
    expect(cookieToSet(cookie('one'))).not.toHaveProperty('domain');
    expect(cookieToSet(cookie('one', { domain: '.a.example' }))).toMatchObject({ domain: '.a.example' });
    expect(cookieToSet(cookie('one', { domain: '.a.example' }))).not.toHaveProperty('url');
  });

  it('end when they would have ended', () => {
    expect(cookieToSet(cookie('one'))).not.toHaveProperty('expires');
    expect(cookieToSet(cookie('one', { session: false, expires: 1_900_000_000 }))).toMatchObject({
      expires: 1_900_000_000,
    });
  });
});

describe('what changed between two looks', () => {
  it.each<[string, BrowserCookie[], BrowserCookie[], object[]]>([
    ['is nothing when all is the same', [cookie('a')], [cookie('a')], []],
    ['is a new cookie', [], [cookie('a')], [{ name: 'a', value: 'v' }]],
    ['is a new value', [cookie('a')], [cookie('a', { value: 'w' })], [{ name: 'a', value: 'w' }]],
    [
      'is another end',
      [cookie('a', { expires: 10, session: false })],
      [cookie('a', { expires: 20, session: false })],
      [{ name: 'a', expires: 20 }],
    ],
    ['is a cookie that has gone, with an end that has passed', [cookie('a')], [], [{ name: 'a', expires: 1 }]],
    ['is no cookie that no other browser can know', [], [cookie('a', { partitionKeyOpaque: true })], []],
  ])('%s', (_, before, after, changes) => {
    expect(cookieChanges(before, after)).toEqual(changes.map((change) => expect.objectContaining(change)));
  });
});

describe('a Cookie header', () => {
  it.each<[string, string, object[]]>([
    ['a=1', 'http://a.example/x', [{ name: 'a', value: '1', url: 'http://a.example/x', path: '/', secure: false }]],
    [
      'a=1; b=2',
      'https://a.example/',
      [
        { name: 'a', secure: true },
        { name: 'b', value: '2' },
      ],
    ],
    [
      ' a = 1 ;; b=x=y; ',
      'http://a.example/',
      [
        { name: 'a', value: '1' },
        { name: 'b', value: 'x=y' },
      ],
    ],
    ['alone', 'http://a.example/', [{ name: '', value: 'alone' }]],
    ['=alone', 'http://a.example/', [{ name: '', value: 'alone' }]],
    ['', 'http://a.example/', []],
  ])('%j of %s holds its cookies', (header, url, cookies) => {
    expect(cookiesOfHeader(header, new URL(url))).toEqual(cookies.map((one) => expect.objectContaining(one)));
  });
});
