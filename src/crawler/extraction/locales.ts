// What a locale says of numbers, by the data that Node has from CLDR.

/** How a page writes numbers. */
export type Locale = {
  /** BCP 47, as Intl knows it. */
  readonly tag: string;
  /** Whether the spec names it; what a page says of its own language may be left over from a template. */
  readonly isCertain: boolean;
};

/** A locale that Node has no data for; the message names the field. */
export class LocaleError extends Error {
  override readonly name = 'LocaleError';
}

/** Throws a LocaleError. */
export function checkLocale(field: string, locale: string | undefined): void {
  if (locale !== undefined && knownLocale(locale) === undefined) {
    throw new LocaleError(`${field}: "${locale}" is no language that is known, such as de or pt-BR`);
  }
}

/** Longer ones are no tags that anybody uses. */
const MAX_TAG = 35;

/** The tag in its standard form; undefined for one that is malformed or that Intl has no data for. */
export function knownLocale(tag: string): string | undefined {
  const text = tag.trim().replaceAll('_', '-');
  if (text === '' || text.length > MAX_TAG) return undefined;
  return cached(knownTags, text, () => supportedTag(text)).tag;
}

type Known = { readonly tag: string | undefined };

/** Every page of a site says its language, and Intl takes longer to look it up than a field to be read. */
const knownTags = new Map<string, Known>();

function supportedTag(text: string): Known {
  try {
    return { tag: Intl.NumberFormat.supportedLocalesOf(text)[0] };
  } catch {
    return { tag: undefined };
  }
}

/**
 * The locale of a text, undefined where none is known. Most texts mean one thing in every language, and the first question
 * makes Node load megabytes of ICU's data: so it is only asked where the answer matters.
 */
export type LocaleSource = () => Locale | undefined;

export const noLocale: LocaleSource = () => undefined;

/** The locale of the spec, else that of the page. */
export function localeOf(specified: string | undefined, language: string | null): LocaleSource {
  return () => {
    if (specified !== undefined) return { tag: specified, isCertain: true };
    const tag = knownLocale(language ?? '');
    return tag === undefined ? undefined : { tag, isCertain: false };
  };
}

/** What stands before decimals in numbers with the digits 0 to 9. */
export function decimalMark(tag: string): '.' | ',' {
  return cached(decimalMarks, tag, () => {
    const parts = new Intl.NumberFormat(tag, { numberingSystem: 'latn' }).formatToParts(0.5);
    return parts.some(({ type, value }) => type === 'decimal' && value === ',') ? ',' : '.';
  });
}

const decimalMarks = new Map<string, '.' | ','>();

/** Languages come from pages: only so many are kept. */
const MAX_KEPT = 64;

/** The value of the key, made when it is not there; all are made anew when there are too many. */
export function cached<T>(values: Map<string, T>, key: string, make: () => T): T {
  const known = values.get(key);
  if (known !== undefined) return known;
  if (values.size >= MAX_KEPT) values.clear();
  const made = make();
  values.set(key, made);
  return made;
}
