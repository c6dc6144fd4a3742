// Notices URLs that a site makes up without end: paths that repeat themselves, calendars, filters in every combination.

import type { SpiderTrap } from '../../store/worker-store.ts';

/** Patterns whose URLs are counted; the one that was seen longest ago is forgotten. */
const MAX_PATTERNS = 1_000;
/** Pages about what comes later than this are made up. */
const MAX_YEARS_AHEAD = 2;
/** Filters come in combinations; one or two parameters are how many sites name their pages. */
const LEAST_FILTERS = 3;

/** What the URLs of a trap have in common. */
export type Trap = Pick<SpiderTrap, 'kind' | 'pattern'>;

export type TrapDetector = (url: URL) => Trap | undefined;

/**
 * The trap that a URL belongs to, if any. To be asked once for each URL: calendars and combinations are traps from the
 * URL on that is one too many.
 * @param maxVariants URLs of one pattern that are still taken for pages
 */
export function createTrapDetector(maxVariants: number, now: () => Date = () => new Date()): TrapDetector {
  const taken = new Map<string, number>();

  function isOneTooMany(pattern: string): boolean {
    const count = (taken.get(pattern) ?? 0) + 1;
    taken.delete(pattern);
    taken.set(pattern, Math.min(count, maxVariants + 1));
    const [oldest] = taken.keys();
    if (taken.size > MAX_PATTERNS && oldest !== undefined) taken.delete(oldest);
    return count > maxVariants;
  }

  return (url) => {
    const repeating = repeatingPath(url);
    if (repeating !== undefined) return { kind: 'RepeatingPath', pattern: repeating };
    const calendar = calendarOf(url);
    if (calendar !== undefined) {
      const { year, isCertain, pattern } = calendar;
      const isFarAhead = isCertain && year > now().getUTCFullYear() + MAX_YEARS_AHEAD;
      if (isFarAhead || isOneTooMany(pattern)) return { kind: 'Calendar', pattern };
    }
    const combinations = combinationsOf(url);
    if (combinations === undefined || !isOneTooMany(combinations)) return undefined;
    return { kind: 'Combinations', pattern: combinations };
  };
}

/**
 * What a path repeats three times on end: `/a/b/a/b/a/b`, as relative links of a page that answers under every path make
 * it. Numbers alone may repeat: `/11/11/11` can be a date.
 */
export function repeatingPath({ host, pathname }: URL): string | undefined {
  const segments = pathname.split('/').filter((segment) => segment !== '');
  for (let length = 1; 3 * length <= segments.length; length++) {
    // How many segments on end are the same as the one `length` before.
    let same = 0;
    for (let index = length; index < segments.length; index++) {
      same = segments[index] === segments[index - length] ? same + 1 : 0;
      const period = segments.slice(index - length + 1, index + 1);
      if (same === 2 * length && period.some((segment) => !/^\d+$/.test(segment)))
        return `${host}/…/${period.join('/')}/…`;
    }
  }
  return undefined;
}

const YEAR = '((?:1[89]|2[0-9])\\d\\d)';
const DATE = new RegExp(`^${YEAR}-?(?:0?[1-9]|1[0-2])(?:-?(?:0?[1-9]|[12]\\d|3[01]))?$`);
const DATE_AT_END = new RegExp(
  `/${YEAR}(?:/(?:0?[1-9]|1[0-2])(?:/(?:0?[1-9]|[12]\\d|3[01]))?|-\\d\\d(?:-\\d\\d)?)(?:\\.\\w+)?/?$`,
);
const YEAR_NAME = /^(y|yr|year)$/i;
const PART_NAME = /^(m|mon|month|w|week|d|day)$/i;
const CALENDAR_WORD = /calend|kalend|event|agenda|schedule|date|month|week|day/i;
const DATE_NAME = /date|day|month|week|year|time|start|end|from|to|until/i;

export type Calendar = {
  /** What URLs have in common that differ by a date alone. */
  readonly pattern: string;
  readonly year: number;
  /** Whether it can be nothing but a year: `/1999/12` may be numbers of other things. */
  readonly isCertain: boolean;
};

/** What a URL says of a date, where that is the last thing it says. */
export function calendarOf(url: URL): Calendar | undefined {
  const inPath = DATE_AT_END.exec(url.pathname);
  const folder = url.pathname.slice(0, inPath?.index);
  const path = inPath === null ? folder : `${folder}/{date}`;
  let year = inPath?.[1];
  const isCertain = inPath === null || inPath[0].includes('-') || CALENDAR_WORD.test(folder);
  const others: string[] = [];
  for (const [name, value] of url.searchParams) {
    const date = YEAR_NAME.test(name) ? new RegExp(`^${YEAR}$`).exec(value) : dateOf(name, value);
    if (date !== null) year ??= date[1];
    else if (!PART_NAME.test(name)) others.push(`${name}=${value}`);
  }
  if (year === undefined) return undefined;
  const query = ['{date}', ...others.sort()].join('&');
  return { pattern: `${url.host}${path}${url.search === '' ? '' : `?${query}`}`, year: Number(year), isCertain };
}

/** A value with dashes is a date whatever its name is; digits alone may be anything. */
function dateOf(name: string, value: string): RegExpExecArray | null {
  return value.includes('-') || DATE_NAME.test(name) ? DATE.exec(value) : null;
}

/** The path of a URL with so many parameters that they may well be filters. */
export function combinationsOf(url: URL): string | undefined {
  if (url.search === '') return undefined;
  return url.search.split('&').length >= LEAST_FILTERS ? `${url.host}${url.pathname}?…` : undefined;
}
