// Spider traps: what is noticed, and what is left in peace. That real sites are is in url-schemes.test.ts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf, combinationsOf, createTrapDetector, repeatingPath } from '#src/crawler/discovery/spider-traps.ts';

const at = (path: string) => new URL(path, 'http://a.example');
const NOW = () => new Date('2026-11-22T00:00:00Z');

/** The kinds of traps seen when each URL is found, and then read with a text. */
function walk(
  paths: readonly string[],
  textOf: (path: string) => string | undefined,
  { maxVariants = 10, leadsOn = false } = {},
) {
  const detector = createTrapDetector(maxVariants, NOW);
  return paths.map((path) => {
    const trap = detector.trapOf(at(path));
    const text = textOf(path);
    if (trap === undefined && text !== undefined) detector.read(at(path), text, leadsOn);
    return trap?.kind;
  });
}

const nothingRead = () => undefined;
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
const months = (from: number, count: number) =>
  numbers(count).map((n) => `/calendar/${from + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, '0')}`);

describe('paths that repeat themselves', () => {
  it.each([
    '/a/a/a',
    '/more/more/more/',
    '/a/a/a/a/page',
    '/a/b/a/b/a/b',
    '/x/a/b/a/b/a/b/y',
    '/a/1/a/1/a/1/',
    '/en/docs/en/docs/en/docs',
    '/a////',
    '/a////b',
  ])('%s', (path) => {
    expect(repeatingPath(at(path))).toMatch(/^a\.example\/…\/.+\/…$/);
  });

  it.each([
    '/',
    '/a/a',
    '/a/b/a/b',
    '/a/b/a/b/a',
    '/2011/11/11/11',
    '/a/b/c/a/b/c/d',
    '/aa/a/aaa',
    '/f/f/f/fff0.html',
    '/src/org/org/org/Class.html',
    '/a//b//c//d',
    '/web/2010/http:///c/x',
  ])('not %s', (path) => {
    expect(repeatingPath(at(path))).toBeUndefined();
  });

  it('are found wherever they are, whatever is around them', () => {
    const segment = fc.stringMatching(/^[a-z]{1,3}$/);
    const segments = fc.array(segment, { maxLength: 5 });
    const period = fc.array(segment, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(segments, period, segments, (before, loop, after) => {
        const path = [...before, ...loop, ...loop, ...loop, ...loop, ...after].join('/');
        expect(repeatingPath(at(`/${path}`))).toBeDefined();
      }),
    );
  });
});

