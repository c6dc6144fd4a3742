// Prices as shops write them: an amount, and the currency that stands beside it.
import { currenciesIn, fractionDigits, type NamedCurrency } from './currencies.ts';
import { decimalMark, type LocaleSource, noLocale } from './locales.ts';
import { amountOf, numbersIn, plainText, type WrittenNumber } from './numbers.ts';

export type Price = {
  readonly amount: number;
  /** ISO 4217; the sign as written where several currencies have it, null without one. */
  readonly currency: string | null;
};

/** Whole texts that mean a price of nothing. */
const FREE =
  /^(?:[\p{L} ]{1,20}: ?)?[^\p{L}\p{N}]*(?:free|for free|free of charge|gratis|kostenlos|umsonst|gratuite?|gratuit[oa]|grátis|darmowe|bezpłatn[eya]|za darmo|zdarma|zadarmo|ingyenes|brezplačno|besplatno|бесплатно|безкоштовно|безплатно|ücretsiz|bedava|miễn phí|ilmainen|ilmaiseksi|δωρεάν|免费|免費|無料|무료|ฟรี|مجاني|مجانا|חינם|מוצר חינם)[^\p{L}\p{N}]*$/iu;

/**
 * The price in a text, null without one; a percentage does not count. Of several numbers the first one beside a currency
 * counts, else the first; of a range (`26 to 50 €`) its beginning. A price has no three decimals: `1.299 €` is a thousand and more. That is otherwise where the
 * currency has three (KWD), where `locale` was given and has the mark for decimals, and for a comma in a page whose
 * language has it for decimals (`1,789 €` in German).
 * @param hint a text that may name the currency where the price's own text does not
 */
export function readPrice(text: string, locale: LocaleSource = noLocale, hint = ''): Price | null {
  const plain = plainText(text);
  const numbers = [...numbersIn(plain)].filter((number) => !isPercentage(plain, number));
  const currencies = [...currenciesIn(plain, locale)];
  const beside = numbers.findIndex((number) => currencies.some((currency) => isBeside(plain, number, currency)));
  const number = numbers[startsRange(plain, numbers[beside - 1], numbers[beside]) ? beside - 1 : Math.max(beside, 0)];
  const currency = number && currencyFor(plain, number, currencies)?.currency;
  const named = currency ?? [...currenciesIn(plainText(hint), locale)][0]?.currency ?? null;
  if (number === undefined) return FREE.test(plain) ? { amount: 0, currency: named } : null;
  return { amount: amountOf(number, () => decimalsOf(number, named, locale)), currency: named };
}

function decimalsOf(number: WrittenNumber, currency: string | null, locale: LocaleSource): '.' | ',' | undefined {
  const digits = currency === null ? undefined : fractionDigits(currency);
  if (digits === 0) return undefined;
  const known = locale();
  const mark = known && decimalMark(known.tag);
  if (digits === 3) return mark ?? '.';
  return known?.isCertain || number.asDecimal?.mark === ',' ? mark : undefined;
}

function startsRange(text: string, first: WrittenNumber | undefined, second: WrittenNumber | undefined): boolean {
  if (first === undefined || second === undefined) return false;
  return /^ ?(?:[-–—~〜]|to|bis|tot|do|au?|à|al?|até|till|until|до) ?$/iu.test(text.slice(first.end, second.start));
}

/** `40%`, and `%40` as Turkish has it. */
function isPercentage(text: string, { start, end }: WrittenNumber): boolean {
  return /^ ?%/.test(text.slice(end)) || /%$/.test(text.slice(0, start));
}

/** The one beside the number, first that after it; else the first of the text. */
function currencyFor(
  text: string,
  number: WrittenNumber,
  currencies: readonly NamedCurrency[],
): NamedCurrency | undefined {
  return (
    currencies.find((currency) => currency.start >= number.start && isBeside(text, number, currency)) ??
    currencies.find((currency) => isBeside(text, number, currency)) ??
    currencies[0]
  );
}

function isBeside(text: string, number: WrittenNumber, { start, end }: NamedCurrency): boolean {
  if (start >= number.start && start < number.end) return true;
  const between = start >= number.end ? text.slice(number.end, start) : text.slice(end, number.start);
  return start >= number.end ? /^[.,]?[-–—=]{0,2} ?$/.test(between) : /^[.:]? ?[-+−–]? ?$/.test(between);
}
