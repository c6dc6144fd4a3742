// Numbers as people write them: separators of thousands and decimals, signs, and the digits of all scripts.
import { decimalMark, type LocaleSource, noLocale } from './locales.ts';

/** A number in a text that `plainText` made. */
export type WrittenNumber = {
  /** Where it stands in the text, without its sign. */
  readonly start: number;
  readonly end: number;
  readonly value: number;
  /** Present when a single mark stands before exactly three digits: what the number is if they are decimals. */
  readonly asDecimal?: { readonly mark: '.' | ','; readonly value: number };
};

/** More of a text is no number that anybody looks for. */
const MAX_TEXT = 1_000;

/**
 * The first number of a text, null without one. The locale decides what `1.234` or `1,234` means; without a
 * locale the three digits are thousands.
 */
export function firstNumber(text: string, locale: LocaleSource = noLocale): number | null {
  const [first] = numbersIn(plainText(text));
  if (first === undefined) return null;
  return amountOf(first, () => {
    const known = locale();
    return known && decimalMark(known.tag);
  });
}

/** @param decimals asks for the mark that stands before decimals, where that is known; only of a number that may have some */
export function amountOf({ value, asDecimal }: WrittenNumber, decimals: () => '.' | ',' | undefined): number {
  return asDecimal !== undefined && asDecimal.mark === decimals() ? asDecimal.value : value;
}

