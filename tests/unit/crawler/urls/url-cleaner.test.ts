// What is taken out of URLs because it says nothing about the page.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseUrl } from '#src/crawler/urls/url.ts';
import { createUrlCleaner } from '#src/crawler/urls/url-cleaner.ts';

const NAMES = ['utm_*', 'fbclid', 'jsessionid', 'a.b', 'x[y]'];
const clean = (text: string, names = NAMES) =>
  createUrlCleaner(names)(new URL(text, 'http://a.example')).pathname +
  createUrlCleaner(names)(new URL(text, 'http://a.example')).search;

describe('a cleaned URL', () => {
  it.each([
    ['/?utm_source=x&a=1&UTM_Medium=y', '/?a=1'],
    ['/?utm_source=x', '/'],
    ['/?autm_source=x', '/?autm_source=x'],
    ['/p;jsessionid=1A2B?b=2&a=1', '/p?b=2&a=1'],
    ['/p;v=1;JSESSIONID=1A2B/q', '/p;v=1/q'],
    ['/?fbclid', '/'],
    ['/?axb=1&a.b=2', '/?axb=1'],
    ['/?x[y]=1&a', '/?a'],
    ['/?sid=5&s=shoes', '/?sid=5&s=shoes'],
    ['/?sid=0123456789abcdef0123', '/'],
    ['/?sessionid=42&day=2', '/?sessionid=42&day=2'],
    ['/?session_id=7&SessionID=12', '/?session_id=7&SessionID=12'],
    ['/?sessionid=5f2b8c1de0a94c7f8d21', '/'],
    ['/?session-id=12345678901234567890', '/'],
    ['/?sessionid=a1b2c3', '/?sessionid=a1b2c3'],
    ['/?session=thequickbrownfoxjumps', '/?session=thequickbrownfoxjumps'],
    ['/?sid=123e4567-e89b-12d3-a456-426614174000', '/?sid=123e4567-e89b-12d3-a456-426614174000'],
    ['/?a=%41&fbclid=1', '/?a=A'],
  ])('%s becomes %s', (text, expected) => {
    expect(clean(text)).toBe(expected);
  });

  it('is as it was without names', () => {
    expect(clean('/;jsessionid=1?utm_source=x&sid=0123456789abcdef', [])).toBe(
      '/;jsessionid=1?utm_source=x&sid=0123456789abcdef',
    );
  });

  it('stays as it is when it is cleaned and normalised again, whatever it was', () => {
    const parameter = fc.tuple(fc.constantFrom('utm_x', 'fbclid', 'sid', 'a', ';jsessionid', '%66bclid'), fc.string());
    const url = fc.tuple(fc.webUrl(), fc.array(parameter)).map(([base, parameters]) => {
      return `${base}?${parameters.map(([name, value]) => `${name}=${value}`).join('&')}`;
    });
    const cleaner = createUrlCleaner(NAMES);
    fc.assert(
      fc.property(url, (text) => {
        const normal = normaliseUrl(text);
        if (normal === undefined) return;
        const once = cleaner(normal).href;
        expect(cleaner(new URL(once)).href).toBe(once);
        expect(normaliseUrl(once)?.href).toBe(once);
      }),
    );
  });
});
