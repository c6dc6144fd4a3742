import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCookies } from '#src/crawler/http/cookies.ts';

const at = (url: string) => new URL(url);

/** The Cookie header for the second URL after the first has set these. */
function sent(from: string, setCookie: string | string[], to: string): string | undefined {
  const cookies = createCookies();
  cookies.take(at(from), setCookie);
  return cookies.headerFor(at(to));
}

describe('a cookie', () => {
  it.each([
    ['http://a.test/', 'a=1', 'http://a.test/other', 'a=1'],
    ['http://a.test/', ['a=1', 'b=2'], 'http://a.test/', 'a=1; b=2'],
    ['http://a.test/', 'a=1', 'http://b.test/', undefined],
    ['http://www.example.com/', 'a=1', 'http://example.com/', undefined],
    ['http://www.example.com/', 'a=1; Domain=example.com', 'http://shop.example.com/', 'a=1'],
    ['http://www.example.com/', 'a=1; Domain=other.com', 'http://other.com/', undefined],
    // Nobody sets cookies for all of a public suffix, of registries or of those who host for many.
    ['http://www.example.co.uk/', 'a=1; Domain=co.uk', 'http://other.co.uk/', undefined],
    ['http://alice.github.io/', 'a=1; Domain=github.io', 'http://bob.github.io/', undefined],
    ['http://127.0.0.1:8080/', 'a=1', 'http://127.0.0.1:8080/', 'a=1'],
    ['http://localhost/', 'a=1', 'http://localhost/', 'a=1'],
    ['http://a.test/', 'a=1; Path=/deep', 'http://a.test/', undefined],
    ['http://a.test/', 'a=1; Path=/deep', 'http://a.test/deep/page', 'a=1'],
    ['https://a.test/', 'a=1; Secure', 'http://a.test/', undefined],
    ['http://a.test/', 'a=1; Max-Age=0', 'http://a.test/', undefined],
    ['http://a.test/', ['a=1', 'a=2'], 'http://a.test/', 'a=2'],
    ['http://a.test/', `a=${'x'.repeat(5_000)}`, 'http://a.test/', undefined],
    ['http://a.test/', ';;=;\0', 'http://a.test/', undefined],
  ])('of %s, %j, is sent to %s as %j', (from, setCookie, to, expected) => {
    expect(sent(from, setCookie, to)).toBe(expected);
  });
});

it('a site that sets ever more cookies keeps the newest, and its requests stay small', () => {
  const cookies = createCookies();
  for (let n = 0; n < 1_000; n++) cookies.take(at('http://a.test/'), `n${n}=${n}`);
  const header = cookies.headerFor(at('http://a.test/')) ?? '';
  expect(header.split('; ')).toHaveLength(50);
  expect(header).toContain('n999=999');
  for (let n = 0; n < 50; n++) cookies.take(at('http://a.test/'), `large${n}=${'x'.repeat(3_000)}`);
  expect(cookies.headerFor(at('http://a.test/'))?.length).toBeLessThanOrEqual(6_144);
});

it('the domain that was asked longest ago is forgotten when there are many', () => {
  const cookies = createCookies();
  cookies.take(at('http://asked.com/'), 'a=1');
  cookies.take(at('http://not-asked.com/'), 'a=1');
  // A cache of so many keeps at most twice as many.
  for (let n = 0; n < 2_000; n++) {
    cookies.take(at(`http://site${n}.com/`), 'a=1');
    expect(cookies.headerFor(at('http://asked.com/'))).toBe('a=1');
  }
  expect(cookies.headerFor(at('http://not-asked.com/'))).toBeUndefined();
});

it('whatever servers set, the header can be sent and is bounded', () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 300 }).map((code) => String.fromCharCode(code)) });
  const attribute = fc.oneof(text, fc.constantFrom('Domain=.test', 'Path=', 'Max-Age=-1', 'Expires=x', 'Secure'));
  const header = fc.array(fc.oneof(text, attribute), { maxLength: 5 }).map((parts) => parts.join(';'));
  fc.assert(
    fc.property(fc.array(header, { maxLength: 80 }), (headers) => {
      const cookie = sent('http://a.test/', headers, 'http://a.test/') ?? '';
      expect(cookie).toMatch(/^[\x20-\x7e\x80-\xff]*$/);
      expect(cookie.length).toBeLessThanOrEqual(6_144);
    }),
  );
});
