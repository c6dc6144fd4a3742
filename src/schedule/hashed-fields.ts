// `H` in a cron expression: a value of the field's range that is drawn once for each schedule, so that a thousand
// schedules written the same way do not all start at second zero (as Jenkins has it).
import { createHash } from 'node:crypto';

type Range = { readonly min: number; readonly max: number };

/** Days end at 28, so that a hashed day is there in every month. */
const RANGES: readonly Range[] = [
  { min: 0, max: 59 }, // second
  { min: 0, max: 59 }, // minute
  { min: 0, max: 23 }, // hour
  { min: 1, max: 28 }, // day of month
  { min: 1, max: 12 }, // month
  { min: 0, max: 6 }, // day of week
];

/** Not the H of a name such as THU. */
const HASHED = /(?<![A-Za-z])H(?![A-Za-z])(?:\((\d+)-(\d+)\))?(?:\/(\d+))?/g;

/**
 * The fields with each H replaced by a number, and each H/n by a stepped range with a drawn offset. `seed` decides what
 * is drawn: the same seed gives the same times for ever. Throws a RangeError when a range is not one of the field's.
 */
export function expandHashedFields(fields: readonly string[], seed: string): string[] {
  const offset = RANGES.length - fields.length; // five fields begin with the minute
  return fields.map((field, index) => {
    const range = RANGES[index + offset];
    if (range === undefined) return field;
    return field.replace(HASHED, (text, low?: string, high?: string, step?: string) => {
      const within = low === undefined ? range : checked({ min: Number(low), max: Number(high) }, range, text);
      const drawn = draw(`${seed}/${index + offset}`);
      if (step === undefined) return String(within.min + (drawn % (within.max - within.min + 1)));
      const stride = Number(step);
      if (stride < 1 || stride > within.max - within.min + 1) throw new RangeError(`${text}: the step is out of range`);
      return `${within.min + (drawn % stride)}-${within.max}/${stride}`;
    });
  });
}

function checked(range: Range, allowed: Range, text: string): Range {
  const isWithin = allowed.min <= range.min && range.min <= range.max && range.max <= allowed.max;
  if (!isWithin) throw new RangeError(`${text}: the range must be within ${allowed.min}-${allowed.max}`);
  return range;
}

/** 32 bits of a hash, evenly spread. */
export function draw(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32BE(0);
}
