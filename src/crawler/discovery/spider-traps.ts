// Notices URLs that a site generates without end: paths that repeat themselves, calendars, filters in every combination. Real
// sites have URLs of all these shapes, so the shape only makes a URL suspect; the content of its kind of pages decides.
import QuickLRU from 'quick-lru';
import type { SpiderTrap } from '../../gateway/protocol/worker-store.ts';
import { createPatternNews } from './pattern-news.ts';

/** Patterns whose URLs are counted; the one that was seen longest ago is forgotten. */
const MAX_PATTERNS = 1_000;
/** Suspect pages that are known to have been read; the one that was read longest ago is forgotten. */
const MAX_READ = 10_000;
/** Few pages are about what comes later than this. */
const MAX_YEARS_AHEAD = 2;
/** Months or days of a calendar that are looked at beyond that. */
const FAR_DATES = 24;
/** Filters come in combinations; one or two parameters are how most sites name their pages. */
const LEAST_FILTERS = 3;

/** What the URLs of a trap have in common. */
export type Trap = Pick<SpiderTrap, 'kind' | 'pattern'>;

export type TrapDetector = {
  /** The trap that a URL belongs to, if any. To be asked once for each URL that is found. */
  readonly trapOf: (url: URL) => Trap | undefined;
  /**
   * A page was read. A page that is read once more, for a shorter path to it or after a failure, says nothing about its kind.
   * @param text what it says
   * @param leadsOn whether it links to pages that no page before linked to, and that are not of its own kind
   */
  readonly read: (url: URL, text: string, leadsOn: boolean) => void;
  /** Whether both URLs would be of the same kind of suspects. */
  readonly areAlike: (one: URL, other: URL) => boolean;
};

/**
 * A suspect pattern is a trap from the URL on that is one too many, when its pages have come to say nothing new: no word, and
 * no link to anywhere else. Months that are years ahead in what calls itself a calendar are a trap unless they say something new.
 * @param maxVariants URLs of one pattern that are taken for pages whatever they say
 */
export function createTrapDetector(maxVariants: number, now: () => Date = () => new Date()): TrapDetector {
  const counts = new QuickLRU<string, { urls: number; far: number }>({ maxSize: MAX_PATTERNS });
  const news = createPatternNews(Math.ceil(maxVariants / 4));
  const readPages = new QuickLRU<string, true>({ maxSize: MAX_READ });

  function countOf(pattern: string): { urls: number; far: number } {
    const count = counts.get(pattern) ?? { urls: 0, far: 0 };
    counts.set(pattern, count);
    return count;
  }

  function isOneTooMany(pattern: string): boolean {
    const count = countOf(pattern);
    count.urls++;
    return count.urls > maxVariants && news.areOver(pattern);
  }

  function isTooFarAhead({ pattern, year, isOfCalendar }: Calendar): boolean {
    if (!isOfCalendar || year <= now().getUTCFullYear() + MAX_YEARS_AHEAD) return false;
    const count = countOf(pattern);
    count.far++;
    return count.far > Math.min(FAR_DATES, maxVariants) && !news.areComing(pattern);
  }

  return {
    trapOf(url) {
      const repeating = repeatingPath(url);
      if (repeating !== undefined) return { kind: 'RepeatingPath', pattern: repeating };
      const calendar = calendarOf(url);
      if (calendar !== undefined) {
        const { pattern } = calendar;
        // Both are counted.
        const reasons = [isOneTooMany(pattern), isTooFarAhead(calendar)];
        return reasons.includes(true) ? { kind: 'Calendar', pattern } : undefined;
      }
      const combinations = combinationsOf(url);
      if (combinations === undefined || !isOneTooMany(combinations)) return undefined;
      return { kind: 'Combinations', pattern: combinations };
    },
    read(url, text, leadsOn) {
      const pattern = suspectOf(url);
      if (pattern === undefined) return;
      const { urls = 0, far = 0 } = counts.get(pattern) ?? {};
      // Of the few that need it: what pages say takes memory.
      if ((urls <= maxVariants / 2 && far === 0) || readPages.has(url.href)) return;
      readPages.set(url.href, true);
      news.add(pattern, text, leadsOn);
    },
    areAlike(one, other) {
      const pattern = suspectOf(one);
      return pattern !== undefined && pattern === suspectOf(other);
    },
  };
}

