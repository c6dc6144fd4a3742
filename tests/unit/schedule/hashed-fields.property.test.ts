// H over random fields, ranges, steps and seeds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCron } from '#src/schedule/cron.ts';
import { expandHashedFields } from '#src/schedule/hashed-fields.ts';

/** The fields from second to day of week, as they are drawn from; a drawn day is in every month. */
const ranges = [
  [0, 59],
  [0, 59],
  [0, 23],
  [1, 28],
  [1, 12],
  [0, 6],
] as const;

const position = fc.constantFrom(...ranges.keys());
const seed = fc.uuid();

/** An expression that has the given field at the given place. */
function at(place: number, field: string): string[] {
  return ranges.map((_, index) => (index === place ? field : '*'));
}

/** A range within what the field allows. */
function rangeOf(place: number): fc.Arbitrary<readonly [number, number]> {
  const [min, max] = ranges[place] ?? [0, 0];
  const value = fc.integer({ min, max });
  return fc.tuple(value, value).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
}

const placed = position.chain((place) => fc.tuple(fc.constant(place), rangeOf(place)));

test('H is one value of the field or of the given range, the same for the same seed', () => {
  fc.assert(
    fc.property(placed, seed, fc.boolean(), ([place, given], uid, isGiven) => {
      const [low, high] = isGiven ? given : (ranges[place] ?? [0, 0]);
      const fields = at(place, isGiven ? `H(${low}-${high})` : 'H');
      const expanded = expandHashedFields(fields, uid);
      const value = Number(expanded[place]);
      expect(Number.isInteger(value)).toBe(true);
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThanOrEqual(high);
      expect(expanded.filter((_, index) => index !== place)).toEqual(Array(5).fill('*'));
      expect(expandHashedFields(fields, uid)).toEqual(expanded);
    }),
    { numRuns: 1_000 },
  );
});

test('H/n is every n-th value, beginning with one of the first n, and so never leaves a longer gap', () => {
  const stepped = placed.chain(([place, [low, high]]) =>
    fc.tuple(fc.constant(place), fc.constant(low), fc.constant(high), fc.integer({ min: 1, max: high - low + 1 })),
  );
  fc.assert(
    fc.property(stepped, seed, ([place, low, high, every], uid) => {
      const expanded = expandHashedFields(at(place, `H(${low}-${high})/${every}`), uid);
      const [, first, last, step] = /^(\d+)-(\d+)\/(\d+)$/.exec(expanded[place] ?? '') ?? [];
      expect([last, step]).toEqual([String(high), String(every)]);
      expect(Number(first)).toBeGreaterThanOrEqual(low);
      expect(Number(first)).toBeLessThan(low + every);
    }),
  );
});

test('any value or step that is drawn can be read as cron, in five fields and in six', () => {
  const forms = placed.chain(([place, [low, high]]) =>
    fc.constantFrom('H', `H(${low}-${high})`, 'H/2', `H(${low}-${high})/1`).map((field) => at(place, field)),
  );
  fc.assert(
    fc.property(forms, seed, fc.boolean(), (fields, uid, hasSeconds) => {
      const expression = (hasSeconds ? fields : fields.slice(1)).join(' ');
      const parsed = parseCron(expression, 'Etc/UTC', uid);
      expect(parsed).toMatchObject({ ok: true });
      if (!parsed.ok) return;
      // Within a year there is always a slot: what is drawn exists.
      const start = new Date('2026-01-01T00:00:00Z');
      expect(parsed.timetable.next(start)?.getTime()).toBeLessThan(Date.parse('2027-01-02T00:00:00Z'));
    }),
  );
});

test('a list of names and H draws for the H alone', () => {
  fc.assert(
    fc.property(seed, (uid) => {
      const [, , , , , weekday] = expandHashedFields(['0', '0', '0', '*', '*', 'THU,H(1-5)'], uid);
      expect(weekday).toMatch(/^THU,[1-5]$/);
    }),
  );
});
