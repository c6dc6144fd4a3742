// Dates as people write them, in ISO 8601. Only what is surely a date is one: `yesterday` depends on when it is read.
import { cached, type Locale, type LocaleSource, noLocale } from './locales.ts';
import { plainText } from './numbers.ts';

type Day = { readonly year: number; readonly month: number; readonly day?: number };

/** A date in a text, and where it ends: a time may follow. */
type Found = Day & { readonly end: number };

/**
 * The first date of a text: `2024-03-12`, with its time `2024-03-12T10:15:00`, with a zone where one is written
 * (`…+01:00`, `…Z`), and `2024-03` or `2024` where the text has no more. Null without a date, or when only a locale could
 * tell the day from the month (`03/04/2024`) and none is known.
 */
export function readDate(text: string, source: LocaleSource = noLocale): string | null {
  const plain = withPlainYear(plainText(text));
  const named = folded(plain);
  const isoDate = yearFirst(plain);
  if (isoDate !== undefined) return dateText(isoDate, plain);
  const locale = source();
  const found = byOrder(plain, locale);
  if (found !== undefined) return dateText(found, plain);
  const byItsMonth = byName(named, locale);
  if (byItsMonth !== undefined) return dateText(byItsMonth, named);
  if (/^(?:1\d|2[01])\d{2}$/.test(plain)) return plain;
  return timestamp(plain);
}

/**
 * The year in four digits, behind its day: C and the first version of HTTP's dates have it behind the time
 * (`Mon Apr 20 20:05:30 +0000 2009`; RFC 9110, 5.6.7), and beside the name of a month two digits may be a year
 * (`6 Mar '23`, `06-MAR-23`).
 */
function withPlainYear(text: string): string {
  return text
    .replace(YEAR_BEHIND_TIME, '$<day> $<year> $<time>')
    .replace(SHORT_YEAR, (_, before: string, year: string) => `${before} ${fullYear(Number(year))}`);
}

const YEAR_BEHIND_TIME =
  /(?<day>\p{L}{3,} {1,2}\d{1,2}),? (?<time>\d{1,2}:\d{2}:\d{2}(?: ?(?:Z|UTC|GMT|[ECMP][SD]T)\b)?(?: ?[+-]\d{2}:?\d{2})?),? (?<year>\d{4})(?!\d)/u;
