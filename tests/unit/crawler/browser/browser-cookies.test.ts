// Cookies on their way from one browser context into the next.
import { describe, expect, it } from 'vitest';
import { type BrowserCookie, cookieToSet, createCarriedCookies } from '#src/crawler/browser/browser-cookies.ts';

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
