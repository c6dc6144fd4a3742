// Patterns of URLs: what matches, in whatever form it is written.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseUrl } from '#src/crawler/urls/url.ts';
import { compileUrlPattern } from '#src/crawler/urls/url-pattern.ts';

const A = 'https://a.example';

describe('a pattern', () => {
  it.each<[pattern: string, yes: readonly string[], no: readonly string[]]>([
    // One star stays within a segment, two do not.
    [`${A}/*`, [`${A}/`, `${A}/x`, `${A}/x?y`], [`${A}/x/y`]],
    [`${A}/products*`, [`${A}/products`, `${A}/products-2`], [`${A}/products/a`]],
    [`${A}/products**`, [`${A}/products`, `${A}/products/a`, `${A}/products-2/a/b?c=/d`], [`${A}/product`]],
    [`${A}/products/**`, [`${A}/products/`, `${A}/products/a/b`], [`${A}/products`]],
    [`${A}/**/x`, [`${A}/x`, `${A}/a/x`, `${A}/a/b/x`], [`${A}/ax`, `${A}/x/a`]],
    ['**/docs/**', [`${A}/docs/`, `${A}/a/docs/b`], [`${A}/docs`, `${A}/mydocs/b`]],
    ['**/*.pdf', [`${A}/a.pdf`, `${A}/x/a.pdf`], [`${A}/a.pdf?x`]],
    ['**', [`${A}/`, `${A}/a/b`], []],
    ['***', [`${A}/a/b`], []],
    // Everything else is itself.
    [`${A}/a?x=1`, [`${A}/a?x=1`], [`${A}/ax=1`, `${A}/abx=1`]],
    ['**?page=**', [`${A}/l?page=2`], [`${A}/lxpage=2`]],
    ['**hl=**', [`${A}/a?hl=de`, `${A}/b?x=/y&hl=de`], [`${A}/a`]],
    [`${A}/q?u=**`, [`${A}/q?u=/x/y`], [`${A}/q`]],
    [`${A}/wiki/*_(film)`, [`${A}/wiki/Up_(film)`], [`${A}/wiki/Up_film`]],
    [`${A}/!(a)`, [`${A}/!(a)`], [`${A}/b`]],
    [`${A}/@(a|b)`, [`${A}/@(a|b)`], [`${A}/a`]],
    ['!**/x', [], [`${A}/x`, `${A}/y`]],
    ['**filter[color]=**', [`${A}/l?filter[color]=red`, `${A}/l?filter%5Bcolor%5D=red`], [`${A}/l?filterc=red`]],
    [`${A}/a.b+c^d$`, [`${A}/a.b+c^d$`], [`${A}/aXb+c^d$`]],
    [`${A}/a{b}c`, [`${A}/a{b}c`], [`${A}/abc`]],
    [`${A}/a{b,c`, [`${A}/a{b,c`], [`${A}/ab`]],
    [`${A}/\\*\\{a,b\\}`, [`${A}/*{a,b}`], [`${A}/xa`]],
    // Choices and ranges.
    ['**/{a,b}/**', [`${A}/a/x`, `${A}/b/c`], [`${A}/c/x`, `${A}/ab/x`]],
    [`${A}/{,de/}{x,y*}`, [`${A}/x`, `${A}/de/x`, `${A}/de/yes`], [`${A}/de/`]],
    [`${A}/{a{1,2},b}c`, [`${A}/a1c`, `${A}/a2c`, `${A}/bc`], [`${A}/ac`]],
    [`${A}/p[0-9][0-9a-f]`, [`${A}/p1a`, `${A}/p99`], [`${A}/pa1`, `${A}/p1`, `${A}/p1g`]],
    [`${A}/p[0-9]`, [`${A}/p7`], [`${A}/p[0-9]x`]],
    // In the form of URLs, however it is written.
    [`${A}/größe/**`, [`${A}/größe/a`, `${A}/gr%C3%B6%C3%9Fe/a`], [`${A}/grosse/a`]],
    [`${A}/gr%c3%b6%c3%9fe/**`, [`${A}/größe/a`], []],
    [`${A}/c d/**`, [`${A}/c%20d/a`], [`${A}/cd/a`]],
    [`${A}/%7Ejoe`, [`${A}/~joe`], []],
    [`${A}/it's?q=it's`, [`${A}/it's?q=it's`], []],
    [`${A}/a%2Fb`, [`${A}/a%2fb`], [`${A}/a/b`]],
    ['HTTPS://A.Example:443/x', [`${A}/x`], []],
    ['https://müller.example/**', ['https://müller.example/x'], ['https://muller.example/x']],
    ['https://*.müller.example/**', ['https://shop.müller.example/x'], []],
    ['*://a.example/x', [`${A}/x`, 'http://a.example/x'], []],
    [A, [`${A}/`], [`${A}/x`]],
    ['https://*.example', [`${A}/`], [`${A}/x`]],
  ])('%s', (pattern, yes, no) => {
    const matches = compileUrlPattern(pattern);
    const at = (url: string) => matches(normaliseUrl(url)?.href ?? 'no URL');
    expect([...yes, ...no].map((url) => [url, at(url)])).toEqual([
      ...yes.map((url) => [url, true]),
      ...no.map((url) => [url, false]),
    ]);
  });

  it('without a special character matches itself alone, and with a star what a plain regular expression does', () => {
    const piece = fc.constantFrom('a', 'b', '/', '*', '**', '.', '(', '?');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.stringMatching(/^[ab/.(?]{0,10}$/), (pieces, url) => {
        const pattern = pieces.join('');
        fc.pre(!pattern.includes('/**/') && !pattern.startsWith('**/'));
        const expression = pattern
          .replace(/[.(?]/g, '\\$&')
          .replace(/\*+/g, (stars) => (stars.length > 1 ? '[^]*' : '[^/]*'));
        expect(compileUrlPattern(pattern)(url)).toBe(new RegExp(`^${expression}$`).test(url));
      }),
    );
  });

  it('takes no long time, whatever it is made of', () => {
    const hostile = `${A}/${'a'.repeat(2_000)}`;
    for (const pattern of [
      '**a'.repeat(170),
      '*a'.repeat(250),
      '{a,aa}'.repeat(85),
      '{'.repeat(512),
      '{{a,b},{a,b}}'.repeat(39),
    ]) {
      expect(typeof compileUrlPattern(pattern)(hostile)).toBe('boolean');
    }
  });
});
