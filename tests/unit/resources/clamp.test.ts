// A clamped value always satisfies its schema, and what satisfied it already stays as it is.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clampToSchema, cutText } from '#src/resources/clamp.ts';
import { keyedBy } from '#src/resources/validation.ts';

const schema = z.object({
  text: z.string().max(5).optional(),
  count: z.int().min(0).max(9).optional(),
  share: z.number().min(0).optional(),
  list: z.array(z.string().max(2)).max(3).optional(),
  entries: keyedBy(z.array(z.object({ name: z.string().max(3), n: z.int().min(0) })).max(2), 'name').optional(),
  map: z.record(z.string(), z.int()).optional(),
});

const wild = fc.record(
  {
    text: fc.string({ unit: 'binary', maxLength: 12 }),
    count: fc.oneof(fc.integer(), fc.double()),
    share: fc.double(),
    list: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 6 }),
    entries: fc.array(fc.record({ name: fc.string({ maxLength: 5 }), n: fc.integer() }), { maxLength: 5 }),
    map: fc.dictionary(fc.string(), fc.double({ noDefaultInfinity: true, noNaN: true })),
  },
  { requiredKeys: [] },
);

test('what comes out is valid, keys of entries once, and clamping again changes nothing', () => {
  fc.assert(
    fc.property(wild, (value) => {
      const clamped = clampToSchema(schema, value);
      // The API server counts code points, zod UTF-16 units.
      expect([...(clamped.text ?? '')].length).toBeLessThanOrEqual(5);
      expect((clamped.text ?? '').isWellFormed()).toBe(true);
      const { text: _, list, entries = [], ...rest } = clamped;
      expect(schema.safeParse(rest).error).toBeUndefined();
      expect(list?.length ?? 0).toBeLessThanOrEqual(3);
      for (const one of list ?? []) expect([...one].length).toBeLessThanOrEqual(2);
      expect(entries.length).toBeLessThanOrEqual(2);
      expect(new Set(entries.map(({ name }: { readonly name: string }) => name)).size).toBe(entries.length);
      expect(clampToSchema(schema, clamped)).toEqual(clamped);
    }),
  );
});

test('what is valid stays as it is', () => {
  const valid = { text: 'a', count: 3, share: 0.5, list: ['a'], entries: [{ name: 'a', n: 1 }], map: { b: 2 } };
  expect(clampToSchema(schema, valid)).toEqual(valid);
});

describe('cutText', () => {
  test.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['😀😀😀', 3, '😀😀😀'],
    ['😀😀😀', 2, '😀…'],
    ['a\ud83d', 5, 'a\ufffd'],
    ['abc', 0, ''],
  ])('%j to %d is %j', (text, length, cut) => {
    expect(cutText(text, length)).toBe(cut);
  });
});