function suspectOf(url: URL): string | undefined {
  return calendarOf(url)?.pattern ?? combinationsOf(url);
}

/**
 * What a path repeats three times on end: `/a/b/a/b/a/b`, as relative links of a page that answers under every path make
 * it. Numbers alone may repeat: `/11/11/11` can be a date. So may one name with something else behind it, up to three times:
 * `/f/f/f/fff0.html` lies in folders by the beginning of its name, and `/org/org/org/Class.html` in a package. Segments without
 * a name repeat as others do: `.//` leads from `/a/` to `/a//`, and on.
 */
export function repeatingPath({ host, pathname }: URL): string | undefined {
  if (pathname.includes('////')) return `${host}/…///…`;
  const segments = pathname.split('/').filter((segment) => segment !== '');
  for (let length = 1; 3 * length <= segments.length; length++) {
    // How many segments on end are the same as the one `length` before.
    let same = 0;
    for (let index = length; index < segments.length; index++) {
      same = segments[index] === segments[index - length] ? same + 1 : 0;
      const period = segments.slice(index - length + 1, index + 1);
      if (same < 2 * length || period.every((segment) => /^\d+$/.test(segment))) continue;
      const mayBeFolders = length === 1 && same === 2 && index < segments.length - 1;
      if (!mayBeFolders) return `${host}/…/${period.join('/')}/…`;
    }
  }
  return undefined;
}

const YEAR = '((?:1[89]|2[0-9])\\d\\d)';
const MONTH = '(?:0[1-9]|1[0-2])';
const DAY = '(?:0[1-9]|[12]\\d|3[01])';
/** With dashes, or as six or eight digits. */
const DATE = new RegExp(`^${YEAR}(?:-(?:0?[1-9]|1[0-2])(?:-(?:0?[1-9]|${DAY}))?|${MONTH}(?:${DAY})?)$`);
const DATE_AT_END = new RegExp(
  `/${YEAR}(?:/(?:0?[1-9]|1[0-2])(?:/(?:0?[1-9]|${DAY}))?|-${MONTH}(?:-${DAY})?)(?:\\.\\w+)?/?$`,
);
const YEAR_NAME = /^(y|yr|year)$/i;
const PART_NAME = /^(m|mon|month|w|week|d|day)$/i;
/** Words that are whole: `topic` has nothing to do with `to`. */
const CALENDAR_WORD =
  /(?<![a-z])(calendars?|kalender|calendrier|calendario|calendar-view|events?|agenda|schedule|months?|weeks?|days?)(?![a-z])/i;
const DATE_NAME =
  /(?<![a-z])(date|day|month|week|year|time|start|end|from|to|until|since|begin)(?![a-z])|(Date|Day|Month|Week|Year)(?![a-z])/;

export type Calendar = {
  /** What URLs have in common that differ by a date alone. */
  readonly pattern: string;
  readonly year: number;
  /** Whether the URL says so itself: `/1999/12` may be numbers of other things. */
  readonly isOfCalendar: boolean;
};

/** What a URL says of a date, where that is the last thing it says. */
export function calendarOf(url: URL): Calendar | undefined {
  const inPath = DATE_AT_END.exec(url.pathname);
  const folder = url.pathname.slice(0, inPath?.index);
  const path = inPath === null ? folder : `${folder}/{date}`;
  let year = inPath?.[1];
  let isNamed = CALENDAR_WORD.test(folder);
  const others: string[] = [];
  for (const [name, value] of url.searchParams) {
    const date = YEAR_NAME.test(name) ? new RegExp(`^${YEAR}$`).exec(value) : dateOf(name, value);
    if (date !== null) {
      year ??= date[1];
      isNamed = true;
    } else if (!PART_NAME.test(name)) others.push(`${name}=${value}`);
  }
  if (year === undefined) return undefined;
  const query = ['{date}', ...others.sort()].join('&');
  const pattern = `${url.host}${path}${url.search === '' ? '' : `?${query}`}`;
  return { pattern, year: Number(year), isOfCalendar: isNamed };
}

function dateOf(name: string, value: string): RegExpExecArray | null {
  return DATE_NAME.test(name) ? DATE.exec(value) : null;
}

/** The path of a URL with so many parameters that they may well be filters. */
export function combinationsOf(url: URL): string | undefined {
  if (url.search === '') return undefined;
  return url.search.split('&').length >= LEAST_FILTERS ? `${url.host}${url.pathname}?…` : undefined;
}
