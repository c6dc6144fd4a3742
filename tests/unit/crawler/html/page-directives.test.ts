// What pages say to crawlers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { directivesOf } from '#src/crawler/html/page-directives.ts';

const NOTHING = { noindex: false, nofollow: false };

describe('robots rules of a page', () => {
  it.each([
    [[['robots', 'noindex']], undefined, { noindex: true, nofollow: false }],
    [[['ROBOTS', 'NoIndex,NOFOLLOW']], undefined, { noindex: true, nofollow: true }],
    [[['robots', 'none']], undefined, { noindex: true, nofollow: true }],
    [[['robots', 'index, follow, noarchive']], undefined, NOTHING],
    [[['trawler', 'nofollow']], undefined, { noindex: false, nofollow: true }],
    [[['otherbot', 'noindex']], undefined, NOTHING],
    [
      [
        ['robots', 'noindex'],
        ['trawler', 'index'],
      ],
      undefined,
      { noindex: true, nofollow: false },
    ],
    [[['description', 'noindex']], undefined, NOTHING],
    [[], 'noindex', { noindex: true, nofollow: false }],
    [[], 'noarchive, nofollow', { noindex: false, nofollow: true }],
    [[], 'otherbot: noindex, nofollow', NOTHING],
    [[], 'otherbot: noindex, trawler: nofollow', { noindex: false, nofollow: true }],
    [[], 'Trawler: none', { noindex: true, nofollow: true }],
    [[], 'unavailable_after: 25 Jun 2030 15:00:00 PST, noindex', { noindex: true, nofollow: false }],
    [[], 'max-snippet: 20, nofollow', { noindex: false, nofollow: true }],
    // Several headers: a rule for another crawler says nothing of the next header.
    [[], ['otherbot: nofollow', 'noindex'], { noindex: true, nofollow: false }],
    [[], ['noarchive', 'noindex'], { noindex: true, nofollow: false }],
    [[], ['trawler: noarchive', 'otherbot: none'], NOTHING],
    [[], ['otherbot: none', 'trawler: nofollow', 'noarchive'], { noindex: false, nofollow: true }],
    // Within one header it does, as Google reads it.
    [[], 'otherbot: nofollow, noindex', NOTHING],
    [[], 'trawler: noarchive, otherbot: noindex, robots: nofollow', { noindex: false, nofollow: true }],
    [[], 'noindex nofollow', { noindex: true, nofollow: true }],
    [[['robots', 'noindex; nofollow']], undefined, { noindex: true, nofollow: true }],
    [[], 'unavailable_after: Friday, 25-Jun-30 15:00:00 PST, noindex', { noindex: true, nofollow: false }],
  ] as [[string, string][], string | string[] | undefined, object][])(
    '%j and the header %j',
    (meta, header, expected) => {
      expect(directivesOf(meta, header === undefined ? [] : [header].flat(), 'trawler')).toEqual(expected);
    },
  );

  it('never fail, whatever is written there', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string())), fc.array(fc.string()), (meta, header) => {
        expect(Object.keys(directivesOf(meta, header, 'trawler'))).toEqual(['noindex', 'nofollow']);
      }),
    );
  });
});
