// Spider traps: what is noticed, and what is left in peace.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf, combinationsOf, createTrapDetector, repeatingPath } from '#src/crawler/discovery/spider-traps.ts';

const at = (path: string) => new URL(path, 'http://a.example');
const NOW = () => new Date('2026-11-22T00:00:00Z');
const trapsIn = (paths: readonly string[], maxVariants = 10) => {
  const detect = createTrapDetector(maxVariants, NOW);
  return paths.map((path) => detect(at(path))?.kind);
};

describe('paths that repeat themselves', () => {
  it.each(['/a/a/a', '/a/b/a/b/a/b', '/x/a/b/a/b/a/b/y', '/a/1/a/1/a/1/', '/en/docs/en/docs/en/docs'])('%s', (path) => {
    expect(repeatingPath(at(path))).toMatch(/^a\.example\/…\/.+\/…$/);
  });

  it.each(['/', '/a/a', '/a/b/a/b', '/a/b/a/b/a', '/2011/11/11/11', '/a/b/c/a/b/c/d', '/aa/a/aaa'])(
    'not %s',
    (path) => {
      expect(repeatingPath(at(path))).toBeUndefined();
    },
  );

  it('are found wherever they are, whatever is around them', () => {
    const segment = fc.stringMatching(/^[a-z]{1,3}$/);
    const period = fc.array(segment, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(segment, { maxLength: 5 }),
        period,
        fc.array(segment, { maxLength: 5 }),
        (before, loop, after) => {
          const path = [...before, ...loop, ...loop, ...loop, ...after].join('/');
          expect(repeatingPath(at(`/${path}`))).toBeDefined();
        },
      ),
    );
  });
});

describe('calendars', () => {
  it.each([
    ['/calendar/2027-03', 'a.example/calendar/{date}', 2027],
    ['/events/2027/03/01/', 'a.example/events/{date}', 2027],
    ['/day/2027-03-01.html', 'a.example/day/{date}', 2027],
    ['/events?date=2027-03-01&view=list', 'a.example/events?{date}&view=list', 2027],
    ['/events?month=3&year=2027', 'a.example/events?{date}', 2027],
    ['/events?month=202703', 'a.example/events?{date}', 2027],
    ['/rooms?from=2027-03-01&to=2027-03-08', 'a.example/rooms?{date}', 2027],
  ])('%s', (path, pattern, year) => {
    expect(calendarOf(at(path))).toEqual({ pattern, year, isCertain: true });
  });

  it.each([
    '/2024/05/17/an-article',
    '/2024-05-17-an-article',
    '/products/123456',
    '/list?page=2024',
    '/list?id=202405',
    '/a?month=5',
    '/a?ref=2024-x',
    '/1234/5',
  ])('not %s', (path) => {
    expect(calendarOf(at(path))).toBeUndefined();
  });

  it('are followed for two years, and no farther than there are variants', () => {
    expect(trapsIn(['/calendar/2028-12', '/calendar/2029-01', '/calendar/1850-01'])).toEqual([
      undefined,
      'Calendar',
      undefined,
    ]);
    const months = Array.from({ length: 12 }, (_, month) => `/calendar/2026-${String(month + 1).padStart(2, '0')}`);
    expect(trapsIn(months).filter((kind) => kind === 'Calendar')).toHaveLength(2);
  });

  it('are not seen in numbers that may be of anything else', () => {
    expect(trapsIn(['/item/2950/4', '/item/2999/12'])).toEqual([undefined, undefined]);
  });
});

describe('combinations of filters', () => {
  it('are counted over all names and values of a path', () => {
    expect(combinationsOf(at('/list?a=1&b=2&c=3'))).toBe('a.example/list?…');
    expect(combinationsOf(at('/list?a=1&b=2'))).toBeUndefined();
    const paths = Array.from({ length: 30 }, (_, number) => `/list?color=${number}&size=x&brand${number % 3}=y`);
    expect(trapsIn(paths).filter((kind) => kind === 'Combinations')).toHaveLength(20);
    expect(trapsIn(paths.map((path) => path.replace(/&brand.*/, ''))).every((kind) => kind === undefined)).toBe(true);
  });
});

describe('anything at all', () => {
  it('is judged without an exception, and no pattern gives more than its variants', () => {
    fc.assert(
      fc.property(fc.array(fc.webUrl({ withQueryParameters: true }), { maxLength: 50 }), (urls) => {
        const detect = createTrapDetector(3, NOW);
        for (const url of urls) expect(() => detect(new URL(url))).not.toThrow();
      }),
    );
  });
});