const SHORT_YEAR = /((?<!\d)\d{1,2}-\p{L}{3,}(?=-)|\p{L}{3,}\.?(?: \d{1,2},?)?(?= ?'))(?:-| ?')(\d{2})(?![\d:])/u;

/** Two digits are of the hundred years from 1969 on, as POSIX has it (strptime, %y). */
function fullYear(year: number): number {
  return year + (year < 69 ? 2_000 : 1_900);
}

function dateText(found: Found, text: string): string | null {
  if (!isDay(found)) return null;
  return found.day === undefined ? dayText(found) : `${dayText(found)}${timeText(text, found.end)}`;
}

/** Seconds or milliseconds since 1970, from 2001 on: what attributes of scripts hold. */
function timestamp(text: string): string | null {
  if (!/^1\d{9}(?:\d{3})?$/.test(text)) return null;
  const time = new Date(Number(text) * (text.length === 10 ? 1_000 : 1));
  return time.toISOString().replace('.000Z', 'Z');
}

/** ISO 8601, and what East Asia writes: `2024/3/12`, `2024年3月12日`, `2024년 3월 12일`. */
function yearFirst(text: string): Found | undefined {
  const found =
    /(?<!\d)(\d{4})([-/.] ?)(\d{1,2})\2(\d{1,2})(?!\d|[-/.]\d)/.exec(text) ??
    /(?<!\d)(\d{4}) ?([年년]) ?(\d{1,2}) ?[月월](?: ?(\d{1,2}) ?[日일號号]?)?/.exec(text) ??
    /^(\d{4})()(\d{2})(\d{2})(?=T\d|$)/.exec(text) ??
    // A time stamp of fourteen digits; other numbers as long are no valid time.
    /^((?:19|20)\d{2})()(\d{2})(\d{2})(?=(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:Z|[+-]\d{4})?$)/.exec(text) ??
    /^(\d{4})(-)(\d{2})()$/.exec(text);
  if (found === null) return undefined;
  const [written, year, , month, day] = found;
  return {
    year: Number(year),
    month: Number(month),
    ...(day ? { day: Number(day) } : {}),
    end: found.index + written.length,
  };
}

/** With the name of the month, in the language of the locale or in English: `12. März 2024`, `March 12th, 2024`. */
function byName(text: string, locale: Locale | undefined): Found | undefined {
  const { months, names, links } = calendarOf(locale?.tag ?? 'en');
  for (const name of text.matchAll(names)) {
    const end = name.index + name[0].length;
    const month = months.get(name[1] ?? '') ?? 0;
    const [near, far] = numbersOutside(text.slice(0, name.index), NUMBER_BEFORE, links);
    const [next, later] = numbersOutside(text.slice(end), NUMBER_AFTER, links);
    if (near?.isDay && next?.isYear) return found(next, near, next.length);
    if (near?.isDay && far?.isYear) return found(far, near, 0);
    if (near?.isYear && next?.isDay) return found(near, next, next.length);
    if (next?.isDay && later?.isYear) return found(later, next, later.length);
    if (next?.isYear && near === undefined) return found(next, undefined, next.length);
    if (near?.isYear) return found(near, undefined, 0);

    function found(year: Outside, day: Outside | undefined, length: number): Found {
      return { year: gregorian(year.value, locale), month, ...(day && { day: day.value }), end: end + length };
    }
  }
  return undefined;
}

/** A number beside the name of a month; `length` up to its end, from the name. */
type Outside = { readonly value: number; readonly isDay: boolean; readonly isYear: boolean; readonly length: number };

const NUMBER_BEFORE = /(?<number>\d+)(?<gap>\D{0,14})$/;
const NUMBER_AFTER = /^(?<gap>\D{0,14})(?<number>\d+)(?![:\d])/;

/** The two next numbers, as far as only marks and words that link dates stand between. */
function numbersOutside(text: string, pattern: RegExp, links: ReadonlySet<string>): Outside[] {
  const numbers: Outside[] = [];
  for (let rest = text, length = 0; numbers.length < 2; ) {
    const found = pattern.exec(rest);
    const { number = '', gap = '' } = found?.groups ?? {};
    if (found === null || (gap.match(WORDS) ?? []).some((word) => !links.has(word))) break;
    length += found[0].length;
    rest = pattern === NUMBER_BEFORE ? rest.slice(0, found.index) : rest.slice(found[0].length);
    numbers.push({ value: Number(number), isDay: number.length <= 2, isYear: number.length === 4, length });
  }
  return numbers;
}

const WORDS = /\p{L}[\p{L}\p{M}]*/gu;

/** Digits alone, the year last. The locale tells whether the month goes first; a point is no mark where it does. */
function byOrder(text: string, locale: Locale | undefined): Found | undefined {
  const found = /(?<!\d|\d[./-])(\d{1,2})( ?[./-] ?)(\d{1,2})\2(\d{4}|\d{2})(?!\d|[./-]\d)/.exec(text);
  if (found === null) return undefined;
  const [written, first = '', mark = '', second = '', last = ''] = found;
  const end = found.index + written.length;
  if (last.length === 2 && locale === undefined) return undefined;
  const year = last.length === 4 ? gregorian(Number(last), locale) : fullYear(Number(last));
  const [a, b] = [Number(first), Number(second)];
  if (a > 12 || a === b) return { year, month: b, day: a, end };
  if (b > 12) return { year, month: a, day: b, end };
  if (mark.trim() === '.') return { year, month: b, day: a, end };
  if (locale === undefined) return undefined;
  return isMonthFirst(locale.tag) ? { year, month: a, day: b, end } : { year, month: b, day: a, end };
}

/** Thailand counts from 543 years before. */
function gregorian(year: number, locale: Locale | undefined): number {
  return year > 2_400 && locale?.tag.split('-', 1)[0] === 'th' ? year - 543 : year;
}

function isDay({ year, month, day = 1 }: Day): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return year >= 1_000 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function dayText({ year, month, day }: Day): string {
  return [year, month, ...(day === undefined ? [] : [day])].map((part) => String(part).padStart(2, '0')).join('-');
}

/** The time that follows the date; without a zone it is that of wherever the page is. */
function timeText(text: string, end: number): string {
  const behind = text.slice(end);
  for (const pattern of TIMES) {
    const { groups } = pattern.exec(behind) ?? {};
    if (groups === undefined) continue;
    const { hours = '', minutes = '00', seconds = '00', fraction = '', half, zone, offset } = groups;
    const hour = half === undefined ? Number(hours) : (Number(hours) % 12) + (half.toLowerCase() === 'p' ? 12 : 0);
    if (hour > 23 || Number(minutes) > 59 || Number(seconds) > 59) return '';
    const time = `${String(hour).padStart(2, '0')}:${minutes}:${seconds}${fraction.replace(',', '.')}`;
    return `T${time}${zoneText(zone, offset)}`;
  }
  return '';
}

/** What may stand between a date and its time, and what behind that. */
const BEFORE_TIME = String.raw`^[.T ,،•·|@–-]{0,4}(?:\p{L}{1,6}[.,]{0,2} ){0,2}(?<hours>\d{1,2})`;
const HALF = String.raw` ?(?<half>[ap])\.?m\b\.?`;
const ZONE = String.raw`(?: ?(?<zone>Z|UTC|GMT|[ECMP][SD]T)?\b ?(?<offset>[+−-]\d{2}:?\d{2})?)?`;

const TIMES: readonly RegExp[] = [
  new RegExp(
    String.raw`${BEFORE_TIME}[:h](?<minutes>\d{2})(?::(?<seconds>\d{2}))?(?<fraction>[.,]\d{1,9})?(?!\d)(?:${HALF})?${ZONE}`,
    'iu',
  ),
  // `5 p.m.`, `9.30am`: the half of the day tells that it is a time.
  new RegExp(String.raw`${BEFORE_TIME}(?:\.(?<minutes>\d{2}))?${HALF}${ZONE}`, 'iu'),
  // `9.30 Uhr`
  new RegExp(String.raw`${BEFORE_TIME}\.(?<minutes>\d{2}) ?(?:uhr|klo)\b`, 'iu'),
  /^T?(?<hours>\d{2})(?<minutes>\d{2})(?<seconds>\d{2})(?<zone>Z)?(?<offset>[+-]\d{4})?/,
];

/** The zones of North America that RFC 5322, 4.3, names for dates. */
const ZONES: Readonly<Record<string, string>> = {
  ...{ Z: 'Z', UTC: 'Z', GMT: 'Z', EST: '-05:00', EDT: '-04:00', CST: '-06:00', CDT: '-05:00' },
  ...{ MST: '-07:00', MDT: '-06:00', PST: '-08:00', PDT: '-07:00' },
};

function zoneText(zone: string | undefined, offset: string | undefined): string {
  if (offset !== undefined && offset !== '') return offset.replace('−', '-').replace(/^(.\d{2}):?(\d{2})$/, '$1:$2');
  return zone === undefined ? '' : (ZONES[zone.toUpperCase()] ?? '');
}

function isMonthFirst(tag: string): boolean {
  return cached(orders, tag, () => {
    const parts = new Intl.DateTimeFormat(tag, {
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      calendar: 'gregory',
    });
    const order = parts.formatToParts(0).map(({ type }) => type);
    return order.indexOf('month') < order.indexOf('day');
  });
}

const orders = new Map<string, boolean>();

/** How a language writes dates: the names of its months, a pattern of them, and the words that link the parts of a date. */
type Calendar = {
  readonly months: ReadonlyMap<string, number>;
  readonly names: RegExp;
  readonly links: ReadonlySet<string>;
};

const calendars = new Map<string, Calendar>();

/** By CLDR: long and short names, in a date and alone; those of English where the language has no such name. */
function calendarOf(tag: string): Calendar {
  return cached(calendars, tag, () => {
    const months = new Map<string, number>();
    const links = new Set(LINKS);
    for (const locale of new Set([tag, 'en'])) {
      for (const options of DATE_FORMATS) {
        const format = new Intl.DateTimeFormat(locale, { ...options, calendar: 'gregory', timeZone: 'UTC' });
        for (let month = 1; month <= 12; month++) {
          for (const { type, value } of format.formatToParts(Date.UTC(2024, month - 1, 12))) {
            const text = folded(plainText(value)).replace(/\.$/, '');
            if (type === 'month' && /\p{L}/u.test(text) && !months.has(text)) months.set(text, month);
            if (type === 'literal') for (const word of text.match(WORDS) ?? []) links.add(word);
          }
        }
      }
    }
    if (!months.has('sept')) months.set('sept', 9);
    const alternatives = [...months.keys()]
      .sort((a, b) => b.length - a.length)
      .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    // In Hebrew the word for "in" is a letter before the name.
    const names = new RegExp(`(?<![\\p{L}\\p{M}])ב?(${alternatives.join('|')})(?![\\p{L}\\p{M}\\d])`, 'gu');
    return { months, names, links };
  });
}

const DATE_FORMATS: readonly Intl.DateTimeFormatOptions[] = [
  { year: 'numeric', month: 'long', day: 'numeric' },
  { year: 'numeric', month: 'short', day: 'numeric' },
  { year: 'numeric', month: 'long' },
  { month: 'long' },
  { month: 'short' },
];

/** Endings of ordinal numbers, and links that people write and CLDR does not have. */
const LINKS = ['st', 'nd', 'rd', 'th', 'of', 'the', 'er', 're', 'º', 'ª', 'го', 'de', 'del', 'da', 'di', 'den', 'le'];

/** Without case and accents: people leave both out. Vowels of Indian scripts are no accents. */
function folded(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
}
