// Which currency a text names: by its ISO 4217 code, or by a sign or word that shops write for it.
import { cached, type LocaleSource } from './locales.ts';

/** A currency as a text names it, and where. */
export type NamedCurrency = {
  readonly start: number;
  readonly end: number;
  /** ISO 4217; the sign as written where it is that of several and nothing tells which one is meant. */
  readonly currency: string;
};

/** Those in use. */
const CODES = new Set(Intl.supportedValuesOf('currency'));

/** Signs and words of one currency. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  AED: ['د.إ', 'درهم', 'Dhs', 'DHS', 'Dh'],
  AFN: ['؋'],
  ALL: ['Lekë'],
  AMD: ['֏', 'դր'],
  AOA: ['Kz'],
  ARS: ['AR$'],
  AUD: ['A$', 'AU$'],
  AZN: ['₼', 'ман'],
  BAM: ['KM'],
  BBD: ['Bds$'],
  BDT: ['৳', 'টকা', 'Tk'],
  BGN: ['лв', 'lv'],
  BHD: ['د.ب', 'BD'],
  BOB: ['Bs'],
  BRL: ['R$', 'reais'],
  BZD: ['BZ$'],
  CAD: ['CA$', 'C$', 'CAN$', 'CDN$'],
  CHF: ['Fr', 'SFr', 'sFr', 'Franken'],
  CLP: ['CL$', 'CLP$'],
  CNY: ['CN¥', '元', 'RMB', '人民币'],
  COP: ['CO$', 'COL$'],
  CRC: ['₡'],
  CZK: ['Kč', 'Kc', 'KČ', 'kč'],
  DKK: ['Dkr'],
  DOP: ['RD$'],
  DZD: ['د.ج'],
  EGP: ['E£', 'LE', 'ج.م', 'جنيه'],
  EUR: ['€', '₠', 'euro', 'Euro', 'EURO', 'euros', 'Euros', 'EUROS', 'Eur', 'ευρώ', 'евро'],
  GBP: ['UK£', '￡', 'pounds'],
  GEL: ['₾'],
  GHS: ['GH₵', '₵', 'GH¢'],
  GTQ: ['Q'],
  HKD: ['HK$'],
  HRK: ['kn'],
  HUF: ['Ft', 'forint'],
  IDR: ['Rp', 'RP'],
  ILS: ['₪', 'NIS', 'ש"ח', "ש'ח", 'שח'],
  INR: ['₹'],
  IQD: ['د.ع'],
  IRR: ['تومان', 'ریال'],
  JMD: ['J$'],
  JOD: ['د.أ', 'JD'],
  JPY: ['円', 'JP¥', 'yen'],
  KES: ['KSh', 'KShs', 'Ksh'],
  KGS: ['сом'],
  KHR: ['៛'],
  KRW: ['₩', '￦', '원'],
  KWD: ['د.ك', 'KD'],
  KZT: ['₸', 'тг', 'тңг', 'тенге'],
  LAK: ['₭'],
  LBP: ['L£', 'ل.ل'],
  LYD: ['د.ل'],
  MAD: ['د.م'],
  MKD: ['ден'],
  MNT: ['₮'],
  MOP: ['MOP$'],
  MXN: ['MX$', 'Mex$'],
  MYR: ['RM'],
  NAD: ['N$'],
  NGN: ['₦'],

  NOK: ['Nkr'],
  NZD: ['NZ$'],
  OMR: ['ر.ع'],
  PAB: ['B/'],
  PEN: ['S/'],
  PHP: ['₱', 'Php'],
  PLN: ['zł', 'Zł', 'ZŁ', 'zl', 'PLZ'],
  PYG: ['₲', 'Gs'],
  QAR: ['ر.ق', 'QR'],
  RON: ['lei', 'Lei', 'LEI'],
  RSD: ['дин', 'динара', 'din', 'Din', 'Dinara'],
  RUB: ['₽', 'руб', 'рублей', 'рубля', 'Руб', 'р', 'Р'],
  SAR: ['ر.س', 'ريال', 'SR'],
  SGD: ['S$'],
  THB: ['฿', 'บาท', 'Baht', 'baht'],
  TND: ['د.ت', 'DT'],
  TOP: ['T$'],
  TRY: ['₺', 'TL', 'tl'],
  TTD: ['TT$'],
  TWD: ['NT$', '圓'],
  UAH: ['₴', 'грн', 'гривень'],
  USD: ['US$', 'U$S', 'U$', 'USD$', 'dollars', 'dollar'],
  UYU: ['$U'],
  UZS: ["so'm", 'сум'],
  VND: ['₫', 'đ', 'Đ', 'VNĐ'],
  XAF: ['FCFA'],
  XCD: ['EC$'],
  XCG: ['Cg'],
  XOF: ['F CFA'],
  XPF: ['CFPF'],
  YER: ['ر.ي'],
  ZAR: ['R'],
  ZMW: ['ZK'],
};

/** Signs of several currencies, and which one is meant where nobody says where. */
const SHARED: Readonly<Record<string, { readonly of: readonly string[]; readonly mostly?: string }>> = {
  $: {
    of: 'USD AUD ARS BBD BMD BND BSD BZD CAD CLP COP CUP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD UYU XCD'.split(
      ' ',
    ),
    mostly: 'USD',
  },
  '£': { of: ['GBP', 'EGP', 'FKP', 'GIP', 'LBP', 'SHP', 'SSP', 'SYP'], mostly: 'GBP' },
  '¥': { of: ['JPY', 'CNY'], mostly: 'JPY' },
  '￥': { of: ['JPY', 'CNY'], mostly: 'JPY' },
  kr: { of: ['SEK', 'NOK', 'DKK', 'ISK'] },
  Kr: { of: ['SEK', 'NOK', 'DKK', 'ISK'] },
  KR: { of: ['SEK', 'NOK', 'DKK', 'ISK'] },
  Rs: { of: ['INR', 'PKR', 'LKR', 'NPR', 'MUR'], mostly: 'INR' },
  RS: { of: ['INR', 'PKR', 'LKR', 'NPR', 'MUR'], mostly: 'INR' },
  '₨': { of: ['INR', 'PKR', 'LKR', 'NPR', 'MUR'], mostly: 'INR' },
};

