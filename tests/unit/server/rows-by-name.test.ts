// Rows in the order of their names: pages are those of a sorted list, whatever was put and removed before.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRowsByName } from '#src/server/runs/rows-by-name.ts';

type Row = { readonly metadata: { readonly namespace: string; readonly name: string }; readonly n: number };

const name = fc.stringMatching(/^[a-c][a-c.-]{0,2}$/);
const namespace = fc.constantFrom('red', 'blue');
const step = fc.record({ namespace, name, n: fc.nat(9), isRemoved: fc.boolean() });

test('pages are those of a sorted list', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(9), fc.integer({ min: 1, max: 5 }), (steps, least, limit) => {
      const rows = createRowsByName<Row>();
      const model = new Map<string, Row>();
      for (const { isRemoved, n, ...metadata } of steps) {
        const row = { metadata, n };
        if (isRemoved) {
          rows.remove(row);
          model.delete(`${metadata.namespace}/${metadata.name}`);
        } else {
          rows.put(row);
          model.set(`${metadata.namespace}/${metadata.name}`, row);
        }
      }
      for (const of of ['red', 'blue']) {
        const wanted = [...model.values()]
          .filter((row) => row.metadata.namespace === of && row.n >= least)
          .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
        const seen: Row[] = [];
        for (let after = '', hasMore = true; hasMore; after = seen.at(-1)?.metadata.name ?? '') {
          const page = rows.page(of, { after, limit, wants: (row) => row.n >= least });
          seen.push(...page.rows);
          expect(page.rows.length).toBeLessThanOrEqual(limit);
          expect(page.hasMore).toBe(seen.length < wanted.length);
          hasMore = page.hasMore;
        }
        expect(seen).toEqual(wanted);
      }
    }),
  );
});

test('the nearest row is the one of that name, or the one before it in the same namespace', () => {
  const rows = createRowsByName<Row>();
  const row = (of: string, called: string) => ({ metadata: { namespace: of, name: called }, n: 0 });
  for (const called of ['shop-1', 'shop-3']) rows.put(row('red', called));
  rows.put(row('blue', 'shop-0'));
  const nearest = (called: string) => rows.nearest('red', called)?.metadata.name;
  expect([nearest('shop-0'), nearest('shop-1'), nearest('shop-2'), nearest('shop-9')]).toEqual([
    ...[undefined, 'shop-1', 'shop-1', 'shop-3'],
  ]);
});