/** One kind of digits, spaces and marks; marks that direct the writing of Arabic and Hebrew are left out. */
export function plainText(text: string): string {
  return text
    .slice(0, MAX_TEXT)
    .replace(/[\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/[^\0-\x7f]/gu, (character) => PLAIN_MARKS[character] ?? plainDigit(character))
    .replace(/(?:(\d) ?)?([¼½¾⅐-⅞])/g, (_, digit: string | undefined, fraction: string) => {
      return `${digit ?? '0'}٫${decimalsOf(fraction)}`;
    })
    .trim();
}

/** The decimals of a fraction that is one character: Unicode has its two numbers around a fraction slash. */
function decimalsOf(fraction: string): string {
  const [above = 0, below = 1] = fraction.normalize('NFKC').split('\u2044').map(Number);
  return (above / below).toFixed(10).replace(/^0\.(\d+?)0*$/, '$1');
}

/** `٫` and `٬` stay: they mean one thing alone. */
const PLAIN_MARKS: Readonly<Record<string, string>> = {
  ...{ '，': ',', '．': '.', '％': '%', '٪': '%', '－': '-', '﹣': '-', '＋': '+', '’': "'", '＇': "'", '：': ':' },
};

/** Unicode has the decimal digits of a script in a row, from zero to nine (The Unicode Standard, 4.6). */
function plainDigit(character: string): string {
  if (!/\p{Nd}/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return String(before % 10);
}

/**
 * Digits with the marks between thousands: a point, a comma, an apostrophe or a space, the same throughout, and in India
 * groups of two before the last one. A mark before the first digit is one of decimals, but not after a letter (`Rs.500`).
 */
const INTEGER = new RegExp(
  [
    /(?<leading>(?<![^\s\p{Sc}(:+−–-])[.,·]{1,2})?/u,
    /(?:(?<grouped>\d{1,3}(?:(?<mark>[.,'٬ ])\d{3})(?:\k<mark>\d{3})*|\d{1,2}(?:,\d{2})+,\d{3})(?!\d)|(?<digits>\d+))/u,
  ]
    .map(({ source }) => source)
    .join(''),
  'gu',
);

/** What may stand beside a number whose decimals are apart from it (`118, 99 TL`), in characters. */
const MAX_BESIDE_APART = 6;

/** The numbers of a text that `plainText` made. Dates, versions and addresses are none. */
export function* numbersIn(text: string): Generator<WrittenNumber> {
  for (let from = 0; from < text.length; ) {
    INTEGER.lastIndex = from;
    const integer = INTEGER.exec(text);
    if (integer === null) return;
    const fraction = fractionAfter(text, integer.index, INTEGER.lastIndex);
    const end = INTEGER.lastIndex + fraction.length;
    const more = /^(?:[.,]?\d)*/.exec(text.slice(end))?.[0].length ?? 0;
    const number = more === 0 ? numberOf(integer, fraction) : undefined;
    from = end + more;
    if (number === undefined) continue;
    yield { start: integer.index, end, ...signed(number, isNegative(text.slice(0, integer.index))) };
  }
}

/** `decimals` is empty where a dash says that there are none. */
type Fraction = { readonly length: number; readonly mark?: string; readonly decimals?: string };

/** The mark of decimals may have a space after it, be left without any (`1.899,-`), or be a sign (`35€99`, `35€ 99`). */
function fractionAfter(text: string, start: number, end: number): Fraction {
  const after = text.slice(end);
  const [plain, mark, decimals] = /^([.,٫·])(\d+)/.exec(after) ?? [];
  if (plain !== undefined)
    return {
      length: plain.length,
      ...(mark === undefined ? {} : { mark }),
      ...(decimals === undefined ? {} : { decimals }),
    };
  if (/^[.,][-–—=]/.test(after)) return { length: 1, decimals: '' };
  const apart = /^[.,] (\d{2})(?!\d|[.,]\d)/.exec(after);
  // A list of numbers looks like that, too, but for one of hundreds and a point at the beginning.
  const isFirst = start === 0 && end >= 3 && after.startsWith('.');
  if (apart?.[1] !== undefined && (isFirst || isNearlyAll(text, start, end + apart[0].length))) {
    return { length: apart[0].length, decimals: apart[1] };
  }
  const bySign = /^ ?\p{Sc}(?:(\d{2,3})(?!\d|[.,]\d| ?[%\p{Sc}])| (\d{2})$)/u.exec(after);
  const cents = bySign?.[1] ?? bySign?.[2];
  if (bySign === null || cents === undefined || text.match(/\p{Sc}/gu)?.length !== 1) return { length: 0 };
  return { length: bySign[0].length, decimals: cents };
}

function isNearlyAll(text: string, start: number, end: number): boolean {
  const beside = `${text.slice(0, start)}${text.slice(end)}`.replace(/\s/g, '');
  return beside.length <= MAX_BESIDE_APART && !/\d/.test(beside);
}

type Unsigned = Pick<WrittenNumber, 'value' | 'asDecimal'>;

/** Undefined for what has marks that do not belong together. */
function numberOf({ groups = {} }: RegExpExecArray, fraction: Fraction): Unsigned | undefined {
  const { leading, grouped, mark, digits = '' } = groups;
  // Before a number with marks of its own it ends a word, or is a slip: `$.750.30`.
  if (leading !== undefined && grouped === undefined && fraction.decimals === undefined) {
    return { value: Number(`0.${digits}`) };
  }
  const whole = (grouped ?? digits).replace(/\D/g, '');
  if (fraction.mark !== undefined && fraction.mark === mark) return undefined;
  if (fraction.decimals !== undefined) return { value: Number(`${whole}.${fraction.decimals}`) };
  if (grouped === undefined || (mark !== '.' && mark !== ',')) return { value: Number(whole) };
  const [before = '', after = '', more] = grouped.split(mark);
  if (more !== undefined) return { value: Number(whole) };
  const decimal = Number(`${before}.${after}`);
  // Nobody writes 0,123 for 123.
  return before.startsWith('0') ? { value: decimal } : { value: Number(whole), asDecimal: { mark, value: decimal } };
}

function signed({ value, asDecimal }: Unsigned, isMinus: boolean): Unsigned {
  const sign = (amount: number) => (isMinus && amount !== 0 ? -amount : amount);
  if (asDecimal === undefined) return { value: sign(value) };
  return { value: sign(value), asDecimal: { mark: asDecimal.mark, value: sign(asDecimal.value) } };
}

/**
 * A minus belongs to the number that it touches, or whose currency it touches; one between spaces is a dash, but for the
 * first of a text, where the number follows. After a letter or a digit it is a hyphen.
 */
function isNegative(before: string): boolean {
  return /(?:(?:^|[\s(:\p{Sc}])[-–]|(?<![\p{L}\p{N}])−)(?:(?:\p{L}{0,3}\p{Sc}|[A-Z]{3}) ?)?$|^- $|(?<![\p{L}\p{N}])− ?$/u.test(
    before,
  );
}
