// What is wrong with a cron expression, for the person who wrote it: the field, and what it takes. Pure functions.

type Field = { readonly name: string; readonly least: string; readonly greatest: string; readonly takes: string };

const LISTS = '*, lists (1,3), ranges (1-5) and steps (*/10)';
const FIELDS: readonly Field[] = [
  { name: 'second', least: '0', greatest: '59', takes: `0 to 59, H, ${LISTS}` },
  { name: 'minute', least: '0', greatest: '59', takes: `0 to 59, H, ${LISTS}` },
  { name: 'hour', least: '0', greatest: '23', takes: `0 to 23, H, ${LISTS}` },
  { name: 'day of month', least: '1', greatest: '31', takes: `1 to 31, L, LW, 15W, H, ${LISTS}` },
  { name: 'month', least: '1', greatest: '12', takes: `1 to 12, JAN to DEC, H, ${LISTS}` },
  { name: 'day of week', least: '0', greatest: '6', takes: `0 to 7, SUN to SAT, 1#2, 5L, H, ${LISTS}` },
];

/** In the order of a range. */
const NAMES = [
  ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'],
];

/**
 * Names the first of the five or six fields that cannot be read: 'the hour is "25", and takes 0 to 23, …'. `canRead`
 * tells whether an expression of as many fields can be read. Undefined when each field can be read alone.
 */
export function faultOfFields(
  fields: readonly string[],
  canRead: (fields: readonly string[]) => boolean,
): string | undefined {
  const offset = FIELDS.length - fields.length; // five fields begin with the minute
  for (const [index, text] of fields.entries()) {
    const field = FIELDS[index + offset];
    const alone = fields.map((_, other) => (other === index ? text : '*'));
    if (field === undefined || canRead(alone)) continue;
    return `the ${field.name} is "${text}", and takes ${field.takes}${rangeHint(text, field)}`;
  }
  return undefined;
}

/** People write ranges over midnight, or over the end of a week or a year. */
function rangeHint(text: string, { least, greatest }: Field): string {
  for (const [range, from = '', to = ''] of text.matchAll(/(\w+)-(\w+)/g)) {
    const names = NAMES.find((some) => some.includes(from.toUpperCase()) && some.includes(to.toUpperCase()));
    const rank = (end: string) => names?.indexOf(end.toUpperCase()) ?? Number.parseInt(end, 10);
    if (!(rank(from) > rank(to))) continue;
    const [first, last] = names === undefined ? [least, greatest] : [names[0], names.at(-1)];
    return `; a range goes upwards: write ${from}-${last},${first}-${to} in place of ${range}`;
  }
  return '';
}
