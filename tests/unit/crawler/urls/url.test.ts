// URLs: one form for each page.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostKey, MAX_URL_LENGTH, normaliseUrl } from '#src/crawler/urls/url.ts';

const normal = (text: string, base?: string) => normaliseUrl(text, base)?.href;

describe('normaliseUrl', () => {
  it.each([
    ['HTTP://EXAMPLE.com:80/a', 'http://example.com/a'],
    ['https://example.com:443', 'https://example.com/'],
    ['http://example.com/a#part', 'http://example.com/a'],
    ['http://example.com/a?', 'http://example.com/a'],
    ['http://example.com/?b=2&a=1', 'http://example.com/?b=2&a=1'],
    ['http://user:secret@example.com/', 'http://example.com/'],
    ['http://example.com./x', 'http://example.com/x'],
    ['http://example.com/a/../b/./c', 'http://example.com/b/c'],
    ['http://example.com/%7euser/%2f', 'http://example.com/~user/%2F'],
    ['http://example.com/?q=%c3%a9', 'http://example.com/?q=%C3%A9'],
    ['http://example.com/é', 'http://example.com/%C3%A9'],
    ['http://bücher.example/', 'http://xn--bcher-kva.example/'],
    ['  http://example.com/\n', 'http://example.com/'],
    ['http://[0:0:0:0:0:0:0:1]:8080/', 'http://[::1]:8080/'],
  ])('%s becomes %s', (text, expected) => {
    expect(normal(text)).toBe(expected);
  });

  it.each([
    ['../c', 'http://example.com/a/b', 'http://example.com/c'],
    ['?page=2', 'http://example.com/list?page=1', 'http://example.com/list?page=2'],
    ['//other.example/x', 'https://example.com/', 'https://other.example/x'],
    ['', 'http://example.com/a', 'http://example.com/a'],
    ['#top', 'http://example.com/a', 'http://example.com/a'],
  ])('resolves %s against %s', (text, base, expected) => {
    expect(normal(text, base)).toBe(expected);
  });

  it.each([
    'javascript:alert(1)',
    'mailto:a@b.c',
    'ftp://example.com/',
    'file:///etc/passwd',
    'data:text/html,x',
    'http://',
    'http://a b/',
    'x',
    `http://example.com/${'a'.repeat(MAX_URL_LENGTH)}`,
  ])('refuses %s', (text) => {
    expect(normaliseUrl(text)).toBeUndefined();
  });

  it('gives the same again for what it gave, whatever it was given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ withFragments: true, withQueryParameters: true }), fc.string()), (text) => {
        const once = normal(text, 'http://example.com/dir/');
        if (once !== undefined) expect(normal(once)).toBe(once);
      }),
    );
  });
});

describe('hostKey', () => {
  it('keeps a port only where it is not the default', () => {
    expect(hostKey(new URL('https://Example.com:443/a'))).toBe('example.com');
    expect(hostKey(new URL('http://example.com:8080/a'))).toBe('example.com:8080');
  });
});
