// From the texts that were found for a field to its value, by its type.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { readDate } from './dates.ts';
import { type FieldLookup, kindOf } from './known-fields.ts';
import type { Locale, LocaleSource } from './locales.ts';
import { firstNumber } from './numbers.ts';
import { type Price, readPrice } from './prices.ts';

type Field = NonNullable<CrawlRunSpec['extract']>['fields'][number];
type Value = string | number | boolean | Price;
/** null, false or an empty list: the page has none that fits the field's type. */
export type FieldValue = Value | null | readonly Value[];

/** How texts of a page are read. */
export type Reading = {
  /** What addresses are relative to. */
  readonly base: string;
  readonly locale: LocaleSource;
  /** A text that may name the currency of prices that name none. */
  readonly currency?: string;
};

/** @param texts what its selector found */
export function selectedValue(field: Field, texts: readonly string[], reading: Reading): FieldValue {
  const { type } = field;
  if (type === 'Boolean') return texts.length > 0;
  const values = texts.map((text) => convert(type, text, reading)).filter((value) => value !== null);
  return field.multiple ? values : (values[0] ?? null);
}

/**
 * The value of a field without a selector, from the first source that has one of its type: a price "on request" has no number
 * where a number is wanted.
 */
export function namedValue(
  field: Field,
  lookUp: (name: string) => ReturnType<FieldLookup>,
  reading: Reading,
): FieldValue {
  const kind = kindOf(field.name);
  const effective: Field = field.type === 'String' && kind === 'address' ? { ...field, type: 'URL' } : field;
  const isNumeric = field.type === 'Number' || field.type === 'Price';
  const currency = field.type === 'Price' ? firstText(lookUp('currency')) : undefined;
  for (const { texts, isForMachines, isOfList = false } of lookUp(field.name)) {
    if (isOfList && !field.multiple) continue;
    const found = texts.filter(says).map(kind === 'term' ? withoutVocabulary : String);
    const value = selectedValue(effective, found, {
      ...reading,
      ...(currency === undefined ? {} : { currency }),
      ...(isForMachines && isNumeric ? { locale: () => FOR_MACHINES } : {}),
    });
    if (!isEmpty(value)) return value;
  }
  return selectedValue(effective, [], reading);

  /** Where no selector tells that an element is there, the value tells whether something is so. */
  function says(text: string): boolean {
    return field.type !== 'Boolean' || !/^(false|no|0|)$/i.test(text);
  }
}

/** Numbers of JSON and of schema.org have a point before decimals, whatever the page's language. */
const FOR_MACHINES: Locale = { tag: 'en-US', isCertain: true };

function firstText(sources: ReturnType<FieldLookup>): string | undefined {
  for (const { texts } of sources) if (texts[0] !== undefined && texts[0] !== '') return texts[0];
  return undefined;
}

export function isEmpty(value: FieldValue | readonly object[] | undefined): boolean {
  return value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0);
}

/** `InStock` for `https://schema.org/InStock`. */
function withoutVocabulary(text: string): string {
  return text.replace(/^(?:https?:\/\/(?:www\.)?schema\.org\/|schema:)/i, '').replace(/\/$/, '');
}

function convert(type: Exclude<Field['type'], 'Boolean'>, text: string, reading: Reading): Value | null {
  switch (type) {
    case 'String':
      return text === '' ? null : text;
    case 'Number':
      return firstNumber(text, reading.locale);
    case 'Price':
      return readPrice(text, reading.locale, reading.currency);
    case 'Date':
      return readDate(text, reading.locale);
    case 'URL':
      return absoluteUrl(text, reading.base);
  }
}

/** http and https alone. */
export function absoluteUrl(text: string, base: string): string | null {
  const url = text === '' ? null : URL.parse(text, base);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') ? url.href : null;
}
