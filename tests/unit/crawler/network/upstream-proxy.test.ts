import { describe, expect, it } from 'vitest';
import { parseProxyUrl } from '#src/crawler/network/upstream-proxy.ts';

const allowed = ['proxy.example:3128', 'secure.example:443', '10.0.0.7:80'];

describe('the URL of a proxy', () => {
  it('is taken apart; its credentials become a header', () => {
    expect(parseProxyUrl(' http://user:p%40ss%3Aword@Proxy.example:3128/\n', allowed)).toEqual({
      origin: 'http://proxy.example:3128',
      hostname: 'proxy.example',
      port: 3128,
      isTls: false,
      headers: { 'proxy-authorization': `Basic ${Buffer.from('user:p@ss:word').toString('base64')}` },
    });
    expect(parseProxyUrl('https://secure.example', allowed)).toMatchObject({ port: 443, isTls: true, headers: {} });
    expect(parseProxyUrl('http://10.0.0.7', allowed)).toMatchObject({ port: 80 });
  });

  it.each([
    ['http://user:secret@other.example:3128', 'other.example:3128 is not among the proxies'],
    ['http://user:secret@proxy.example:3129', 'proxy.example:3129 is not among'],
    ['http://user:secret@proxy.example.evil:3128', 'is not among'],
    ['socks5://user:secret@proxy.example:3128', 'is not http://host:port or https://host:port'],
    ['proxy.example:3128', 'is not http://host:port'],
    ['', 'is not http://host:port'],
  ])('%s is refused, without a word of its password', (url, reason) => {
    expect(() => parseProxyUrl(url, allowed)).toThrow(reason);
    expect(() => parseProxyUrl(url, allowed)).not.toThrow('secret');
  });
});
