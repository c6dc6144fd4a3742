// Label selectors as the API server reads them, as far as they are written plainly. Whatever is not understood here is the API server's to
// judge: so nothing is refused that it takes, and nothing answered that it refuses.

export type Labels = Readonly<Record<string, string>>;

const PREFIX = String.raw`[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*`;
const NAME = '[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?';
const KEY = new RegExp(`^(${PREFIX}/)?${NAME}$`);
const VALUE = new RegExp(`^(${NAME})?$`);
const LONGEST_NAME = 63;
const LONGEST_PREFIX = 253;

/** `a=b`, `a==b`, `a!=b`; `a in (b,c)`, `a notin (b,c)`; `a`, `!a`. */
const EQUAL = /^ *([^ =!]+) *(==|=|!=) *([^ =!]*) *$/;
const OF_SET = /^ *([^ ]+) +(in|notin) *\(([^()]*)\) *$/;
const EXISTS = /^ *(!?) *([^ !=<>()]+) *$/;
/** Between terms, and not between the values of a set. */
const COMMA = /,(?![^(]*\))/;

/** Undefined for a selector that is to be given to the API server. */
export function labelTest(selector: string): ((labels: Labels) => boolean) | undefined {
  const terms = selector.split(COMMA).map(termTest);
  const known = terms.filter((term) => term !== undefined);
  if (known.length < terms.length) return undefined;
  return (labels) => known.every((term) => term(labels));
}

function termTest(term: string): ((labels: Labels) => boolean) | undefined {
  const [, key, operator, value = ''] = EQUAL.exec(term) ?? [];
  if (key !== undefined) return test(key, [value], operator !== '!=');
  const [, ofSet, among, values = ''] = OF_SET.exec(term) ?? [];
  if (ofSet !== undefined) {
    const wanted = values.split(',').map((one) => one.trim());
    return test(ofSet, wanted, among === 'in');
  }
  const [, not, alone = ''] = EXISTS.exec(term) ?? [];
  return isKey(alone) ? (labels) => Object.hasOwn(labels, alone) === (not === '') : undefined;
}

/** What has no such label has none of the values. */
function test(key: string, values: readonly string[], isOne: boolean): ((labels: Labels) => boolean) | undefined {
  if (!isKey(key) || !values.every(isValue)) return undefined;
  return (labels) => (Object.hasOwn(labels, key) && values.includes(labels[key] ?? '')) === isOne;
}

function isKey(text: string): boolean {
  const [name = '', prefix = ''] = text.split('/').reverse();
  return KEY.test(text) && name.length <= LONGEST_NAME && prefix.length <= LONGEST_PREFIX;
}

function isValue(text: string): boolean {
  return VALUE.test(text) && text.length <= LONGEST_NAME;
}