/** Those that are also written in lower case, and are no words. */
const LOWER_CODES = 'AUD BRL CAD CHF CNY CZK DKK EUR GBP HUF INR JPY NOK NZD PLN RUB SEK SGD UAH USD ZAR'.split(' ');

const CURRENCY_OF = new Map<string, string>([
  ...Object.entries(NAMES).flatMap(([code, names]) => names.map((name): [string, string] => [name, code])),
  ...[...CODES].map((code): [string, string] => [code, code]),
  ...LOWER_CODES.map((code): [string, string] => [code.toLowerCase(), code]),
]);
const LONGEST = Math.max(...[...CURRENCY_OF.keys()].map((name) => name.length));

/**
 * What the text names, in its order.
 * @param text as `plainText` makes it
 */
export function* currenciesIn(text: string, locale: LocaleSource): Generator<NamedCurrency> {
  for (let start = 0; start < text.length; ) {
    const name = nameAt(text, start);
    if (name === undefined) {
      start++;
      continue;
    }
    const isAbbreviated = /\p{L}$|\/$/u.test(name) && text[start + name.length] === '.';
    const end = start + name.length + (isAbbreviated ? 1 : 0);
    yield { start, end, currency: CURRENCY_OF.get(name) ?? sharedCurrency(name, locale) };
    start = end;
  }
}

/** The longest name; letters are one only where no other letter touches them, but for scripts that put no spaces between words. */
function nameAt(text: string, start: number): string | undefined {
  const first = text[start] ?? '';
  if (!/[\p{L}\p{Sc}]/u.test(first) || (isWord(first) && isWord(text[start - 1]))) return undefined;
  for (let length = Math.min(LONGEST, text.length - start); length > 0; length--) {
    const name = text.slice(start, start + length);
    if (!CURRENCY_OF.has(name) && !Object.hasOwn(SHARED, name)) continue;
    if (!isWord(name.at(-1)) || !isWord(text[start + length])) return name;
  }
  return undefined;
}

function isWord(character: string | undefined): boolean {
  return (
    character !== undefined &&
    /\p{L}/u.test(character) &&
    !/[\p{Script=Han}\p{Script=Hangul}\p{Script=Thai}]/u.test(character)
  );
}

/** The currency that has the sign in the locale (CLDR): `$` is CAD in Canada. */
function sharedCurrency(sign: string, source: LocaleSource): string {
  const { of = [], mostly } = SHARED[sign] ?? {};
  const locale = source()?.tag;
  if (locale === undefined) return mostly ?? sign;
  return cached(
    inLocale,
    `${locale} ${sign}`,
    () => of.find((currency) => signOf(currency, locale) === plainSign(sign)) ?? sign,
  );
}

const inLocale = new Map<string, string>();

function signOf(currency: string, locale: string): string | undefined {
  const parts = new Intl.NumberFormat(locale, { style: 'currency', currency }).formatToParts(1);
  return plainSign(parts.find(({ type }) => type === 'currency')?.value ?? '');
}

function plainSign(sign: string): string {
  return sign.replace('￥', '¥').replace(/\.$/, '').toLowerCase();
}

/** Digits after the point that amounts of the currency have (CLDR); undefined for what is no code. */
export function fractionDigits(currency: string): number | undefined {
  if (!CODES.has(currency)) return undefined;
  return cached(digits, currency, () => {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    return format.resolvedOptions().maximumFractionDigits ?? 2;
  });
}

const digits = new Map<string, number>();
