// How long a failed page waits for its next try.

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 5 * 60_000;
/** What a host may ask for by Retry-After; more is taken as this. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/**
 * Milliseconds before try `attempt + 1`: doubling from one second up to five minutes, of which a random half is left
 * out, so that pages which failed together do not come back together.
 */
export function backOffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(full * (0.5 + random() / 2));
}

/**
 * Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3), an hour at most; undefined when it says nothing that can
 * be read. Some servers send fractions of seconds, or name the unit; of several values the longest counts.
 */
export function retryAfterMs(header: string | readonly string[] | undefined, now: number): number | undefined {
  const written = header === undefined || typeof header === 'string' ? [header ?? ''] : header;
  const delays = written.flatMap((text) => delayOf(text, now) ?? text.split(',').map((part) => delayOf(part, now)));
  const longest = Math.max(...delays.filter((delay) => delay !== undefined));
  return longest < 0 ? undefined : Math.min(longest, MAX_RETRY_AFTER_MS);
}

function delayOf(written: string, now: number): number | undefined {
  const text = written.trim();
  const seconds = /^(\d+(?:\.\d*)?|\.\d+)\s*(?:s|secs?|seconds?)?$/i.exec(text)?.[1];
  if (seconds !== undefined) return Math.ceil(Number(seconds) * 1_000);
  const date = httpDate(text, now);
  return date === undefined ? undefined : Math.max(date - now, 0);
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const TIME = String.raw`(\d\d):(\d\d):(\d\d)`;
/** RFC 9110, 5.6.7: the form of today and that of RFC 850, and the one of C's asctime. */
const DAY_FIRST = new RegExp(
  String.raw`^[a-z]+,? (\d\d?)[ -]([a-z]{3})[a-z]*[ -](\d{4}|\d\d) ${TIME}(?: (?:GMT|UTC?|\+0000))?$`,
  'i',
);
const MONTH_FIRST = new RegExp(String.raw`^[a-z]{3} ([a-z]{3}) +(\d\d?) ${TIME} (\d{4})$`, 'i');
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/i;

/** Milliseconds since 1970. Times without a zone are in UTC, wherever the worker runs. */
function httpDate(text: string, now: number): number | undefined {
  if (ISO.test(text)) return valid(Date.parse(text));
  const dayFirst = DAY_FIRST.exec(text);
  if (dayFirst !== null) {
    const [, day = '', month = '', year = '', ...time] = dayFirst;
    return utc(year.length === 2 ? fullYear(Number(year), now) : Number(year), month, day, time);
  }
  const [, month = '', day = '', hours = '', minutes = '', seconds = '', year = ''] = MONTH_FIRST.exec(text) ?? [];
  return utc(Number(year), month, day, [hours, minutes, seconds]);
}

/** Of two digits: what would be more than 50 years ahead is past. */
function fullYear(year: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const near = thisYear - (thisYear % 100) + year;
  return near > thisYear + 50 ? near - 100 : near;
}

function utc(
  year: number,
  month: string,
  day: string,
  [hours, minutes, seconds]: readonly string[],
): number | undefined {
  const index = MONTHS.indexOf(month.toLowerCase());
  return index < 0
    ? undefined
    : valid(Date.UTC(year, index, Number(day), Number(hours), Number(minutes), Number(seconds)));
}

function valid(time: number): number | undefined {
  return Number.isNaN(time) ? undefined : time;
}