describe('calendars', () => {
  it.each([
    ['/calendar/2027-03', 'a.example/calendar/{date}', 2027, true],
    ['/events/2027/03/01/', 'a.example/events/{date}', 2027, true],
    ['/day/2027-03-01.html', 'a.example/day/{date}', 2027, true],
    ['/events?date=2027-03-01&view=list', 'a.example/events?{date}&view=list', 2027, true],
    ['/events?month=3&year=2027', 'a.example/events?{date}', 2027, true],
    ['/events?month=202703', 'a.example/events?{date}', 2027, true],
    ['/x?startDate=2027-03', 'a.example/x?{date}', 2027, true],
    ['/rooms?from=2027-03-01&to=2027-03-08', 'a.example/rooms?{date}', 2027, true],
    ['/parts/2415-10', 'a.example/parts/{date}', 2415, false],
    ['/news/2027/03', 'a.example/news/{date}', 2027, false],
  ])('%s', (path, pattern, year, isOfCalendar) => {
    expect(calendarOf(at(path))).toEqual({ pattern, year, isOfCalendar });
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
    '/index.php?topic=28005',
    '/parts/2415-30',
    '/events?timestamp=28001',
    '/list?date=28005',
    '/list?update=2024-05-01',
  ])('not %s', (path) => {
    expect(calendarOf(at(path))).toBeUndefined();
  });

  it('that go on for years ahead are left at two of them, be they read or not', () => {
    const kinds = walk(months(2026, 600), nothingRead, { maxVariants: 1_000 });
    // Three years that may be, and 24 months more.
    expect(kinds.indexOf('Calendar')).toBe(36 + 24);
    expect(kinds.slice(60).every((kind) => kind === 'Calendar')).toBe(true);
    const read = walk(months(2026, 600), (path) => `Events in ${path}: none`, { maxVariants: 1_000 });
    expect(read.filter((kind) => kind === undefined).length).toBeLessThan(150);
  });

  it('are not a trap as long as their pages say something new', () => {
    const word = (path: string) => path.replace(/\D/g, '').replace(/\d/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
    expect(walk(months(2026, 600), (path) => `A concert of ${word(path)}`)).not.toContain('Calendar');
    expect(walk(months(1900, 600), (path) => `A concert of ${word(path)}`)).not.toContain('Calendar');
    expect(walk(months(1900, 600), () => 'No events', { leadsOn: true })).not.toContain('Calendar');
  });

  it('are one when their pages have come to say the same, in the past as well', () => {
    const kinds = walk(months(1900, 100), () => 'No events');
    expect(kinds.filter((kind) => kind === undefined)).toHaveLength(10);
    expect(kinds.slice(10).every((kind) => kind === 'Calendar')).toBe(true);
  });

  it('are none for a date alone: the agenda of 2030, numbers of parts', () => {
    expect(walk(['/agenda/2030', '/climate/2050', '/events/2030/05'], nothingRead, { maxVariants: 1_000 })).toEqual(
      Array(3).fill(undefined),
    );
    const parts = numbers(5_000).map(
      (n) => `/parts/${2_000 + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, '0')}`,
    );
    expect(walk(parts, nothingRead)).not.toContain('Calendar');
  });
});

describe('combinations of filters', () => {
  const filters = numbers(300).map((n) => `/list?color=${n % 7}&size=${n % 11}&brand=${n % 13}`);

  it('are counted over all names and values of a path', () => {
    expect(combinationsOf(at('/list?a=1&b=2&c=3'))).toBe('a.example/list?…');
    expect(combinationsOf(at('/list?a=1&b=2'))).toBeUndefined();
  });

  it('are a trap when they show the same things in another order', () => {
    const things = ['red shoe', 'blue hat', 'green coat'];
    const kinds = walk(filters, (path) => things.toSorted(() => (path.length % 2) - 0.5).join(', '));
    expect(kinds.filter((kind) => kind === undefined).length).toBeLessThan(20);
    expect(kinds).toContain('Combinations');
  });

  it('are none before they were read, nor while they show new things or lead to them', () => {
    expect(walk(filters, nothingRead)).not.toContain('Combinations');
    expect(walk(filters, () => 'Page', { leadsOn: true })).not.toContain('Combinations');
    const one = filters.map((path) => path.replace(/&brand.*/, ''));
    expect(walk(one, () => 'Page')).not.toContain('Combinations');
  });
});

describe('a page that is read more than once', () => {
  it('does not make its kind look as if it said nothing new', () => {
    const detector = createTrapDetector(10, NOW);
    const shop = numbers(10).map((number) => at(`/shop?a=${number}&b=1&c=1`));
    for (const url of shop) expect(detector.trapOf(url)).toBeUndefined();
    for (const url of [...shop, ...shop]) detector.read(url, `word${'abcdefghij'[shop.indexOf(url)]}x`, false);
    expect(detector.trapOf(at('/shop?a=11&b=1&c=1'))).toBeUndefined();
  });
});

describe('anything at all', () => {
  it('is judged without an exception', () => {
    fc.assert(
      fc.property(fc.array(fc.webUrl({ withQueryParameters: true }), { maxLength: 50 }), fc.string(), (urls, text) => {
        const detector = createTrapDetector(3, NOW);
        for (const url of urls) {
          expect(() => detector.trapOf(new URL(url))).not.toThrow();
          expect(() => detector.read(new URL(url), text, false)).not.toThrow();
        }
      }),
    );
  });
});
