// Link headers of pages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerLinks } from '#src/crawler/html/link-header.ts';

describe('the Link header', () => {
  it.each<[headers: string[], links: [target: string, ...relations: string[]][]]>([
    [['</c>; rel="canonical"'], [['/c', 'canonical']]],
    [['</c>;rel=canonical'], [['/c', 'canonical']]],
    [['</c> ; REL = "Canonical Next"'], [['/c', 'canonical', 'next']]],
    [
      ['</a>; rel=prev, </b>; rel=next'],
      [
        ['/a', 'prev'],
        ['/b', 'next'],
      ],
    ],
    [
      ['</a>; rel=prev', '</b>; rel=next'],
      [
        ['/a', 'prev'],
        ['/b', 'next'],
      ],
    ],
    [['</a,b;c>; title="x, <y>; rel=next"; rel=canonical'], [['/a,b;c', 'canonical']]],
    [['</a>; rel="canonical"; rel="next"'], [['/a', 'canonical']]],
    [['</a>; crossorigin; rel=preload'], [['/a', 'preload']]],
    [[String.raw`</a>; title="a \"b\" c"; rel=next`], [['/a', 'next']]],
    [['</a>'], [['/a']]],
    [['</a>; rel=canonical; anchor="/other"'], []],
    [['/a; rel=canonical'], []],
    [[', ,</a>;rel=x'], [['/a', 'x']]],
    [[], []],
  ])('%j', (headers, links) => {
    expect(headerLinks(headers)).toEqual(links.map(([target, ...relations]) => ({ target, relations })));
  });

  it('is read whatever it holds, and quickly', () => {
    const piece = fc.constantFrom('<', '>', ';', ',', '"', '\\', ' ', 'rel', '=', 'a');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        expect(headerLinks([pieces.join('')]).length).toBeLessThanOrEqual(100);
      }),
    );
  });
});
